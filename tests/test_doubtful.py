"""The quick look at the labels of a new set: what it finds, and when it is not taken."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from ganaug.config import Settings
from ganaug.data.folder import Folder
from ganaug.data.survey import Survey, survey
from ganaug.start import doubtful, init
from ganaug.start.choose import choose
from ganaug.start.doubtful import look
from ganaug.start.estimate import Pace

Seen = Callable[..., tuple[Survey, Settings, Pace]]


@pytest.fixture
def seen(tmp_path: Path) -> Seen:
    """Dark and bright images of noise, ``count`` of each, and one dark image among the bright ones."""

    def make(count: int = 12, wrong: bool = True) -> tuple[Survey, Settings, Pace]:
        rng = np.random.default_rng(0)
        for label, gray in (("bright", 200), ("dark", 50)):
            for row in range(count):
                pixels = rng.integers(gray - 40, gray + 40, (8, 8), np.uint8)
                path = tmp_path / "photos" / label / f"{row}.png"
                path.parent.mkdir(parents=True, exist_ok=True)
                Image.fromarray(pixels).save(path)
        if wrong:
            Image.fromarray(rng.integers(10, 90, (8, 8), np.uint8)).save(tmp_path / "photos/bright/odd.png")
        found = survey(Folder(tmp_path / "photos"), tmp_path, 1, 64, lambda *of: None)
        settings = choose(found, {"kind": "folder", "path": "photos"}, "cpu", 1).settings
        settings = replace(settings, classifier=replace(settings.classifier, width=8, steps=90))
        return found, settings, Pace("cpu", 1, 0.01, dict.fromkeys(settings.classify.arms, 0.01))

    return make


def test_a_wrong_label_is_named_and_right_ones_are_not(seen: Seen) -> None:
    said = "at a quick look 1 label may be wrong, the surest first:\n  bright/odd.png: bright, but looks like dark"
    assert look(*seen(), 20) == said


def test_right_labels_are_left_alone(seen: Seen) -> None:
    assert look(*seen(wrong=False), 20) == "at a quick look no label seems wrong"


def test_it_takes_a_twentieth_of_the_minutes_or_is_not_taken(seen: Seen, monkeypatch: pytest.MonkeyPatch) -> None:
    """Five classifiers of 30 steps, at 10 ms: 1.5 seconds of half a minute."""
    monkeypatch.setattr(doubtful, "cross_fitted", lambda *of, **more: pytest.fail("it was taken"))
    assert look(*seen(), 0.49) == ""
    with pytest.raises(pytest.fail.Exception, match="it was taken"):
        look(*seen(), 0.51)


def test_it_is_not_taken_where_it_cannot_be(seen: Seen, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(doubtful, "cross_fitted", lambda *of, **more: pytest.fail("it was taken"))
    found, *others = seen()
    with monkeypatch.context() as few:
        few.setattr(type(found.data.items()), "parts", lambda items: {"bright": 12, "dark": 2})
        assert look(found, *others, 20) == ""
    monkeypatch.setattr(doubtful, "find_spec", lambda name: None)
    assert look(*seen(), 20) == ""


def test_init_says_what_it_found(
    seen: Seen, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    seen()
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(init, "init_dvc", lambda folder: "DVC: not now")
    monkeypatch.setattr(init.estimate, "measure", lambda *of: seen()[2])
    monkeypatch.setattr(doubtful, "look", lambda survey, settings, pace, minutes: f"looked, of {minutes} minutes")
    init.init(Path("project"), Path("photos"), None, False, {}, 20)
    said = capsys.readouterr().out
    assert said.index("photos: 25 images") < said.index("looked, of 20 minutes") < said.index("chosen: ")
