from hypothesis import given
from hypothesis import strategies as st

from ganaug.errors import LONGEST_MESSAGE, UserError, is_printable, one_line, quoted


@given(st.text())
def test_one_line_is_one_printable_line_and_leaves_what_is(text: str) -> None:
    shown = one_line(text)
    assert len(shown.splitlines()) <= 1
    assert is_printable(shown)
    assert (shown == text) == is_printable(text)


def test_what_turns_or_colours_a_terminal_is_escaped() -> None:
    assert one_line("\x1b[31mred\u202eder\ud800\n") == r"\x1b[31mred\u202eder\ud800\n"


def test_values_are_quoted_escaped_and_cut() -> None:
    assert quoted("a\nb") == r'"a\nb"'
    assert quoted(5) == "5"
    assert quoted([1, "x"]) == "[1, 'x']"
    assert quoted("x" * 100, 10) == f'"{"x" * 10}..."'
    assert quoted(10**5000) == "a int too large to show"


@given(st.text(min_size=0, max_size=20), st.integers(0, 10_000))
def test_a_message_keeps_its_rule_and_its_fix_whatever_it_repeats(text: str, times: int) -> None:
    shown = str(UserError(f"rule: {text * times}; fix"))
    assert shown.startswith("rule: ")
    assert shown.endswith("; fix")
    assert len(shown) <= LONGEST_MESSAGE
    assert is_printable(shown)
