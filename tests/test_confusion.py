"""Confusions by known answers, and on the page."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import confusion_matrix

from ganaug.measure import gains
from ganaug.measure.confusion import confusion
from ganaug.report.confusions import _cell, tables


def trial_of(labels: list[int], predicted: list[int]) -> gains.Tested:
    return gains.Tested(np.array(labels), {"gan": np.array(predicted), "none": np.array(labels)}, 10)


def test_confusions_by_hand() -> None:
    trials = [trial_of([0, 0, 1, 1], [0, 1, 1, 1]), trial_of([0, 0, 1], [0, 0, 0])]
    found = confusion(trials, "gan", 3)
    assert np.allclose(found[:2], [[75, 25, 0], [100 / 3, 200 / 3, 0]])
    assert np.isnan(found[2]).all()
    assert np.allclose(confusion(trials, "none", 2), [[100, 0], [0, 100]])


@given(st.lists(st.tuples(st.integers(0, 3), st.integers(0, 3)), min_size=4, max_size=60))
def test_as_scikit_learn_has_it(pairs: list[tuple[int, int]]) -> None:
    labels, predicted = [one for one, _ in pairs] + list(range(4)), [other for _, other in pairs] + list(range(4))
    want = 100 * confusion_matrix(labels, predicted, normalize="true")
    assert np.allclose(confusion([trial_of(labels, predicted)], "gan", 4), want)


def test_the_page_lists_the_commonest_and_colours_what_is_better() -> None:
    summary = {
        "dataset": {"classes": ["a", "b"]},
        "confusion": {"gan": [[90.0, 10.0], [None, None]], "none": [[70.0, 30.0], [None, None]]},
    }
    found = tables(summary)
    assert found is not None
    assert (found["with"], found["without"]) == ("gan", "none")
    assert found["often"] == [("a", "b", 30.0, 10.0)]
    assert found["rows"][0] == ("a", [("+20.0", "gain", "1.00"), ("-20.0", "gain", "1.00")])
    assert found["rows"][1] == ("b", [("", "", "0"), ("", "", "0")])
    assert _cell(50.0, 50.02, True)[0] == "0"
    assert _cell(50.0, 45.0, True) == ("-5.0", "loss", "0.50")
    assert _cell(5.0, 8.0, False)[1] == "loss"
    assert tables({"dataset": {"classes": []}, "confusion": {}}) is None
