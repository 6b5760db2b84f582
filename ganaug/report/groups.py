"""The gains in the order in which one asks about them, and what the arms in them are."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ganaug.classify.arms import ARMS, Parts
from ganaug.classify.fillers import FILLERS
from ganaug.classify.policies import POLICIES, Nothing
from ganaug.classify.ways import WAYS

TERMS = {
    "arm": "one way to train the classifier. All arms of a trial start from the same weights and train equally long",
    "trial": "one draw of images to train and to test with, and a GAN of its own. Trials differ as other images would",
    "gain": "the score of one arm minus that of another in the same trial, on average",
    "points": "percentage points: from 80 % to 82 % is a gain of 2",
    "release": "the draw whose generator you get. It takes no part in the figures",
}


REAL, UNADVERSARIAL = "oracle", "unadversarial"  # the fillers that no one would use instead of a translator
_UNKNOWN = Parts(None, None, False)


@dataclass(frozen=True)
class Group:
    """Some ``gains``, the one that decides first, under the question that they answer."""

    title: str
    about: str
    gains: tuple[str, ...]


_QUESTIONS = {
    "Does it help?": "with GAN images, against the same without them",
    "Is it the GAN?": "against other ways to fill the same share of each batch, which need no GAN",
    "Is it the adversarial loss?": "against images of the same translator, trained without it",
    "What would real images bring?": "of the hidden cells, as if they were photographed",
    "What helps without a GAN?": "against the policy alone, under the conditions that lack classes",
    "Is there a better way to train?": "with the same images in each batch, against learning from them in another way",
    "Controls": "without GAN images: what else helps, and what should not",
}


def grouped(gains: Sequence[str], decides: str | None = None) -> list[Group]:
    """The ``gains`` by question; the group with the one that ``decides`` comes first, and the gain first in it."""
    found = [
        Group(
            title,
            about,
            tuple(sorted((one for one in gains if _question(one) == title), key=lambda one: one != decides)),
        )
        for title, about in _QUESTIONS.items()
    ]
    return sorted((group for group in found if group.gains), key=lambda group: decides not in group.gains)


def _question(gain: str) -> str:
    arm, against = (ARMS.get(name, _UNKNOWN) for name in gain.split("_vs_"))
    filler = FILLERS.get(arm.filler or "")
    if REAL in (arm.filler, against.filler):
        return "What would real images bring?"
    if arm.way and (not arm.filler or arm.filler == against.filler):
        return "Is there a better way to train?"
    if not filler or not filler.is_gan:
        return "What helps without a GAN?" if arm.masked or (filler and filler.cells) else "Controls"
    if against.filler == UNADVERSARIAL:
        return "Is it the adversarial loss?"
    other_policy = arm.policy and against.policy not in (arm.policy, None)
    other_way = against.way and against.way != arm.way
    return "Is it the GAN?" if against.filler or against.masked or other_policy or other_way else "Does it help?"


def about(arm: str, classical: str) -> str:
    """What an ``arm`` trains on, where the policy ``classical`` is what the settings call so; empty if unknown."""
    filler, policy, masked, way = ARMS.get(arm, _UNKNOWN)
    also = "; the loss of a real image runs over the classes that have images under its condition" * masked
    also += f"; {WAYS[way].about}" if way else ""
    if filler:
        return f"{FILLERS[filler].about}; the rest as in {policy or 'none'}{also}"
    kind = classical if policy == "classical" else policy or ""
    return "real images, " + POLICIES.get(kind, Nothing).about + also if arm in ARMS else ""


def classical_of(summary: Mapping[str, Any]) -> str:
    """The kind of the policy that a summary's settings call classical."""
    kind = summary["settings"]
    for key in ("classify", "classical", "kind"):
        kind = kind.get(key) if isinstance(kind, dict) else None
    return kind if isinstance(kind, str) else ""


def first_met(gains: Sequence[str], summary: Mapping[str, Any]) -> dict[str, list[tuple[str, str]]]:
    """Each of the ``gains`` with those of its arms that none before it has, and what they are."""
    classical, known, found = classical_of(summary), set[str](), {}
    for gain in gains:
        named = [name for arm in gain.split("_vs_") for name in (arm, ARMS.get(arm, _UNKNOWN).policy or "none")]
        found[gain] = [(name, about(name, classical)) for name in dict.fromkeys(named) if name not in known]
        known.update(named)
    return found
