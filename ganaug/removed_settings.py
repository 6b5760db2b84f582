"""Settings that were taken out because they measured as bringing nothing: refused with the reason and what to write."""

from collections.abc import Iterator, Mapping
from typing import Any

from ganaug.errors import UserError, one_line

_NOTHING = "was removed: it brought nothing (docs/experiments.md)"
_MIX = {
    "order": "leave it out: the filler's images are in every batch",
    "weight": "leave it out: every image counts 1; a smaller share does what a smaller weight did",
    "statistics": "leave it out: batch normalisation sees the whole batch",
    "mixup": "leave it out, or take mixup for classify.classical with augment: true",
    "targets": "leave it out: an image is taught as the class that it was made for",
}
_UNLABELLED = {"pseudo": "true", "joint": "true", "ignored": "false"}
_FILTERS = ("support", "critic")


def check(raw: Mapping[str, Any]) -> None:
    """``raw``: params.yaml as plain values, unchecked. Raises UserError at the first setting that is there no more."""
    for path, reason in _found(raw):
        raise UserError(f"{path}: {reason}")


def _found(raw: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    for path, mix in _mixes(_group(raw, "classify")):
        for key in mix:
            if key in _MIX:
                yield f"{path}.{key}", f"{_NOTHING}; {_MIX[key]}"
        if mix.get("share") == "auto":
            yield f"{path}.share", f"auto {_NOTHING}; give a number such as 0.25, or leave it out"
    if "norm" in _group(raw, "classifier"):
        yield "classifier.norm", f"{_NOTHING}; leave it out: batch normalisation it is, or name a model of your own"
    gan = _group(raw, "gan")
    if gan.get("select") == "several":
        yield "gan.select", f"several {_NOTHING}; write last, or gan-train with gan.held_out"
    if isinstance(gan.get("unlabelled"), dict):
        kind = one_line(str(gan["unlabelled"].get("kind", "pseudo")), 40)
        reason = f"kind {kind} {_NOTHING}" if kind == "joint" else "is a yes or no now"
        yield "gan.unlabelled", f"{reason}; write {_UNLABELLED.get(kind, 'true')}"
    filters = _group(raw, "synth").get("filters")
    for number, one in enumerate(filters if isinstance(filters, list) else ()):
        if isinstance(one, dict) and one.get("kind") in _FILTERS:
            yield (
                f"synth.filters[{number}]",
                f"kind {one['kind']} {_NOTHING}; write agreement or copies, or leave it out",
            )


def _mixes(classify: Mapping[str, Any]) -> Iterator[tuple[str, Mapping[str, Any]]]:
    for key in ("mix", "mix_with_classical"):
        yield f"classify.{key}", _group(classify, key)
    mixes = _group(classify, "mixes")
    for name in mixes:
        yield f"classify.mixes.{one_line(str(name), 40)}", _group(mixes, name)


def _group(raw: Mapping[str, Any], key: str) -> Mapping[str, Any]:
    """A group of settings; an empty one where there is none."""
    group = raw.get(key)
    return group if isinstance(group, dict) else {}
