"""How an input is damaged: as bytes, as a tree of plain values, as a table. All draws come from ``rng``."""

import copy
import csv
import io
import json
import os
import random
import struct
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

MARK = "GANAUG_FAULTS_MARK"  # the variable that names the file which ``Code`` leaves


class Code:
    """A pickle of it leaves a file where it is loaded as code. Readers must never load one so."""

    def __reduce__(self) -> tuple[Callable[[str], int], tuple[str]]:
        return os.system, (f'touch "${MARK}"',)


def code_was_run() -> bool:
    """Whether the code of an input has been run since the last call."""
    mark = Path(os.environ[MARK])
    found = mark.exists()
    mark.unlink(missing_ok=True)
    return found


# Values where another is expected: of other types, at the ends of what fits, and texts that mean something to a path,
# a terminal, a page or a template.
HOSTILE: list[Any] = [
    None, True, False, 0, 1, -1, 2, 7, 128, 2**31, 2**63, 2**64, 10**12, 10**30, -(10**30), 0.0, -0.0, 0.5, 1e308,
    -1e308, 1e-320, float("nan"), float("inf"), float("-inf"), "", " ", "0", "1", "nan", "auto", "none", "null", "~",
    "../../etc/passwd", "/etc/passwd", "/dev/null", "/dev/zero", "a\nb", "a\rb", "\x1b[31mred", "\u202eabc", "\0",
    "x" * 300, "x" * 100_000, "é" * 50, "\ud800", "{{7*7}}", "${x}", "%s%n", "<script>alert(1)</script>", [], {}, [[]],
    [{}], {"kind": None}, {"kind": "nope"}, {"kind": "digits", "x": 1}, [1, 2, 3], ["a"], {"a": 1}, {"": 0}, [None],
    [float("nan")],
]  # fmt: skip

# What has a meaning in a text format, and bytes that are no UTF-8.
_SYNTAX = [b"\0", b"\n", b'"', b"'", b",", b"\t", b"{", b"[", b":", b"-", b"\xff\xfe", b"\xed\xa0\x80", b"\xe2\x80\xa8"]
_KEYS = ["x", "", "a\nb", "__class__", "\x1b[2J", "k" * 5000]
_CELLS = ["", "x", "-1", "99999", "1.5", "nan", "inf", "1" + "0" * 22, "1e400", "a\nb", "\0", "9" * 5000, "'", "<b>"]


def _number(rng: random.Random) -> bytes:
    value = rng.choice([0, 1, 2**16, 2**24, 2**31 - 1, 2**32 - 1, rng.getrandbits(32)])
    return struct.pack(rng.choice("<>") + "I", value)


# Each says how many bytes at a place give way, and to what.
_SPLICES: list[Callable[[random.Random, bytes, int], tuple[int, bytes]]] = [
    lambda rng, data, at: (1, bytes(byte ^ 1 << rng.randrange(8) for byte in data[at : at + 1])),
    lambda rng, data, at: (1, bytes([rng.choice([0, 127, 128, 255, rng.randrange(256)])])),
    lambda rng, data, at: (rng.choice([1, 2, 4, 16, 256]), b""),
    lambda rng, data, at: (0, rng.randbytes(rng.choice([1, 2, 4, 16]))),
    lambda rng, data, at: (0, data[at : at + rng.choice([1, 8, 64, 512])]),
    lambda rng, data, at: (len(data) if rng.random() < 0.5 else 0, b""),
    lambda rng, data, at: (4, _number(rng)),
    lambda rng, data, at: (1, rng.choice(_SYNTAX)),
]


def damaged(rng: random.Random, data: bytes, most: int = 6) -> bytes:
    """``data`` after 1 to ``most`` changes."""
    for _ in range(rng.randint(1, most)):
        at = rng.randint(0, len(data))
        length, new = rng.choice(_SPLICES)(rng, data, at)
        data = data[:at] + new + data[at + length :]
    return data


def _places(tree: Any) -> Iterator[tuple[Any, Any]]:
    """(holder, key) of every value in a tree; of a long list, the first fifty."""
    for key, value in list(tree.items() if isinstance(tree, dict) else enumerate(tree[:50])):
        yield tree, key
        if isinstance(value, dict | list):
            yield from _places(value)


def changed(rng: random.Random, tree: Any, most: int = 2) -> Any:
    """A copy of a tree of dicts, lists and plain values after 1 to ``most`` changes."""
    root = [copy.deepcopy(tree)]
    for _ in range(rng.randint(1, most)):
        places = list(_places(root))
        holder, key = rng.choice(places[1:] or places)
        way = rng.randrange(6)
        if way == 0 and holder is not root:
            del holder[key]
        elif way == 1 and isinstance(holder, dict):
            holder[rng.choice([*_KEYS, f"{key}s", str(key).upper()])] = holder.pop(key)
        elif way == 2:
            other, of = rng.choice(places)
            holder[key] = copy.deepcopy(other[of]) if _holds(other, of) else None
        elif way == 3 and type(holder[key]) in (int, float):
            value = holder[key]
            holder[key] = rng.choice([-value, value * 10**6, value + 0.5, str(value), value * 2, 0, -1, 10**9])
        else:
            holder[key] = copy.deepcopy(rng.choice(HOSTILE))
    return root[0]


def _holds(holder: Any, key: Any) -> bool:
    return key in holder if isinstance(holder, dict) else key < len(holder)


def as_json(tree: Any) -> bytes:
    """As a careless program writes it: NaN and lone surrogates included."""
    return json.dumps(tree, ensure_ascii=False).encode("utf-8", "surrogatepass")


def deep(rng: random.Random) -> bytes:
    """Brackets within brackets."""
    depth = rng.choice([50, 500, 5000, 100_000])
    return rng.choice([b"[" * depth + b"]" * depth, b'{"a":' * depth + b"1" + b"}" * depth, b"[" * depth])


def other_json(rng: random.Random) -> bytes:
    """A document that has nothing of what is expected."""
    texts = [b"", b"null", b"[]", b"{}", b"5", b'"x"', b"NaN", b"9" * 5000, b"\xff\xfe", b"\xef\xbb\xbf{}", deep(rng)]
    return rng.choice(texts)


def changed_json(rng: random.Random, data: bytes) -> bytes:
    """A JSON file with a wrong value, another one, or a damaged one."""
    way = rng.random()
    if way < 0.7:
        return as_json(changed(rng, json.loads(data)))
    return other_json(rng) if way < 0.75 else damaged(rng, data)


def changed_csv(rng: random.Random, data: bytes) -> bytes:
    """A table with wrong cells or rows, or a damaged one."""
    if rng.random() < 0.4:
        return damaged(rng, data)
    rows = list(csv.reader(io.StringIO(data.decode())))
    for _ in range(rng.choice([1, 1, 3])):
        row, way = rng.choice(rows), rng.randrange(6)
        if way <= 2 and row:
            row[rng.randrange(len(row))] = rng.choice(_CELLS)
        elif way == 3 and row:
            row.pop()
        elif way == 4:
            row.append("more")
        elif len(rows) > 1:
            rows.remove(row)
    out = io.StringIO()
    csv.writer(out, lineterminator="\n").writerows(rows)
    return out.getvalue().encode()


def changed_file(rng: random.Random, name: str, data: bytes) -> bytes:
    """A file of a project, by the format that its ``name`` says."""
    if name.endswith(".json"):
        return changed_json(rng, data)
    return changed_csv(rng, data) if name.endswith(".csv") else damaged(rng, data)
