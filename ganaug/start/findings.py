"""What ``ganaug init`` says: what it found, what it chose, and how long a run takes."""

from collections.abc import Sequence
from pathlib import Path

from ganaug.config import Settings
from ganaug.data.survey import Survey
from ganaug.start.estimate import Pace


def findings(seen: Survey, images: Path) -> str:
    """What is in the set at ``images``, and what is wrong with it."""
    found = seen.data.found
    (commonest, most), *others = seen.sizes.items()
    sizes = f"{commonest[0]}x{commonest[1]} pixels" + (f" ({most} of them; {len(others)} other sizes)" * bool(others))
    lines = [
        f"{images}: {len(found.files):,} images in {len(seen.counts)} classes",
        f"  classes: {_some([f'{name} {count}' for name, count in seen.counts.items()], 20)}",
        f"  images: {sizes}, {'gray' if seen.spec.channels == 'gray' else 'colour'}",
    ]
    if found.groups is not None:
        lines.append(f"  groups: {len(set(found.groups))}")
    if found.official_test.any():
        lines.append(f"  test part: {int(found.official_test.sum())} images")
    lines += [
        f"  broken: {_some([f'{file} ({reason})' for file, reason in seen.data.broken], 10)}",
        f"  exact duplicates: {_sets(seen.duplicates)}",
        f"  the same image under two labels: {_sets(seen.conflicts)}",
        f"  near-duplicates: {_sets(seen.near)}",
        *(f"  note: {note}" for note in found.notes),
    ]
    if seen.data.broken:
        lines.append("  repair or remove the broken images, or set data.on_broken: skip")
    return "\n".join(lines)


def choices(settings: Settings) -> str:
    """The most important settings."""
    data, protocol, gan = settings.data, settings.protocol, settings.gan
    return (
        f"chosen: {data.image_size}x{data.image_size} pixels, {data.channels}; {protocol.kind}, "
        f"{protocol.trials} trials\n"
        f"  GAN of {gan.steps:,} steps; flips {'' if gan.augment.flip else 'not '}allowed; "
        f"synth.balance {settings.synth.balance}; arms {', '.join(settings.classify.arms)}\n"
        "  params.yaml has the reason for each"
    )


def run_time(pace: Pace, seconds: float) -> str:
    """How long a run takes here."""
    time = f"{seconds / 60:.0f} minutes" if seconds >= 90 else f"{max(10, round(seconds, -1)):.0f} seconds"
    return f"a run takes about {time} here ({pace.jobs} at a time, {pace.device})"


def _some(words: Sequence[str], most: int) -> str:
    return (", ".join(words[:most]) + (f" and {len(words) - most} more" if len(words) > most else "")) or "none"


def _sets(sets: Sequence[Sequence[str]]) -> str:
    if not sets:
        return "none"
    return f"{len(sets)} set{'s' * (len(sets) > 1)}, such as {' = '.join(sets[0][:3])}"
