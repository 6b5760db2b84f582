"""What ``ganaug init`` says: what it found, what it chose, and how long a run takes."""

from collections.abc import Sequence
from pathlib import Path

from ganaug.config import Settings
from ganaug.data.cross_validation import CrossValidation
from ganaug.data.splits import Items
from ganaug.data.survey import Survey
from ganaug.report.missing import missing_words
from ganaug.report.verdict import text_table
from ganaug.stages.needs import Needs
from ganaug.start import cells
from ganaug.start.choose import GAN, SLOW, TRANSLATOR, Limits
from ganaug.start.estimate import Pace
from ganaug.start.power import ASSUMED

_MOST_CLASSES, _MOST_CONDITIONS = 20, 8  # rows and columns of the grid of cells


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
    if found.conditions is not None:
        lines += _conditions(seen.data.items())
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


def _conditions(items: Items) -> list[str]:
    """The images of each class under each condition, as a grid, and which cells are missing."""
    names, classes = items.condition_names, items.classes
    counts = [[str(count or "missing") for count in of_class] for of_class in items.cells().tolist()]
    rows = [(name, *of_class[:_MOST_CONDITIONS]) for name, of_class in zip(classes, counts, strict=True)]
    table = text_table(("class", *names[:_MOST_CONDITIONS]), rows[:_MOST_CLASSES]).split("\n")
    lines = [f"  conditions: {_some(names, 20)}", *(f"    {line}" for line in table)]
    lines += [f"    and {len(rows) - _MOST_CLASSES} more classes"] * (len(rows) > _MOST_CLASSES)
    lines += [f"    and {len(names) - _MOST_CONDITIONS} more conditions"] * (len(names) > _MOST_CONDITIONS)
    missing = cells.missing(items)
    if not missing:
        return [*lines, "  missing cells: none; every class has images under every condition, so none needs filling"]
    said = f"  missing cells: {len(missing)} of {len(classes) * len(names)}: {missing_words(missing)}"
    if why := cells.why_not_filled(items):
        said += f"; this run is not about them: {why}"
    return [*lines, said]


def choices(settings: Settings, likely: float | None, own_size: int) -> str:
    """The most important settings; ``likely``: the probability that the run shows the smallest gain worth having;
    ``own_size``: pixels per side of the images as they are."""
    data, protocol, gan = settings.data, settings.protocol, settings.gan
    kind = "translator" if gan.translate else "GAN"
    flips = getattr(settings.classify.classical if gan.translate else gan.augment, "flip", False)
    enlarged = f" (enlarged from {own_size}, to be translated)" * bool(data.image_size and data.image_size > own_size)
    points = f"{settings.report.smallest_gain:g} points"
    shown = (
        "" if likely is None else f"a gain of {points} is shown with a probability of about {likely:.0%}, {ASSUMED}; "
    )
    asks = "a gain must be shown" if any(rule.above is not None for rule in settings.gate) else "no harm may be shown"
    return (
        f"chosen: {data.image_size}x{data.image_size} pixels{enlarged}, {data.channels}; {protocol.kind}, "
        f"{protocol.trials} trials\n"
        f"  {kind} of {gan.steps:,} steps; flips {'' if flips else 'not '}allowed; "
        f"synth.balance {settings.synth.balance}; arms {', '.join(settings.classify.arms)}\n"
        f"  {shown}the gate: {asks}\n"
        "  params.yaml has the reason for each"
    )


def given_up(full: Settings, now: Settings, minutes: float, of_full: float | None, of_now: float | None) -> str:
    """What a run ``now`` lacks of the ``full`` one to fit ``minutes``, and what that costs; "" if it lacks nothing.

    ``of_full`` and ``of_now``: the probability that the run shows the smallest gain worth having.
    """
    lines = []
    if full.classify.curve and not now.classify.curve:
        lines.append("no learning curves: it is not told how many labelled images a gain is worth")
    dropped = [arm for arm in full.classify.arms if arm not in now.classify.arms]
    missing = [arm for arm in dropped if arm not in SLOW]
    if slow := [arm for arm in dropped if arm in SLOW]:
        lines.append(f"no {', '.join(slow)}: whether more steps bring as much, without a GAN, is not told")
    enough = (TRANSLATOR if now.gan.translate else GAN).enough
    if "none" in missing:
        lines.append(f"no {', '.join(missing)}: the one question is what GAN images add to classical augmentation")
    elif missing:
        lines.append(f"no {', '.join(missing)}: whether other images would do as much is not told")
    if now.data.image_size != full.data.image_size:
        lines.append(
            f"images of {now.data.image_size} pixels instead of {full.data.image_size}, those that are made too: "
            "scores may be lower, and a gain another"
        )
    if now.protocol.trials < full.protocol.trials:
        says = "gains are known less exactly"
        if of_now is not None and of_full is not None:
            before = f"instead of {of_full:.0%}" if f"{of_now:.0%}" != f"{of_full:.0%}" else "in either case"
            size = f"a gain of {now.report.smallest_gain:g} points"
            says = f"{size} is shown with a probability of about {of_now:.0%} {before}"
        lines.append(f"{now.protocol.trials} trials instead of {full.protocol.trials}: {says}")
    first, second = (one.protocol for one in (full, now))
    if isinstance(first, CrossValidation) and isinstance(second, CrossValidation) and second.folds < first.folds:
        lines.append(
            f"{second.folds} folds instead of {first.folds}: each trial learns from {1 - 1 / second.folds:.0%} of the "
            f"images instead of {1 - 1 / first.folds:.0%}"
        )
    if now.gan.steps < enough:
        kind = "translator" if now.gan.translate else "GAN"
        lines.append(f"a {kind} of {now.gan.steps:,} steps: {enough:,} and more make better images")
    listed = "".join(f"  {line}\n" for line in lines)
    return f"given up to keep to --minutes {minutes:g}:\n{listed}" if lines else ""


def run_needs(pace: Pace, seconds: float, takes: Needs) -> str:
    """What a run takes here: time, memory, disk."""
    return f"{run_time(pace, seconds)}, {takes}"


def run_time(pace: Pace, seconds: float) -> str:
    """How long a run takes here."""
    minutes = seconds / 60
    time = (
        f"{minutes:.0f} minutes"
        if minutes >= 10
        else f"{minutes:.1f} minutes"
        if seconds >= 90
        else f"{max(10, round(seconds, -1)):.0f} seconds"
    )
    return f"a run takes about {time} here ({pace.jobs} at a time, {pace.device})"


def steps_reason(steps: int, pace: Pace, minutes: float, limits: Limits) -> str:
    """Why the GAN has so many ``steps``, of those that its ``limits`` allow; ``minutes``: what the run may take, at
    this ``pace``."""
    limit = {limits.fewest: "the fewest that init sets", limits.most: "more bring little on a small set"}
    reason = limit.get(steps, f"what fits in {minutes:g} minutes")
    return f"{reason}: {1 / pace.gan_step:.1f} per second, {pace.jobs} at a time on this machine's {pace.device}"


def _some(words: Sequence[str], most: int) -> str:
    return (", ".join(words[:most]) + (f" and {len(words) - most} more" if len(words) > most else "")) or "none"


def _sets(sets: Sequence[Sequence[str]]) -> str:
    if not sets:
        return "none"
    return f"{len(sets)} set{'s' * (len(sets) > 1)}, such as {' = '.join(sets[0][:3])}"
