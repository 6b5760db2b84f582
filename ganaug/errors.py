"""Errors the user can fix, and how text that came from outside is shown in a message."""

import re

LONGEST_MESSAGE = 1500  # characters: one screen at most, whatever a file holds
# Controls, line ends, stray bytes, and the marks that turn the direction of what follows.
_UNPRINTABLE = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff\u200e\u200f\u202a-\u202e\u2066-\u2069]")


def one_line(text: str, most: int | None = None) -> str:
    """``text`` on one line, for a message, a terminal or a table: what does not print is escaped, at most ``most``
    characters are kept."""
    shown = _UNPRINTABLE.sub(lambda found: ascii(found[0])[1:-1], text[:most])
    return shown if most is None or len(text) <= most else f"{shown}..."


def quoted(value: object, most: int = 80) -> str:
    """A ``value`` as a message shows it: text in quotes, all else as Python writes it, on one line, cut to ``most``."""
    try:
        shown = value if isinstance(value, str) else repr(value)
    except (ValueError, RecursionError):  # an integer of too many digits, a value too deep
        shown = f"a {type(value).__name__} too large to show"
    return f'"{one_line(shown, most)}"' if isinstance(value, str) else one_line(shown, most)


def is_printable(text: str) -> bool:
    """Whether ``one_line`` leaves the text as it is."""
    return not _UNPRINTABLE.search(text)


class UserError(ValueError):
    """Bad input or usage, in one line: the rule, the value received and the fix. Exit code 2, no traceback.

    Whatever of the user's a message repeats, it stays one printable line of at most LONGEST_MESSAGE characters; a
    longer one loses its middle, since the fix is at its end.
    """

    def __init__(self, message: str) -> None:
        shown, half = one_line(message), LONGEST_MESSAGE // 2
        super().__init__(shown if len(shown) <= LONGEST_MESSAGE else f"{shown[: half - 3]} ... {shown[2 - half :]}")
