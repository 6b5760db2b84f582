"""The verdict in words and tables."""

from typing import Any

import pytest

from ganaug.measure.gains import answer
from ganaug.report import equivalents, verdict
from ganaug.report.answer import answer as answer_of


def figure(
    mean: float, low: float | None, high: float | None, p: float | None = 0.01, trials: int = 10
) -> dict[str, Any]:
    bounds = {"mean": mean, "ci_low": low, "ci_high": high, "answer": answer(low, high, 2.0), "needed": None}
    return {**bounds, "p_value": p, "trials": trials, "confidence": 0.95}


GAIN, LOSS, NEITHER = figure(2.71, 1.52, 3.9), figure(-1.26, -2.0, -0.5), figure(0.2, -0.84, 1.2, 0.7)
WIDE = {**figure(0.2, -4.0, 4.4, 0.9), "needed": {"trials": 30}}
ONE = figure(4.0, None, None, None, trials=1)
ALIKE = figure(0.0, 0.0, 0.0, 1.0)
UNTESTED = {**figure(0.0, None, None, None, trials=0), "mean": None}
NAMES = {"on_top": "gan+classical_vs_classical", "alone": "gan_vs_none", "classical": "classical_vs_none"}


def summary(**gains: dict[str, Any]) -> dict[str, Any]:
    """Of two classes with five images each."""
    return {
        "dataset": {
            "primary_metric": "accuracy",
            "train_per_class": 5,
            "train_images": {"cat": 5.0, "dog": 5.0},
            "draws": "report",
        },
        "arms": {"none": {"accuracy": {"mean": 88.24, "sd": 1.36}}, "gan": {"accuracy": {"mean": 90.96, "sd": None}}},
        "gains": {NAMES[name]: {"accuracy": one} for name, one in gains.items()},
        "recall_gains": {NAMES[name]: {"cat": one, "dog": one} for name, one in gains.items()},
        "settings": {"synth": {"balance": "equal"}, "report": {"smallest_gain": 2.0}, "protocol": {"kind": "subsets"}},
        "fidelity": None,
        "alarms": {},
    }


def uneven(primary: str = "balanced_accuracy") -> dict[str, Any]:
    """Of four classes of which two are rare; the rarest is never tested."""
    told = summary(on_top=GAIN, alone=NEITHER)
    told["dataset"] |= {
        "primary_metric": primary,
        "train_per_class": None,
        "train_images": {"cat": 40.0, "dog": 20.0, "yak": 3.6, "hen": 20.4},
    }
    for name, one in (("on_top", GAIN), ("alone", NEITHER)):
        told["gains"][NAMES[name]] = dict.fromkeys(("accuracy", "balanced_accuracy", "macro_f1"), one)
        told["recall_gains"][NAMES[name]] = {"cat": one, "dog": one, "yak": UNTESTED, "hen": one}
    return told


@pytest.mark.parametrize(
    ("low", "high", "expected"),
    [
        (1.5, 3.9, "gain"),
        (0.1, 0.3, "gain"),
        (-2.0, -0.5, "loss"),
        (-0.8, 1.2, "no gain"),
        (-2.0, 0.0, "no gain"),
        (0.0, 0.0, "no gain"),
        (-0.8, 2.0, "cannot tell"),
        (0.0, 3.0, "cannot tell"),
        (-100.0, 100.0, "cannot tell"),
        (None, None, "cannot tell"),
    ],
)
def test_answers(low: float | None, high: float | None, expected: str) -> None:
    assert answer(low, high, 2.0) == expected


def test_a_gain_in_words() -> None:
    (said,) = verdict.sentences(summary(on_top=GAIN))
    assert said == (
        "With 5 images per class: on top of classical augmentation, GAN images add 2.7 points of accuracy "
        "(95% confidence interval +1.5 to +3.9, 10 trials)."
    )


def test_a_loss_in_words() -> None:
    (said,) = verdict.sentences(summary(alone=LOSS))
    assert "GAN images cost 1.3 points of accuracy" in said
    assert "-2.0 to -0.5" in said
    assert "do not use them this way" in said
    assert "without any other augmentation" in said


def test_no_gain_is_said_plainly() -> None:
    (said,) = verdict.sentences(summary(on_top=NEITHER))
    assert "no gain of 2 points or more" in said
    assert "+0.2 points" in said
    assert "-0.8 to +1.2" in said
    assert " add " not in said


def test_one_trial_is_too_few_to_say() -> None:
    (said,) = verdict.sentences(summary(on_top=ONE))
    assert "one trial gives +4.0 points" in said
    assert said.endswith("too few to tell: three or more show how much trials differ.")
    assert "interval" not in said


def test_where_it_cannot_be_told_yet_the_trials_that_would_tell_are_named() -> None:
    (said,) = verdict.sentences(summary(on_top=WIDE))
    assert said == (
        "With 5 images per class: on top of classical augmentation, it cannot be told yet whether GAN images help "
        "(+0.2 points of accuracy; 95% confidence interval -4.0 to +4.4, 10 trials): about 30 trials would show a "
        "gain of 2 points with a probability of 80 %."
    )
    more = {**WIDE, "needed": {"trials": 12, "images": 1400}}
    assert "about 12 trials with about 1,400 tested images would" in verdict.sentences(summary(on_top=more))[0]


def test_trials_that_agree_in_everything_have_no_interval_to_name() -> None:
    assert verdict.interval(ALIKE) == "the same in every trial"
    (said,) = verdict.sentences(summary(on_top=ALIKE))
    assert said.endswith(
        "GAN images bring no gain of 2 points or more (+0.0 points of accuracy; the same in every trial, 10 trials)."
    )
    (said,) = verdict.sentences(summary(on_top=figure(2.0, 2.0, 2.0)))
    assert said.endswith("GAN images add 2.0 points of accuracy (the same in every trial, 10 trials).")


def test_both_questions_are_answered_in_order() -> None:
    first, second = verdict.sentences(summary(alone=GAIN, on_top=NEITHER))
    assert first.startswith("With 5 images per class: on top of classical augmentation, ")
    assert second.startswith("Without any other augmentation, GAN images add")


def test_only_gan_gains_are_spoken_of() -> None:
    assert verdict.sentences(summary(classical=GAIN)) == []
    assert verdict.sentences(summary()) == []


def test_another_metric_has_its_name() -> None:
    told = summary(on_top=GAIN)
    told["dataset"]["primary_metric"] = "macro_f1"
    told["gains"]["gan+classical_vs_classical"] = {"macro_f1": GAIN}
    assert "points of macro-F1" in verdict.sentences(told)[0]


def test_rare_classes_are_spoken_for_by_balanced_accuracy_and_then_by_macro_f1() -> None:
    said = verdict.sentences(uneven())
    assert [line.split(", ")[0] for line in said] == [
        "With 4 to 40 images per class: on top of classical augmentation",
        "Without any other augmentation",
        "On top of classical augmentation",
        "Without any other augmentation",
    ]
    assert ["balanced accuracy" in line for line in said] == [True, True, False, False]
    assert ["macro-F1" in line for line in said] == [False, False, True, True]


@pytest.mark.parametrize(
    ("primary", "order"),
    [
        ("balanced_accuracy", ["balanced accuracy", "macro-F1"]),
        ("accuracy", ["accuracy", "balanced accuracy", "macro-F1"]),
        ("macro_f1", ["macro-F1", "balanced accuracy"]),
    ],
)
def test_the_primary_metric_comes_first_and_none_comes_twice(primary: str, order: list[str]) -> None:
    said = verdict.sentences(uneven(primary))[::2]
    assert [line.split("points of ")[1].split(" (")[0] for line in said] == order


def test_classes_of_about_one_size_need_the_primary_metric_alone() -> None:
    told = uneven("accuracy")
    told["dataset"]["train_images"] = {"cat": 40.0, "dog": 21.0, "yak": 30.0, "hen": 20.4}
    assert verdict.rare_classes(told) == []
    assert len(verdict.sentences(told)) == 2
    assert "20 to 40 images per class" in verdict.sentences(told)[0]


def test_images_per_class() -> None:
    assert verdict.images_per_class(summary()["dataset"]) == "5 images per class"
    assert verdict.images_per_class(uneven()["dataset"]) == "4 to 40 images per class"
    beside = {**summary()["dataset"], "unlabelled_images": 2000}
    assert verdict.images_per_class(beside) == "5 images per class and 2,000 without labels"


def test_rare_classes_have_half_of_the_largest_at_most() -> None:
    assert verdict.rare_classes(summary()) == []
    assert verdict.rare_classes(uneven()) == ["yak", "dog"]


def test_rare_classes_have_rows_of_their_own() -> None:
    header, rows = verdict.rare_rows(uneven())
    assert header == (
        "rare class", "images", "recall, gan+classical over classical", "recall, gan over none",
    )  # fmt: skip
    assert rows == [
        ("yak", "4", "not tested", "not tested"),
        ("dog", "20", "+2.7 (+1.5 to +3.9)", "+0.2 (-0.8 to +1.2)"),
    ]


def test_rare_classes_together_have_the_last_row() -> None:
    told = uneven()
    told["rare_recall_gains"] = {NAMES["on_top"]: GAIN, NAMES["alone"]: NEITHER}
    assert verdict.rare_rows(told)[1][2:] == [("all of them", "", "+2.7 (+1.5 to +3.9)", "+0.2 (-0.8 to +1.2)")]
    told["dataset"]["train_images"]["dog"] = 40.0  # a single rare class is all of them
    assert [row[0] for row in verdict.rare_rows(told)[1]] == ["yak"]


def test_a_gain_that_was_not_measured_has_no_column_of_rare_classes() -> None:
    told = uneven()
    del told["recall_gains"]["gan_vs_none"]
    header, rows = verdict.rare_rows(told)
    assert header == ("rare class", "images", "recall, gan+classical over classical")
    assert {len(row) for row in rows} == {3}


def test_p_values() -> None:
    assert [verdict.p_value(value) for value in (None, 0.0, 0.0009, 0.001, 0.0314, 1.0)] == [
        "unknown", "< 0.001", "< 0.001", "0.001", "0.031", "1.000",
    ]  # fmt: skip


def test_rows_of_arms_and_gains() -> None:
    told = summary(on_top=GAIN, alone=ONE)
    assert verdict.arm_rows(told) == [("none", "88.2 ± 1.4"), ("gan", "91.0")]
    assert verdict.gain_rows(told) == [
        ("gan+classical over classical", "+2.71", "+1.5 to +3.9", "0.010", "gain"),
        ("gan over none", "+4.00", "unknown with one trial", "unknown", "cannot tell"),
    ]


# ------------------------------------------------------------------------------------------------ worth in labels


def bounds(more: dict[str, float], low: dict[str, float] | None, high: dict[str, float] | None) -> dict[str, Any]:
    return {"more_images": more, "ci_low": low, "ci_high": high, "extrapolated": False}


def images(number: float) -> dict[str, float]:
    return {"images": number}


POINT = bounds(images(3.2), images(1.9), images(4.96))
WORTH = {"metric": "accuracy", **bounds(images(4.04), images(2.0), images(7.3)), "one_point": POINT}


def told(gain: dict[str, Any], worth: dict[str, Any], name: str = "on_top") -> str:
    (said,) = verdict.sentences({**summary(**{name: gain}), "worth": {NAMES[name]: worth}})
    return said


def test_a_gain_is_told_in_labels() -> None:
    assert told(GAIN, WORTH).endswith(
        "GAN images add 2.7 points of accuracy (95% confidence interval +1.5 to +3.9, 10 trials), "
        "worth about 4 more labelled images per class (2 to 7.3)."
    )


@pytest.mark.parametrize(
    ("worth", "expected"),
    [
        (bounds(images(4), images(2), {"at_least": 5.0}), "about 4 more labelled images per class (2 to more than 5)."),
        (
            bounds({"at_least": 5.0}, images(2), {"at_least": 5.0}),
            "more than 5 more labelled images per class (2 to more than 5).",
        ),
        (bounds(*[{"at_least": 5.0}] * 3), "more than 5 more labelled images per class."),
        (bounds(images(0.4), None, None), "about 0.4 more labelled images per class."),
        (
            {**bounds(images(12.4), images(0.01), images(9.97)), "extrapolated": True},
            "about 12 more labelled images per class (0 to 10, extrapolated).",
        ),
        (
            {**bounds(images(12.4), None, None), "extrapolated": True},
            "about 12 more labelled images per class (extrapolated).",
        ),
    ],
)
def test_ends_that_are_not_known_are_told_so(worth: dict[str, Any], expected: str) -> None:
    assert told(GAIN, {**WORTH, **worth}).endswith(f"10 trials), worth {expected}")


def test_a_number_of_images_in_words() -> None:
    assert [equivalents.end(end) for end in (images(-0.04), {"at_most": -2.5}, {"at_least": 5.0}, None)] == [
        "0", "less than -2.5", "more than 5", "unknown",
    ]  # fmt: skip


def test_where_no_gain_is_shown_labels_are_the_way_if_the_curve_bears_it() -> None:
    assert told(NEITHER, WORTH).endswith(
        "GAN images bring no gain of 2 points or more (+0.2 points of accuracy; 95% confidence interval -0.8 to +1.2, "
        "10 trials): label about 3.2 more images per class (1.9 to 5) for 1 point instead."
    )
    unsure = {**WORTH, "one_point": bounds(images(3.2), images(1.9), {"at_least": 5.0})}
    for worth in (unsure, {**WORTH, "one_point": bounds(images(3.2), None, None)}):
        assert told(NEITHER, worth).endswith("10 trials).")


@pytest.mark.parametrize("one", [LOSS, ONE])
def test_a_loss_and_one_trial_are_not_told_in_labels(one: dict[str, Any]) -> None:
    assert "label" not in told(one, WORTH)


def test_only_the_metric_that_the_curve_was_read_by_is_told_in_labels() -> None:
    assert "label" not in told(GAIN, {**WORTH, "metric": "macro_f1"})
    assert "label" not in told(GAIN, {"metric": "accuracy", "more_images": None, "reason": "too small"})
    assert "label" not in verdict.sentences(summary(on_top=GAIN))[0]


def test_rows_of_worth() -> None:
    both = {
        NAMES["on_top"]: WORTH,
        NAMES["alone"]: {"metric": "accuracy", "more_images": None, "reason": "the train parts are too small"},
    }
    header, rows = equivalents.rows({**summary(), "worth": both})
    assert header == ("gain", "worth in labelled images per class", "1 point takes")
    assert rows == [
        ("gan+classical over classical", "4 (2 to 7.3)", "3.2 (1.9 to 5)"),
        ("gan over none", "the train parts are too small", ""),
    ]


def test_power_in_words() -> None:
    assert [verdict.power({"power": value}) for value in (None, 0.0, 0.834, 1.0)] == ["unknown", "0 %", "83 %", "100 %"]


# ---------------------------------------------------------------------------------------------------------- tables


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


def test_where_classes_are_topped_up_the_gan_is_judged_beyond_repeated_real_images() -> None:
    """Evening out the classes helps with any filler: a GAN that replays its images must not be praised for it."""
    told = uneven()
    told["settings"]["synth"]["balance"] = "fill"
    assert "including what evening out the classes brings" in verdict.sentences(told)[0]
    for gain, one in {"gan+classical_vs_placebo+classical": NEITHER, "gan_vs_placebo": LOSS}.items():
        told["gains"][gain] = dict.fromkeys(("accuracy", "balanced_accuracy", "macro_f1"), one)
        told["recall_gains"][gain] = {"cat": one, "dog": one, "yak": UNTESTED, "hen": one}
    first, second, *_ = verdict.sentences(told)
    assert "beyond real images repeated to the same counts, GAN images bring no gain" in first
    assert "cost 1.3 points" in second
    assert verdict.rare_rows(told)[0][2:] == (
        "recall, gan+classical over placebo+classical",
        "recall, gan over placebo",
    )


# ------------------------------------------------------------------------------------------------------ the answer


@pytest.mark.parametrize(
    ("on_top", "word", "title"),
    [
        (GAIN, "use", "Use them"),
        (LOSS, "do not use", "Do not use them"),
        (NEITHER, "do not use", "Do not use them"),
        (WIDE, "cannot tell", "Cannot tell yet"),
        (ONE, "cannot tell", "Cannot tell yet"),
    ],
)
def test_the_gain_on_top_of_the_best_classical_policy_decides(on_top: Any, word: str, title: str) -> None:
    found = answer_of(summary(on_top=on_top, alone=GAIN))
    assert found is not None
    assert (found.word, found.title, found.gain) == (word, title, NAMES["on_top"])
    assert found.figure is on_top
    assert found.steps
    assert found.reason == verdict.sentences(summary(on_top=on_top), what_next=False)[0]


def test_without_gan_images_there_is_no_answer() -> None:
    assert answer_of(summary(classical=GAIN)) is None


def test_what_to_do_next() -> None:
    def steps(one: dict[str, Any], **protocol: Any) -> list[tuple[str, str | None]]:
        told = summary(on_top=one)
        told["settings"]["protocol"] |= protocol
        found = answer_of(told)
        assert found is not None
        return [(step.text, step.command) for step in found.steps]

    assert steps(GAIN)[0][1] == "ganaug synth -n 500"
    assert "protocol.trials: 30 in" in steps(WIDE)[0][0]
    assert "protocol.repeats: 6 in" in steps(WIDE, kind="cv", folds=5)[0][0]
    assert "protocol.trials: 3 in" in steps(ONE)[0][0]
    assert "Not even 50 trials with 100 times the images" in steps({**WIDE, "needed": None})[0][0]
    more = steps({**WIDE, "needed": {"trials": 10, "images": 1400}})
    few = "on those there are, 50 trials would not show a gain of 2 points"
    assert more == [(f"Get about 1,400 test images: {few}.", None)]
    assert "without GAN images" in steps(LOSS)[0][0]


def test_a_cheaper_rival_that_does_better_decides_against_the_gan() -> None:
    told = summary(on_top=GAIN)
    told["gains"]["gan+classical_vs_smote+classical"] = {"accuracy": LOSS}
    found = answer_of(told)
    assert found is not None
    assert found.word == "do not use"
    assert found.reason.endswith("10 trials); but smote+classical, without a GAN, does better.")


def test_what_casts_doubt_stands_beside_the_answer() -> None:
    told = summary(on_top=GAIN)
    assert "No arm with another filler was run" in answer_of(told).cautions[0]  # type: ignore[union-attr]
    told["gains"]["gan+classical_vs_placebo+classical"] = {"accuracy": GAIN}
    assert answer_of(told).cautions == ()  # type: ignore[union-attr]
    told["gains"]["gan+classical_vs_smote+classical"] = {"accuracy": WIDE}
    told["gains"]["placebo_vs_none"] = {"accuracy": GAIN}
    told["dataset"]["draws"] = "tuning"
    told["alarms"] = {"0": ["mode collapse"], "release": ["diverged"]}
    told["dataset"]["unlabelled_images"] = 900
    told["fidelity"] = {"near_copies_share": {"mean": 0.2}, "held_out_near_copies_share": {"mean": 0.01}}
    cautions = " ".join(answer_of(told).cautions)  # type: ignore[union-attr]
    for doubt in (
        "released generator's training had an alarm (diverged)",
        "pseudo-labels",
        "tuning draws",
        "smote+classical",
        "control gains too",
        "repeat training images",
        "mode collapse",
    ):
        assert doubt in cautions


def test_a_gain_too_small_to_be_worth_having_is_not_for_use() -> None:
    found = answer_of(summary(on_top=figure(0.1, 0.02, 0.2)))
    assert found is not None
    assert found.word == "do not use"
    assert found.reason.endswith(": less than the 2 points that are worth having.")


def test_a_better_rival_decides_though_the_gain_itself_cannot_be_told() -> None:
    told = summary(on_top=WIDE)
    told["gains"]["gan+classical_vs_smote+classical"] = {"accuracy": LOSS}
    found = answer_of(told)
    assert found is not None
    assert found.word == "do not use"
    assert found.steps[0].text == "Train as the arm smote+classical does, without GAN images."


def test_trials_that_there_are_no_images_for_are_not_asked_for() -> None:
    told = summary(on_top=WIDE)
    told["dataset"]["most_trials"] = 12
    (step, *_) = answer_of(told).steps  # type: ignore[union-attr]
    assert step.text.startswith("Take a larger set: there are images for 12 trials, and 30 are needed")
    assert step.command is None


def test_tuning_draws_are_no_reason_to_take_images() -> None:
    told = summary(on_top=GAIN)
    told["dataset"]["draws"] = "tuning"
    assert "protocol.draws: report" in answer_of(told).steps[0].text  # type: ignore[union-attr]


@pytest.mark.parametrize(
    ("gains", "decides", "called"),
    [
        (("gan_vs_none", "gan_vs_classical"), "gan_vs_classical", "in place of classical augmentation"),
        (("gan_vs_none", "gan+cutmix_vs_cutmix"), "gan+cutmix_vs_cutmix", "on top of cutmix"),
        (("gan_vs_none",), "gan_vs_none", "without any other augmentation"),
    ],
)
def test_the_policy_that_one_would_use_instead_decides(gains: tuple[str, ...], decides: str, called: str) -> None:
    told = summary()
    told["gains"] = {gain: {"accuracy": LOSS} for gain in gains}
    found = answer_of(told)
    assert found is not None
    assert found.gain == decides
    assert called in found.reason


def test_where_classes_are_topped_up_a_placebo_without_a_policy_hides_no_harm_on_top_of_one() -> None:
    told = summary(on_top=LOSS, alone=GAIN)
    told["settings"]["synth"]["balance"] = "fill"
    told["gains"]["gan_vs_placebo"] = {"accuracy": GAIN}
    found = answer_of(told)
    assert found is not None
    assert (found.gain, found.word) == (NAMES["on_top"], "do not use")
