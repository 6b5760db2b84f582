"""The verdict in words and tables."""

from __future__ import annotations

from typing import Any

import pytest

from ganaug.report import verdict


def figure(
    mean: float, low: float | None, high: float | None, p: float | None = 0.01, trials: int = 10
) -> dict[str, Any]:
    return {"mean": mean, "ci_low": low, "ci_high": high, "p_value": p, "trials": trials, "confidence": 0.95}


GAIN, LOSS, NEITHER = figure(2.71, 1.52, 3.9), figure(-1.26, -2.0, -0.5), figure(0.2, -0.84, 1.2, 0.7)
ONE = figure(4.0, None, None, None, trials=1)


def summary(**gains: dict[str, Any]) -> dict[str, Any]:
    names = {"on_top": "gan+classical_vs_classical", "alone": "gan_vs_none", "classical": "classical_vs_none"}
    return {
        "dataset": {"primary_metric": "accuracy", "train_per_class": 5, "draws": "report"},
        "arms": {"none": {"accuracy": {"mean": 88.24, "sd": 1.36}}, "gan": {"accuracy": {"mean": 90.96, "sd": None}}},
        "gains": {names[name]: {"accuracy": one} for name, one in gains.items()},
    }


@pytest.mark.parametrize(
    ("one", "expected"),
    [
        (GAIN, "gain"),
        (LOSS, "loss"),
        (NEITHER, "no gain shown"),
        (ONE, "unknown"),
        (figure(1.0, 0.0, 2.0), "no gain shown"),
        (figure(-1.0, -2.0, 0.0), "no gain shown"),
    ],
)
def test_answers(one: dict[str, Any], expected: str) -> None:
    assert verdict.answer(one) == expected


def test_a_gain_in_words() -> None:
    (said,) = verdict.sentences(summary(on_top=GAIN))
    assert said == (
        "With 5 images a class: on top of classical augmentation, GAN images add 2.7 points of accuracy "
        "(95% interval +1.5 to +3.9, 10 trials)."
    )


def test_a_loss_in_words() -> None:
    (said,) = verdict.sentences(summary(alone=LOSS))
    assert "GAN images cost 1.3 points of accuracy" in said
    assert "-2.0 to -0.5" in said
    assert "do not use them" in said
    assert "without any other augmentation" in said


def test_no_gain_is_said_plainly() -> None:
    (said,) = verdict.sentences(summary(on_top=NEITHER))
    assert "no gain" in said
    assert "+0.2 points" in said
    assert "-0.8 to +1.2" in said
    assert " add " not in said


def test_one_trial_is_too_few_to_say() -> None:
    (said,) = verdict.sentences(summary(on_top=ONE))
    assert "one trial says +4.0 points" in said
    assert "too few" in said
    assert "interval" not in said


def test_both_questions_are_answered_in_order() -> None:
    first, second = verdict.sentences(summary(alone=GAIN, on_top=NEITHER))
    assert first.startswith("With 5 images a class: on top of classical augmentation, ")
    assert second.startswith("Without any other augmentation, GAN images add")


def test_only_gan_gains_are_spoken_of() -> None:
    assert verdict.sentences(summary(classical=GAIN)) == []
    assert verdict.sentences(summary()) == []


def test_another_metric_has_its_name() -> None:
    told = summary(on_top=GAIN)
    told["dataset"]["primary_metric"] = "macro_f1"
    told["gains"]["gan+classical_vs_classical"] = {"macro_f1": GAIN}
    assert "points of macro-F1" in verdict.sentences(told)[0]


def test_p_values() -> None:
    assert [verdict.p_value(value) for value in (None, 0.0, 0.0009, 0.001, 0.0314, 1.0)] == [
        "unknown", "< 0.001", "< 0.001", "0.001", "0.031", "1.000",
    ]  # fmt: skip


def test_rows_of_arms_and_gains() -> None:
    told = summary(on_top=GAIN, alone=ONE)
    assert verdict.arm_rows(told) == [("none", "88.2 ± 1.4"), ("gan", "91.0")]
    assert verdict.gain_rows(told) == [
        ("gan+classical over classical", "+2.71", "+1.5 to +3.9", "0.010", "gain"),
        ("gan over none", "+4.00", "unknown with one trial", "unknown", "unknown"),
    ]


def test_text_tables_are_aligned() -> None:
    lines = verdict.text_table(("arm", "mean"), [("none", "1"), ("gan+classical", "22.5")]).splitlines()
    assert lines == ["arm            mean", "-------------  ----", "none           1", "gan+classical  22.5"]


def test_an_empty_table_is_its_header() -> None:
    assert verdict.text_table(("a", "bb"), []).splitlines() == ["a  bb", "-  --"]


def test_markdown_tables() -> None:
    table = verdict.markdown_table(("gain", "points"), [("a", "+1"), ("b", "+2")])
    assert table.splitlines() == ["| gain | points |", "| --- | --- |", "| a | +1 |", "| b | +2 |"]


def test_tuning_draws_are_called_so() -> None:
    told = summary(on_top=GAIN)
    told["dataset"]["draws"] = "tuning"
    assert verdict.sentences(told)[0].startswith("Tuning draws, not to be reported. ")
