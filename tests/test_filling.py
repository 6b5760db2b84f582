"""What to fill missing cells with: translation, what is cheaper, photographs or nothing, from the figures of a run."""

from typing import Any

import pytest
from test_verdict import figure

from ganaug.report import card, filling, groups, markdown, missing, terminal, verdict
from ganaug.report.answer import Answer, answer
from ganaug.report.interval import in_words

GAN, MASKED, SWAP, REAL = (
    "translate+classical+masked",
    "classical+masked",
    "histogram+classical+masked",
    "oracle+classical",
)
NO_GAN = "unadversarial+classical+masked"
GAIN, LOSS, NONE, OPEN = (
    figure(9.3, 8.0, 10.6, 0.001),
    figure(-3.0, -4.0, -2.0),
    figure(0.2, -1.0, 1.4),
    figure(3, -2, 8),
)


def told(
    over: dict[str, Any] = GAIN,
    masked: tuple[dict[str, Any], dict[str, Any]] = (NONE, GAIN),
    swap: tuple[dict[str, Any], dict[str, Any]] = (GAIN, GAIN),
    real: dict[str, Any] | None = None,
    control: dict[str, Any] | None = None,
    other: dict[str, Any] = NONE,
) -> dict[str, Any]:
    """A summary: the gain of translated images ``over`` classical; of two rivals, their own gain and that of
    translation over them; of ``real`` images; of translation over the ``control``; and all gains on ``other`` cells."""
    gains = {
        f"{MASKED}_vs_classical": masked[0],
        f"{GAN}_vs_classical": over,
        f"{GAN}_vs_{MASKED}": masked[1],
        f"{GAN}_vs_{SWAP}": swap[1],
        f"{SWAP}_vs_classical": swap[0],
    }
    if real:
        gains |= {f"{REAL}_vs_classical": real, f"{GAN}_vs_{REAL}": LOSS}
    if control:
        gains[f"{GAN}_vs_{NO_GAN}"] = control
    arms = {"classical": 38.0, MASKED: 38.2, GAN: 48.0, SWAP: 45.0, REAL: 61.0, NO_GAN: 40.0}
    counts = {"bolt": {"new": 0, "old": 40}, "nut": {"new": 20, "old": 40}, "pin": {"new": 10, "old": 40}}
    recall: Any = {name: {one: {"seen": 80.0, "hidden": None} for one in of_class} for name, of_class in counts.items()}
    recall["nut"]["new"]["hidden"], recall["bolt"]["new"]["seen"] = 41.6, None
    return {
        "dataset": {
            "name": "parts",
            "classes": ["bolt", "nut", "pin"],
            "image_shape": [1, 16, 16],
            "protocol": "cells",
            "primary_metric": "condition_accuracy",
            "train_per_class": None,
            "train_images": {"bolt": 32.0, "nut": 44.0, "pin": 40.0},
            "draws": "report",
        },
        "arms": {arm: {"condition_accuracy": {"mean": mean, "sd": 1.0}} for arm, mean in arms.items()},
        "gains": {
            gain: {"condition_accuracy": one, "missing_recall": one, "other_recall": other}
            for gain, one in gains.items()
        },
        "cells": {
            "conditions": ["new", "old"],
            "targets": ["new"],
            "counts": counts,
            "missing": [["bolt", "new"]],
            "recall": dict.fromkeys(arms, recall),
            "gains": {gain: {"new": one, "old": NONE} for gain, one in gains.items()},
        },
        "settings": {
            "synth": {"balance": "equal", "per_class": 500},
            "report": {"smallest_gain": 2.0},
            "protocol": {"kind": "cells", "folds": 5, "repeats": 2},
        },
        "fidelity": None,
        "alarms": {},
    }


def found(**figures: Any) -> Answer:
    made = answer(told(**figures))
    assert made
    return made


def test_translation_is_used_where_it_is_better_than_every_way_without_a_gan() -> None:
    made = found()
    assert (made.word, made.tone, made.arm, made.title) == ("use", "use", GAN, "Fill them by translation")
    assert made.reason == (
        "1 of 3 classes has no images under new. On top of classical augmentation, translated images add 9.3 points of "
        "accuracy under new (95% confidence interval +8.0 to +10.6, 10 trials); +9.3 (+8.0 to +10.6) over "
        f"{MASKED}, the best way without a GAN. Recall of the hidden cells +9.3 (+8.0 to +10.6), of all other cells "
        "+0.2 (-1.0 to +1.4)."
    )
    assert made.steps[0].command == "ganaug synth --condition new -n 500"
    two = answer({**told(), "cells": {**told()["cells"], "targets": ["new", "old"]}})
    assert two
    assert [one.command for one in two.steps] == [f"ganaug synth --condition {name} -n 250" for name in ("new", "old")]
    assert made.cautions == ()


def test_translations_are_judged_where_no_trial_hides_cells() -> None:
    made = told(swap=(GAIN, LOSS))
    del made["cells"]
    made["dataset"]["primary_metric"] = "other_recall"
    made["gains"] = {name: {"other_recall": one["condition_accuracy"]} for name, one in made["gains"].items()}
    said = answer(made | {"recall_gains": {}, "worth": {}})
    assert said
    assert (said.word, said.gain, said.arm) == ("do not use", f"{GAN}_vs_classical", SWAP)
    assert "translated images add 9.3 points" in said.reason


def test_a_rival_that_helps_is_preferred_unless_translation_is_shown_to_beat_it() -> None:
    made = found(swap=(GAIN, OPEN))
    assert (made.word, made.tone, made.arm) == ("do not use", "use", SWAP)
    assert made.gain == f"{SWAP}_vs_classical"
    assert made.title == "No GAN needed: histogram"
    assert made.reason.startswith(
        f"1 of 3 classes has no images under new. {SWAP}, which needs no GAN, adds 9.3 points of accuracy under new "
        "(95% confidence interval +8.0 to +10.6, 10 trials); translated images add +3.0 (-2.0 to +8.0) to that. "
    )
    assert made.steps[0].text == f"Train as the arm {SWAP} does; it needs no GAN."


def test_the_masked_loss_alone_is_a_rival() -> None:
    assert found(masked=(GAIN, OPEN)).title == "No GAN needed: a masked loss"
    assert found(masked=(NONE, OPEN)).word == "use"  # it is not shown to help at all
    assert any(MASKED in one for one in found(masked=(NONE, OPEN)).cautions)


def test_the_best_rival_is_named() -> None:
    assert found(masked=(GAIN, OPEN), swap=(GAIN, OPEN)).arm == SWAP


def test_one_of_several_rivals_must_be_shown_at_a_level_divided_by_their_number() -> None:
    barely = {**figure(3.0, 0.1, 6.0), "p_value": 0.04}
    made = found(swap=(barely, OPEN))
    assert (made.word, made.arm) == ("cannot tell", None)
    assert f"not shown to be better than {SWAP}" in made.reason
    assert found(over=NONE, swap=(barely, OPEN)).arm == "classical"
    assert found(over=NONE, swap=({**barely, "p_value": 0.024}, OPEN)).arm == SWAP


def test_a_rival_whose_own_gain_is_not_known_counts_as_one_that_helps() -> None:
    made = told(swap=(GAIN, OPEN))
    del made["gains"][f"{SWAP}_vs_classical"]
    said = answer(made)
    assert said
    assert (said.word, said.arm) == ("cannot tell", None)


def test_a_rival_helps_where_translation_does_not() -> None:
    for over in (NONE, OPEN, LOSS):
        made = found(over=over, swap=(GAIN, LOSS))
        assert (made.word, made.tone, made.arm) == ("do not use", "use", SWAP)


@pytest.mark.parametrize(
    ("over", "word", "title"),
    [
        (OPEN, "cannot tell", "Cannot tell yet"),
        (NONE, "do not use", "Do not fill them"),
        (LOSS, "do not use", "Do not fill them"),
    ],
)
def test_without_anything_that_helps(over: dict[str, Any], word: str, title: str) -> None:
    made = found(over=over, swap=(NONE, NONE))
    assert (made.word, made.tone, made.title) == (word, word, title)
    assert made.arm == (None if word == "cannot tell" else "classical")


def test_names_of_conditions_are_only_text_in_the_tables_of_the_model_card() -> None:
    rows = [("bolt", "2", "3")]
    top = markdown.table(("class", "<b>dim", "new|[x](http://x)"), rows).split("\n")[0]
    assert top == "| class | &lt;b>dim | new\\|\\[x\\](http://x) |"


def test_what_would_settle_it() -> None:
    assert [one.text for one in found(over=OPEN, swap=(NONE, NONE)).steps] == [
        "Photograph more classes under new: gains differ from class to class."
    ]
    several = told(over=OPEN, swap=(NONE, NONE))
    several["cells"]["targets"] = ["dim", "new", "wet"]
    made = answer(several)
    assert made is not None
    assert made.steps[0].text.startswith("Photograph more classes under dim, new and wet: ")
    few = {**figure(3, -2, 8, trials=5)}
    first, second = found(over=few, swap=(NONE, NONE)).steps
    assert (first.text, first.command) == ("Run 10 trials (protocol.repeats: 2 in params.yaml).", "dvc repro")
    assert second.text.startswith("Photograph more classes")
    needed = {**OPEN, "needed": {"trials": 30}}
    assert "Run about 30 trials (protocol.repeats: 6 in" in found(over=needed, swap=(NONE, NONE)).steps[0].text


def test_real_images_say_what_photographs_would_bring() -> None:
    made = found(over=NONE, swap=(NONE, NONE), real=figure(22.5, 20, 25, 0.001))
    assert made.title == "Photograph them"
    (step,) = (one.text for one in made.steps if "hotograph" in one.text)
    assert step == (
        "Photograph about 12 of each missing cell (bolt under new): real images of the hidden cells bring +22.5 (+20.0 "
        "to +25.0) points."
    )
    assert found(real=GAIN).steps[-1].text.startswith("Or photograph about 12")
    assert not any(REAL in one for one in found(real=GAIN).cautions)  # no one would use them instead


def test_what_it_costs_elsewhere_is_told() -> None:
    assert "It costs recall on all other cells." in found(other=LOSS).cautions
    assert not any("costs" in one for one in found(other=NONE).cautions)


def test_the_adversarial_loss_must_make_the_difference() -> None:
    (caution,) = (one for one in found(control=OPEN).cautions if "adversarial" in one)
    assert in_words(OPEN) in caution
    assert not any("adversarial" in one for one in found(control=GAIN).cautions)
    assert found(control=OPEN).word == "use"


def test_gains_by_question() -> None:
    made = told(real=GAIN, control=GAIN)
    by_title = {group.title: group.gains for group in groups.grouped(list(made["gains"]), f"{GAN}_vs_classical")}
    assert by_title == {
        "Does it help?": (f"{GAN}_vs_classical",),
        "Is it the GAN?": (f"{GAN}_vs_{MASKED}", f"{GAN}_vs_{SWAP}"),
        "Is it the adversarial loss?": (f"{GAN}_vs_{NO_GAN}",),
        "What would real images bring?": (f"{REAL}_vs_classical", f"{GAN}_vs_{REAL}"),
        "What helps without a GAN?": (f"{MASKED}_vs_classical", f"{SWAP}_vs_classical"),
    }


def test_cells_in_words_and_tables() -> None:
    made = told()
    assert missing.count_rows(made) == (
        ("class", "new", "old"),
        [("bolt", "missing", "40"), ("nut", "20", "40"), ("pin", "10", "40")],
    )
    cells = [("a", "new"), *((f"c{number}", "dim") for number in range(9))]
    assert missing.missing_words(cells) == "a under new; c0, c1, c2, c3, c4, c5 and 3 more under dim"
    assert filling.recall_rows(made, ["classical", GAN]) == (
        ("cell", "images", "classical", GAN),
        [
            ("bolt under new", "missing", "not tested", "not tested"),
            ("bolt under old", "40", "80 % seen", "80 % seen"),
            ("nut under new", "20", "42 % hidden, 80 % seen", "42 % hidden, 80 % seen"),
            ("nut under old", "40", "80 % seen", "80 % seen"),
            ("pin under new", "10", "80 % seen", "80 % seen"),
            ("pin under old", "40", "80 % seen", "80 % seen"),
        ],
    )
    assert verdict.rare_classes(made) == []
    made["cells"]["missing"] = [["bolt", "new"], ["pin", "new"], ["nut", "old"]]
    assert missing.which(made) == "2 of 3 classes have no images under new and 1 under old."
    made["cells"]["missing"] = []
    assert missing.which(made) == "No cell is missing: trials hide cells under new."


def test_the_terminal_and_the_card_say_the_same(capsys: pytest.CaptureFixture[str]) -> None:
    made = told(swap=(GAIN, OPEN), real=GAIN)
    said = answer(made)
    assert said
    terminal.card(said, made, "")
    assert "NO GAN NEEDED: HISTOGRAM" in capsys.readouterr().out
    assert card.answer_card(said, made, "").startswith("### No GAN needed: histogram\n")
    assert "missing" in terminal.tables(made, said.gain)
