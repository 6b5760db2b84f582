"""YAML as plain values, read within bounds: whatever a file holds, it costs little and a mistake is one line."""

import math
import re
import warnings
from itertools import accumulate
from pathlib import Path
from typing import Any

from ganaug.errors import UserError, one_line, quoted

LARGEST_BYTES = 2**17  # of a file: 50 times those that ganaug writes
MOST_VALUES = 20_000  # an alias counted as all that it stands for
MOST_LEVELS = 40
LONGEST_TEXT = 4096  # characters: the longest path of most systems
_FIX = "correct the file"


def read(path: Path) -> Any:
    """The plain values in the file ``path``. Raises UserError if it is no such file; OSError if it cannot be read."""
    with path.open("rb") as file:
        data = file.read(LARGEST_BYTES + 1)
    if len(data) > LARGEST_BYTES:
        raise UserError(f"{path}: must be at most {LARGEST_BYTES:,} bytes long, but is longer; shorten it")
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise UserError(f"{path}: must be UTF-8 text, but byte {error.start:,} is not; save it as UTF-8") from None
    return parse(text, str(path))


def parse(text: str, name: str) -> Any:
    """The plain values of a YAML ``text``: text, numbers, true, false and null, in lists and in groups by key.

    Raises UserError, which starts with the file's ``name``, if it holds anything else, or too much.
    """
    from ruamel.yaml import YAML

    yaml = YAML(typ="safe", pure=True)
    try:
        _check_brackets(text)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of anchors that are used twice
            tree = yaml.compose(text)
            if tree is not None:
                _extent(tree, {})  # before anything is expanded
            value = None if tree is None else yaml.constructor.construct_document(tree)
    except Exception as error:  # tags, numbers and depth make the reader raise anything
        said = "it is nested too deep" if isinstance(error, RecursionError) else " ".join(str(error).split())
        reason = one_line(said, 200) or type(error).__name__
        raise UserError(f"{name}: must be YAML of plain values, but {reason}; {_FIX}") from None
    _check_plain(value, name, "")
    return value


def _check_brackets(text: str) -> None:
    """The reader's time grows with the square of the brackets that are open: so many are refused before."""
    steps = (1 if bracket in "[{" else -1 for bracket in re.findall(r"[][{}]", text))
    if max(accumulate(steps, lambda level, step: max(0, level + step)), default=0) > 3 * MOST_LEVELS:  # some in text
        raise RecursionError


def _extent(node: Any, known: dict[int, tuple[int, int] | None]) -> tuple[int, int]:
    """The values and the levels of the tree that ``node`` stands for, with no alias expanded."""
    if id(node) in known:
        extent = known[id(node)]
        if extent is None:
            raise ValueError("an alias stands for a value that holds the alias")
        return extent
    known[id(node)] = None
    below = [] if isinstance(node.value, str) else node.value
    parts = [_extent(one, known) for pair in below for one in (pair if isinstance(pair, tuple) else (pair,))]
    values, levels = 1 + sum(part[0] for part in parts), 1 + max((part[1] for part in parts), default=0)
    if values > MOST_VALUES:
        raise ValueError(f"it stands for more than {MOST_VALUES:,} values, aliases counted")
    if levels > MOST_LEVELS:
        raise ValueError(f"it is nested deeper than {MOST_LEVELS} levels")
    known[id(node)] = values, levels
    return values, levels


def _check_plain(value: Any, name: str, key: str) -> None:
    """Refuse what JSON does not hold, what no text file shows, and text and numbers without measure."""
    place = f"{name}: {key.lstrip('.')}: " if key else f"{name}: "
    if isinstance(value, dict):
        for part, below in value.items():
            if not isinstance(part, str):
                raise UserError(f"{place}keys must be text, got {quoted(part)}; put it in quotes, or {_FIX}")
            _check_plain(part, name, f"{key}.{one_line(part, 40)}")
            _check_plain(below, name, f"{key}.{one_line(part, 40)}")
    elif isinstance(value, list):
        for number, below in enumerate(value):
            _check_plain(below, name, f"{key}[{number}]")
    elif isinstance(value, str):
        if len(value) > LONGEST_TEXT:
            raise UserError(f"{place}must be at most {LONGEST_TEXT:,} characters long, got {len(value):,}; shorten it")
        if any(letter == "\0" or "\ud800" <= letter <= "\udfff" for letter in value):
            raise UserError(f"{place}must be text that UTF-8 and file names can hold, got {quoted(value)}; {_FIX}")
    elif isinstance(value, int | float):
        if not (math.isfinite(value) if isinstance(value, float) else abs(value) < 10**300):
            raise UserError(f"{place}must be a finite number, got {quoted(value)}; {_FIX}")
    elif value is not None:
        kind = type(value).__name__
        raise UserError(f"{place}must be text, a number, a list or a group of keys, got a {kind}; put it in quotes")
