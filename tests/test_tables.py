"""What DVC shows of a summary fits a terminal."""

from typing import Any

import pytest
from dvc.compare import show_metrics
from test_verdict import figure, summary

from ganaug.report.tables import metrics

FAR = figure(-12.344, -99.999, 88.888)


def told(**gains: dict[str, Any]) -> dict[str, Any]:
    found = summary(**gains)
    found["arms"] = {arm: {"accuracy": {"mean": 88.236}} for arm in ("none", "classical", "gan", "gan+classical")}
    return found


def test_the_gain_that_decides_has_one_column() -> None:
    found = told(classical=figure(1, 0.5, 1.5), on_top=figure(2.714, 1.52, 3.9), alone=FAR)
    found["arms"]["gan+classical"]["accuracy"]["mean"] = 90.95
    assert metrics(found) == {"answer": "use", "gain": 2.71, "low": 1.52, "high": 3.9, "arm": 90.95, "base": 88.24}


def test_what_is_not_known_has_no_column() -> None:
    assert metrics(told(alone=figure(4.0, None, None, None, 1))) == {
        "answer": "cannot tell", "gain": 4.0, "arm": 88.24, "base": 88.24,
    }  # fmt: skip
    assert metrics(told(classical=figure(1, 0.5, 1.5))) == {
        "gain": 1, "low": 0.5, "high": 1.5, "arm": 88.24, "base": 88.24,
    }  # fmt: skip
    assert metrics(told()) == {"arm": 88.24}


@pytest.mark.filterwarnings("ignore")  # of DVC's own
def test_dvc_metrics_show_fits_80_columns(capsys: pytest.CaptureFixture[str]) -> None:
    found = {"": {"data": {"reports/metrics.json": {"data": metrics(told(on_top=FAR))}}}}
    show_metrics(found, precision=5, round_digits=True)
    lines = capsys.readouterr().out.splitlines()
    assert "cannot tell" in lines[1] or "do not use" in lines[1]
    assert max(len(line.rstrip()) for line in lines) <= 80
