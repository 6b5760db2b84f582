"""YAML: plain values within bounds, and one line for whatever else a file holds."""

from pathlib import Path

import pytest
from expect import refused

from ganaug import yaml_text
from ganaug.yaml_text import LARGEST_BYTES, LONGEST_TEXT, MOST_LEVELS, MOST_VALUES, parse, read

LAUGHS = "\n".join(f"x{one}: &x{one} [{', '.join([f'*x{one - 1}'] * 8)}]" for one in range(1, 12))
CHAIN = "\n".join(f"x{one}: &x{one} [*x{one - 1}]" for one in range(1, 60))


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("", None),
        ("a: 1\nb: [0.5, true, null, '2024-01-01', é]\n", {"a": 1, "b": [0.5, True, None, "2024-01-01", "é"]}),
        ("a: &x {b: 1}\nc: {<<: *x, d: *x}\n", {"a": {"b": 1}, "c": {"b": 1, "d": {"b": 1}}}),
        ("a: '" + "[" * 3 * MOST_LEVELS + "'", {"a": "[" * 3 * MOST_LEVELS}),
        ("k" * 20 + ": -1e-3", {"k" * 20: -1e-3}),
    ],
)
def test_plain_values_arrive(text: str, value: object) -> None:
    assert parse(text, "x.yaml") == value


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        (f"x0: &x0 [1, 1]\n{LAUGHS}", [f"more than {MOST_VALUES:,} values, aliases counted"]),
        (f"x0: &x0 [1, 1]\n{CHAIN}", [f"deeper than {MOST_LEVELS} levels"]),
        ("a: &a [*a]", ["an alias stands for a value that holds the alias"]),
        ("a: &a {b: {c: *a}}", ["an alias stands for a value that holds the alias"]),
        ("a: *b", ["undefined alias"]),
        ("[" * 100_000, ["nested too deep"]),
        ("[" * 200 + "]" * 200, ["nested too deep"]),
        ("[" * 60 + "]" * 60, [f"deeper than {MOST_LEVELS} levels"]),
        ("\n".join(f"{'  ' * level}k:" for level in range(1200)), ["nested too deep"]),
        ("a: 1\na: 2", ["duplicate key"]),
        ("a: !!int x", ["invalid literal"]),
        ("a: !x y", ["'!x'"]),
        ("a: !!python/object/apply:os.system ['true']", ["python/object"]),
        ("a: !!timestamp x", []),
        ("a: " + "9" * 5000, ["4300 digits"]),
        ("%YAML 9.9\n---\na: 1", ["YAML document"]),
        ("--- 1\n--- 2", ["single document"]),
        ("a: \x00", ["special characters"]),
        ("a: {b: [1, .nan]}", ["a.b[1]: must be a finite number, got nan"]),
        ("a: 1e400", ["a: must be a finite number, got inf"]),
        ("a: 0x" + "f" * 4000, ["a: must be a finite number, got a int too large to show"]),
        ("a: 2024-01-01", ["a: must be text, a number, a list or a group of keys, got a date", "quotes"]),
        ("a: !!set {b, c}", ["a: must be text", "got a set"]),
        ("a: !!binary aGVsbG8=", ["a: must be text", "got a bytes"]),
        ("a: {1: 2}", ["a: keys must be text, got 1; put it in quotes"]),
        ("? [b]\n: 2", ["keys must be text, got ('b',)"]),
        ("a: " + "x" * (LONGEST_TEXT + 1), [f"a: must be at most {LONGEST_TEXT:,} characters long, got 4,097"]),
        ('a: "b\\0c"', ['a: must be text that UTF-8 and file names can hold, got "b\\x00c"']),
        ('a: "\\ud800"', ['a: must be text that UTF-8 and file names can hold, got "\\ud800"']),
        ('"a\\nb": .nan', ["a\\nb: must be a finite number"]),
    ],
)
def test_anything_else_is_one_line(text: str, parts: list[str]) -> None:
    with refused("x.yaml: ", *parts):
        parse(text, "x.yaml")


def test_nothing_is_expanded_before_its_size_is_known(monkeypatch: pytest.MonkeyPatch) -> None:
    from ruamel.yaml.constructor import BaseConstructor

    def never(*_: object) -> None:
        raise AssertionError

    monkeypatch.setattr(BaseConstructor, "construct_document", never)
    with refused("aliases counted"):
        parse(f"x0: &x0 [1, 1]\n{LAUGHS}", "x.yaml")


@pytest.mark.parametrize(
    ("data", "part"),
    [
        (b"a: \xff", "must be UTF-8 text, but byte 3 is not"),
        (b"#" * (LARGEST_BYTES + 1), "must be at most 131,072 bytes"),
    ],
)
def test_a_file_that_is_no_text_or_too_long_is_one_line(tmp_path: Path, data: bytes, part: str) -> None:
    (tmp_path / "x.yaml").write_bytes(data)
    with refused("x.yaml: ", part):
        read(tmp_path / "x.yaml")


def test_a_byte_order_mark_is_no_part_of_the_first_key(tmp_path: Path) -> None:
    (tmp_path / "x.yaml").write_bytes(b"\xef\xbb\xbfa: 1\n")
    assert yaml_text.read(tmp_path / "x.yaml") == {"a": 1}
