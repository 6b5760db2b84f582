"""The card beside exported images, or beside a generator exported as a file: what made them, from what, what is known
of them, what they are for, and how they are made again."""

from __future__ import annotations

import json
import re
import shlex
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from markupsafe import Markup

from ganaug import store
from ganaug.errors import one_line
from ganaug.gan.described import describe, typed
from ganaug.gan.spec import GanSpec
from ganaug.report import card, fidelity_tables, markdown

if TYPE_CHECKING:
    from ganaug.synth.exported import Exported

# The Hub's words for licences, for its search; any other is "other" there, and stated in the card's text.
_LICENCES = re.compile(
    r"^(mit|apache-2\.0|cc0-1\.0|cc-by(?:-nc)?(?:-sa|-nd)?-[234]\.0|bsd-[23]-clause|odbl|pddl)(?![\w.])"
)
_FILES = {  # what the Hub's viewer and datasets.load_dataset read of a folder
    "parquet": ("images-*.parquet",),
    "webdataset": ("images-*.tar",),
    "imagefolder-metadata": ("metadata.jsonl", "**/*.png"),
    "png": ("*/*.png",),
}
_SIZES = {10**3: "n<1K", 10**4: "1K<n<10K", 10**5: "10K<n<100K", 10**6: "100K<n<1M", 10**7: "1M<n<10M"}
_TOLD = ("condition", "seed", "accepted", "model")
_LONGEST = 60  # characters of a word


@dataclass(frozen=True)
class Known:
    """What the project of a generator knows of it."""

    licence: str  # of the images that it learned from
    summary: Mapping[str, Any] | None  # its report, if that is of this very generator


def render(exported: Exported, known: Known | None) -> str:
    """Markdown, in which no text from outside is more than text, below front matter that the Hugging Face Hub reads."""
    described, description = describe(exported.description), exported.description
    summary = known and known.summary
    fidelity = summary and summary["fidelity"]
    total = sum(count for _, count in exported.images)
    learned = {name: described.train_images.get(name, 0) for name in described.classes}
    return store.template("exported-card.md.j2", markdown.inert).render(
        front=Markup("\n".join(_front(exported, known, total))),
        exported=exported,
        gan=typed(GanSpec, described.gan),
        shape="x".join(str(side) for side in (*described.shape[1:], described.shape[0])),
        classes=described.classes,
        dataset=_text(description, "dataset"),
        version=_text(description, "ganaug"),
        conditions=description.get("conditions") if described.gan.get("translate") else None,
        learned=", ".join(f"{name} ({count:,})" for name, count in learned.items()) if any(learned.values()) else "",
        has_filters=described.screening is not None,
        licence=known.licence if known else "not stated",
        answer=summary and Markup(card.answer_section(summary)),
        fidelity=fidelity and fidelity_tables.words(fidelity),
        cells=summary and "cells" in summary,
        total=f"{total:,}",
        rows=_table(exported.images),
        commands=Markup("\n".join(_commands(exported, described.classes))),
        values=markdown.table(
            ("", "type", "shape", "values"),
            [(name, one["type"], _shape(one["shape"]), _values(one)) for name, one in exported.values.items()],
        ),
        latents=exported.values.get("latents", {}).get("shape", [0, 0])[1],
    )


def _table(images: Sequence[tuple[Mapping[str, str], int]]) -> Markup:
    """The ``images``, without columns that say nothing."""
    columns = [name for name in _TOLD if any(told[name] for told, _ in images)]
    rows = [(told["class"], f"{count:,}", *(told[name] for name in columns)) for told, count in images]
    return markdown.table(("class", "images", *columns), rows)


def _text(description: Mapping[str, Any], key: str) -> str:
    """A word of the description that nothing else reads, so that it may be of any type in a stranger's file."""
    found = description.get(key)
    return one_line(found, _LONGEST) if isinstance(found, str) and found.strip() else "not stated"


def _front(exported: Exported, known: Known | None, total: int) -> Iterator[str]:
    """YAML; JSON's strings are YAML's too."""
    said = re.sub(r"\s+", "-", known.licence.strip().lower()) if known else "not-stated"
    found = _LICENCES.match(said)
    yield f"license: {found[1] if found else 'unknown' if said == 'not-stated' else 'other'}"
    if exported.file:
        yield from ("library_name: onnx", "pipeline_tag: unconditional-image-generation", "tags: [gan, ganaug]")
        return
    yield f"pretty_name: {json.dumps('Synthetic images of ' + _text(exported.description, 'dataset'))}"
    yield from ("task_categories: [image-classification]", "tags: [synthetic, gan, ganaug]")
    yield f"size_categories: [{next((word for most, word in _SIZES.items() if total < most), 'n>10M')}]"
    if files := _FILES.get(exported.output_format):
        yield from ("configs:", "- config_name: default", "  data_files:", "  - split: train", "    path:")
        yield from (f"    - {json.dumps(file)}" for file in files)


def _commands(exported: Exported, classes: Sequence[str]) -> Iterator[str]:
    """What makes the same images again: a command for each seed and condition."""
    calls: dict[tuple[str, str], dict[str, int]] = {}
    for told, count in exported.images:
        calls.setdefault((told["seed"], told["condition"]), {})[told["class"]] = count
    for (seed, condition), counts in calls.items():
        words = ["ganaug", "synth", "--format", exported.output_format, "--seed", seed]
        words += ["--condition", condition] if condition else []
        words += ["--shard-size", str(exported.shard_size)] if exported.shard_size else []
        if list(counts) == list(classes) and len({*counts.values()}) == 1:
            words += ["-n", str(counts[classes[0]])]
        else:
            words += [word for name, count in counts.items() for word in ("--class", f"{name}={count}")]
        yield shlex.join(words)


def _shape(shape: list[Any]) -> str:
    return f"({', '.join(map(str, shape))}{',' * (len(shape) == 1)})"


def _values(told: Mapping[str, Any]) -> str:
    """What a program must put there, or gets."""
    if "distribution" in told:
        return str(told["distribution"])
    if "values" in told:
        return f"one of {', '.join(map(str, told['values']))}: rows of {told['names']}"
    low, high = told["range"]
    return f"{low} to {high}" + (f": rows of {told['names']}" if "names" in told else f"; a pixel is {told['pixel']}")
