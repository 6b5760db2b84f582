"""Which class a user means: by its name, or by its index."""

import unicodedata
from collections.abc import Mapping, Sequence
from numbers import Integral
from typing import TypeVar

from ganaug.errors import UserError, one_line, quoted

V = TypeVar("V")


def find_class(asked: str | int, classes: Sequence[str], setting: str = "--class") -> tuple[int, str]:
    """The index of the class that is ``asked`` for in ``setting`` among the names ``classes``, and a note if it is not
    plain.

    A name wins, then the one name that is the same number, then an index; an int is an index. The note says which was
    taken where these disagree, or where it was an index. Raises UserError if there is no such class.
    """
    if not isinstance(asked, str):
        if isinstance(asked, Integral) and 0 <= asked < len(classes):
            return int(asked), ""
        raise _unknown(asked, classes, setting)
    word = unicodedata.normalize("NFC", asked)
    names = [unicodedata.normalize("NFC", name) for name in classes]
    index = number_in(word)
    is_index = index is not None and index < len(names)
    alike = [label for label, name in enumerate(names) if index is not None and number_in(name) == index]
    if word in names or len(alike) == 1:
        label = names.index(word) if word in names else alike[0]
        if index is None or not is_index or index == label:
            return label, ""
        return label, f"took the class named {quoted(classes[label])} (index {label}), not {quoted(classes[index])}"
    if index is not None and is_index:
        return index, f"no class has this name; took index {index}, {quoted(classes[index])}"
    raise _unknown(asked, classes, setting)


def _unknown(asked: object, classes: Sequence[str], setting: str) -> UserError:
    return UserError(
        f"{setting}: must be a class name or an index of 0..{len(classes) - 1}, got {quoted(asked)}; "
        f"the classes are {one_line(', '.join(classes), 1000)}"
    )


def by_index(asked: Mapping[str | int, V], classes: Sequence[str], setting: str) -> dict[int, V]:
    """{index: value} of ``asked``, {name or index: value}, which ``setting`` holds.

    Raises UserError if there is no such class, or one is there twice.
    """
    found: dict[int, V] = {}
    for name, value in asked.items():
        label, _ = find_class(name, classes, setting)
        if label in found:
            raise UserError(f"{setting}: must have each class once, got {quoted(classes[label])} twice; leave one out")
        found[label] = value
    return found


def counts_by_index(asked: Mapping[str | int, int], classes: Sequence[str], setting: str) -> dict[int, int]:
    """As ``by_index``, of numbers of images. Raises UserError if one is not a whole number of 0 or more."""
    for count in asked.values():
        if not isinstance(count, Integral) or isinstance(count, bool) or count < 0:
            raise UserError(f"{setting}: must be a whole number of 0 or more, got {quoted(count)}; such as 500")
    return {label: int(count) for label, count in by_index(asked, classes, setting).items()}


def number_in(word: str) -> int | None:
    """The whole number that a ``word`` is, if it is one."""
    return int(word) if word.isdecimal() and len(word) <= 100 else None
