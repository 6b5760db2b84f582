"""Which class a user means: by its name, or by its index."""

import unicodedata
from collections.abc import Sequence

from ganaug.errors import UserError, one_line, quoted


def find_class(asked: str | int, classes: Sequence[str]) -> tuple[int, str]:
    """The index of the class that is ``asked`` for among the names ``classes``, and a note if it is not plain.

    A name wins, then the one name that is the same number, then an index; an int is an index. The note says which was
    taken where these disagree, or where it was an index. Raises UserError if there is no such class.
    """
    if isinstance(asked, int):
        if 0 <= asked < len(classes):
            return asked, ""
        raise _unknown(asked, classes)
    word = unicodedata.normalize("NFC", asked)
    names = [unicodedata.normalize("NFC", name) for name in classes]
    index = number_in(word)
    by_index = index is not None and index < len(names)
    alike = [label for label, name in enumerate(names) if index is not None and number_in(name) == index]
    if word in names or len(alike) == 1:
        label = names.index(word) if word in names else alike[0]
        if index is None or not by_index or index == label:
            return label, ""
        return label, f"took the class named {quoted(classes[label])} (index {label}), not {quoted(classes[index])}"
    if index is not None and by_index:
        return index, f"no class has this name; took index {index}, {quoted(classes[index])}"
    raise _unknown(asked, classes)


def _unknown(asked: str | int, classes: Sequence[str]) -> UserError:
    return UserError(
        f"--class: must be a class name or an index of 0..{len(classes) - 1}, got {quoted(asked)}; "
        f"the classes are {one_line(', '.join(classes), 1000)}"
    )


def number_in(word: str) -> int | None:
    """The whole number that a ``word`` is, if it is one."""
    return int(word) if word.isdecimal() and len(word) <= 100 else None
