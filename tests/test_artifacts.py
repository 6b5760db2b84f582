"""Artifacts that were edited, cut or damaged: one line with the file, the rule and what makes it again; never a wrong
figure, never a traceback."""

import contextlib
import csv
import io
import json
import random
import re
import shutil
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from expect import refused
from stages import TINY_GAN, run

from ganaug import config, store
from ganaug.errors import UserError
from ganaug.report import card, page, tables
from ganaug.stages import gate as gating
from ganaug.stages import report as reporting
from ganaug.stages.classify import classify
from ganaug.stages.project import Project
from ganaug.stages.split import SplitOf, open_splits
from ganaug.stages.synth import synthetic_pool

SETTINGS: dict[str, Any] = {
    "protocol": {"kind": "subsets", "trials": 2, "train_per_class": 2, "test_per_class": 4, "tuning_per_class": 2},
    "gan": TINY_GAN,
    "synth": {"per_class": 4, "filters": [{"kind": "copies"}]},
    "classifier": {"steps": 2, "width": 4, "batch_size": 4},
    "classify": {"arms": ["none", "classical", "gan"], "curve": [1.5]},
    "gate": [{"gain": "gan_vs_none", "above": -1000.0}],
    "device": "cpu",
    "jobs": 1,
}


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Project:
    made = Project(tmp_path_factory.mktemp("finished"), config.check(SETTINGS))
    run(made)
    return made


@pytest.fixture
def done(finished: Project) -> Iterator[Project]:
    """The finished project; what a test changes of its files is undone."""
    files = {path: path.read_bytes() for path in finished.root.rglob("*") if path.is_file()}
    yield finished
    for path in [path for path in finished.root.rglob("*") if path.is_file() and path not in files]:
        path.unlink()
    for path, content in files.items():
        if not path.is_file() or path.read_bytes() != content:
            store.remove(path)
            path.write_bytes(content)


def edit(path: Path, change: Callable[[Any], Any]) -> None:
    """JSON, or the rows of a table or array: ``change`` returns other ones, or alters them."""
    if path.suffix == ".json":
        content = json.loads(path.read_text())
        changed = change(content)
        path.write_text(json.dumps(content if changed is None else changed))
    elif path.suffix == ".csv":
        with path.open(newline="") as file:
            rows = list(csv.reader(file))
        changed = change(rows)
        with path.open("w", newline="") as file:
            csv.writer(file, lineterminator="\n").writerows(rows if changed is None else changed)
    else:
        np.save(path, change(np.load(path)))


def put(*places: str | int, value: Any) -> Callable[[Any], None]:
    """A change: ``value`` at that place."""

    def change(content: Any) -> None:
        for place in places[:-1]:
            content = content[place]
        content[places[-1]] = value

    return change


def swap(rows: dict[str, list[int]], one: str, other: str) -> dict[str, list[int]]:
    """The first row of the part ``one`` is one of ``other`` too."""
    return {**rows, one: sorted([*rows[one][1:], rows[other][0]])}


PREPARED = 'run "ganaug prepare"'


@pytest.mark.parametrize(
    ("name", "change", "told"),
    [
        ("splits/0.json", lambda rows: swap(rows, "train", "test"), "in one part, but some are in several"),
        ("splits/0.json", lambda rows: {**rows, "test": []}, "must have a test part, but it is empty"),
        (
            "splits/0.json",
            lambda rows: {**rows, "train": rows["train"][::-1]},
            "train must list rows of 0 to 1796, rising",
        ),
        ("splits/0.json", put("test", 0, value=-1), "test must list rows of 0 to 1796"),
        ("splits/0.json", put("test", -1, value=1797), "test must list rows of 0 to 1796"),
        ("splits/0.json", put("test", 0, value="1"), "test.0: Input should be a valid integer"),
        ("splits/0.json", lambda rows: {**rows, "train": rows["train"][:2]}, "every class must be in the train part"),
        ("splits/0.json", lambda rows: {**rows, "spare": rows["spare"][1:]}, "was changed since then"),
        ("splits/0.json", lambda rows: [], "splits/0.json: must be JSON as ganaug wrote it"),
        ("classes.json", put(0, value="1"), "each must be there once"),
        ("classes.json", put(0, value="zero"), 'every class must be one of classes.json, but "0" is not'),
        ("items.csv", put(5, 2, value="x"), "sha256: String should match"),
        ("items.csv", lambda rows: rows[:-1], "must hold the 1,796 items"),
        ("images.npy", lambda images: images[:-1], "must hold the 1,797 items"),
        ("images.npy", lambda images: images[:, :7], "its shape is (1797, 7, 8, 1)"),
        ("images.npy", lambda images: images.astype(float), "uint8"),
        ("settings.json", lambda settings: [settings], "settings.json: must be JSON as ganaug wrote it"),
    ],
)
def test_prepared_images_are_read_by_their_rules(done: Project, name: str, change: Any, told: str) -> None:
    edit(done.prepared / name, change)
    with refused(told, PREPARED):
        open_splits(done)


def test_a_copy_or_a_group_of_a_test_image_is_not_learned_from(done: Project) -> None:
    rows = SplitOf(done, "0").rows

    def twin(table: list[list[str]]) -> None:
        table[1 + rows.train[0]][2] = table[1 + rows.test[0]][2]

    edit(done.prepared / "items.csv", twin)
    with refused("splits/0.json: no other part may have the pixels of a test image", PREPARED):
        open_splits(done, "0")
    edit(
        done.prepared / "items.csv",
        lambda table: [[*row[:2], f"{place:064x}", f"g{place // 1000}"] for place, row in enumerate(table)],
    )
    edit(done.prepared / "items.csv", put(0, value=["file", "class", "sha256", "group"]))
    with refused("splits/0.json: no other part may have images of a test image's group", PREPARED):
        open_splits(done, "0")


def test_trials_that_share_a_test_part_have_one(done: Project) -> None:
    edit(
        done.prepared / "splits" / "1.json",
        lambda rows: {"train": rows["train"], "test": rows["test"][1:], "spare": []},
    )
    with refused("all trials of protocol subsets must have the same test part", PREPARED):
        run(done, "report")


CLASSIFY = 'run "ganaug classify"'


@pytest.mark.parametrize(
    ("name", "change", "told"),
    [
        (
            "trials/0.predictions.csv",
            lambda rows: rows[:17],
            "0.predictions.csv: must be as ganaug wrote it, but was changed",
        ),
        (
            "trials/0.predictions.csv",
            put(3, 2, value="1"),
            "0.predictions.csv: must be as ganaug wrote it, but was changed",
        ),
        (
            "trials/0.json",
            put("arms", "gan", "accuracy", value=99.0),
            "0.json: must be as ganaug wrote it, but was changed",
        ),
        ("trials/0.json", put("arms", "gan", value={}), "arms.gan: Value error, accuracy is missing"),
        ("trials/0.json", lambda found: found["arms"].pop("gan") and None, "arm gan of trial 0 is missing"),
        ("trials/0.json", put("keys", "gan", value="0"), "arm gan of trial 0 is missing or of other settings"),
        ("trials/1.json", put("curve", value=None), "curve: Input should be an object"),
        ("fidelity/0.json", put("overall", "kid", value=0.5), "fidelity/0.json: must be as ganaug wrote it"),
        ("fidelity/0.json", put("memorisation", value={}), "memorisation.pixels: Field required"),
        (
            "fidelity/0.json",
            put("judge_accuracy", value=float("nan")),
            "judge_accuracy: Input should be a finite number",
        ),
        ("fidelity/0.nearest.csv", put(1, 3, value="0"), "0.nearest.csv: must be as ganaug wrote it"),
    ],
)
def test_what_classify_wrote_is_read_by_its_rules(done: Project, name: str, change: Any, told: str) -> None:
    edit(done.reports / name, change)
    with refused(told, CLASSIFY):
        run(done, "report")


@pytest.mark.parametrize(
    ("name", "change", "told"),
    [
        ("trials/0.predictions.csv", lambda rows: rows[:17], "the test images of its trial, a row each"),
        ("trials/0.predictions.csv", put(1, 1, value="7"), "the test images of its trial, a row each"),
        ("trials/0.predictions.csv", put(1, 2, value="10"), "classes of 0 to 9"),
        ("trials/0.predictions.csv", put(1, 2, value="-1"), "none: Input should be greater than or equal to 0"),
        ("trials/0.predictions.csv", lambda rows: [row[:-1] for row in rows], "a column for each of none, classical"),
        ("fidelity/0.nearest.csv", lambda rows: rows[:-1], "must list the 40 generated images of split 0"),
        ("fidelity/0.nearest.csv", put(1, 2, value="99999"), "each with a row of the train part"),
    ],
)
def test_tables_sealed_again_are_still_held_against_the_split(done: Project, name: str, change: Any, told: str) -> None:
    path = done.reports / name
    edit(path, change)
    trial = path.with_name("0.json")
    content = json.loads(trial.read_text())
    del content["sha256"]
    store.write_sealed(trial, content, [path])
    with refused(name, told, CLASSIFY):
        run(done, "report")


@pytest.mark.parametrize(
    ("name", "change", "told"),
    [
        ("key.json", lambda _: {}, "key is missing"),
        ("3.npy", lambda images: images * 0, "3.npy: must be as ganaug wrote it, but was changed since then"),
        ("3.npy", lambda images: images[1:], "3.npy: must hold 4 images of 8x8x1, got (3, 8, 8, 1)"),
        ("manifest.csv", put(1, 4, value="0.5"), "manifest.csv: must be as ganaug wrote it, but was changed"),
    ],
)
def test_synthetic_images_are_those_that_were_made(done: Project, name: str, change: Any, told: str) -> None:
    edit(done.synth / "0" / name, change)
    with refused(told, 'run "ganaug synth --all"'):
        synthetic_pool(SplitOf(done, "0"))


@pytest.mark.parametrize(
    ("name", "change", "told"),
    [
        ("models/0/health.json", put("step", value="7"), "step: Input should be a valid integer"),
        ("models/0/health.json", put("alarms", value=[{}]), "alarms.0: Value error, kind is missing"),
        ("models/0/health.json", put("step", value=3), "health.json: must be as ganaug wrote it"),
        ("models/0/history.csv", put(1, 1, value="0.5"), "history.csv: must be as ganaug wrote it"),
        ("models/0/history.csv", lambda rows: rows[:1], "must have rows, each with a step"),
        ("models/0/history.csv", put(1, 1, value="inf"), "d_loss.constrained-float: Input should be a finite number"),
        ("models/release/history.csv", put(0, 1, value="x"), "the other generators' columns"),
        ("data/synth/1/manifest.csv", put(1, 4, value="1.5"), "accepted: Input should be less than or equal to 1"),
        ("data/synth/1/manifest.csv", lambda rows: rows[:-1], "must list the images of every class"),
    ],
)
def test_what_the_generators_left_is_read_by_its_rules(done: Project, name: str, change: Any, told: str) -> None:
    edit(done.root / name, change)
    with refused(name, told, "dvc repro"):
        run(done, "report")


@pytest.mark.parametrize(
    ("stage", "name", "change"),
    [
        ("classify", "predictions.npy", lambda said: said * 0),
        ("classify", "filler.json", lambda _: []),
        ("fidelity", "figures.json", put("classes", value=[])),
        ("fidelity", "nearest.csv", lambda rows: rows[:-1]),
    ],
)
def test_finished_work_that_is_damaged_is_made_again(done: Project, stage: str, name: str, change: Any) -> None:
    before = {path: path.read_bytes() for path in done.reports.rglob("*") if path.is_file()}
    edit(sorted((done.work.root / stage).glob(f"*/{name}"))[0], change)
    classify(done, None)
    assert {path: path.read_bytes() for path in done.reports.rglob("*") if path.is_file()} == before


GAIN = ("gains", "gan_vs_none", "accuracy")


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (put(*GAIN, "mean", value=float("nan")), "gains.gan_vs_none.accuracy.mean must be"),
        (put(*GAIN, "mean", value=1e300), "less than or equal to"),
        (put(*GAIN, "mean", value=7.5), "must be those of its mean and standard error"),
        (put(*GAIN, "ci_low", value=None), "must be those of its mean and standard error"),
        (put("gains", "gan_vs_none", value={}), "accuracy is missing"),
        (lambda found: found["gains"].pop("gan_vs_none") and None, "every gain must be given for each class too"),
        (put("recall_gains", "gan_vs_none", "3", "ci_low", value=5000.0), "its interval must hold the mean"),
        (lambda found: found["recall_gains"]["gan_vs_none"].pop("3") and None, "every class must have its figures"),
        (put("dataset", "primary_metric", value="f2"), "dataset.primary_metric"),
        (put("settings", value=5), "settings must be"),
        (put("settings", "synth", value=None), "settings.synth must be"),
        (put("worth", "gan_vs_none", value=3), "worth.gan_vs_none"),
        (put("arms", "none", "accuracy", value=3), "arms.none.accuracy"),
    ],
)
def test_a_summary_is_judged_by_its_rules(done: Project, change: Any, told: str) -> None:
    edit(done.reports / "summary.json", change)
    for judge in (lambda: gating.gate(done, markdown=False), lambda: gating.show_verdict(done)):
        with refused("summary.json", told, 'run "dvc repro"'):
            judge()


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (put(*GAIN, "degrees_of_freedom", value=0), "at least 1 degree of freedom"),
        (put(*GAIN, "standard_error", value=1e200), "its error of 0 to 100"),
        (put(*GAIN, "mean", value=-1e9), "a mean is of -100 to 100 points"),
        (put("dataset", "test_images", value=-1), "dataset.test_images"),
        (lambda _: "x" * 5000, "must be a summary of schema 1, got None"),
    ],
)
def test_a_baseline_is_read_by_the_same_rules(done: Project, tmp_path: Path, change: Any, told: str) -> None:
    shutil.copy(done.reports / "summary.json", tmp_path / "old.json")
    edit(tmp_path / "old.json", change)
    with refused("old.json", told, "name the reports/summary.json of an earlier run"):
        gating.gate(done, markdown=False, baseline=tmp_path / "old.json")


def test_a_rule_of_a_gain_that_the_summary_lacks_is_named(done: Project) -> None:
    def without(found: dict[str, Any]) -> None:
        for key in ("gains", "recall_gains", "rare_recall_gains"):
            found.get(key, {}).pop("gan_vs_none", None)

    edit(done.reports / "summary.json", without)
    with refused("gate: a rule must name a gain of the report", '"gan_vs_none"', "classical_vs_none"):
        gating.gate(done, markdown=False)


def test_what_is_printed_of_a_summary_is_printable(done: Project, capsys: pytest.CaptureFixture[str]) -> None:
    evil = "3\x1b[31m\nFAKE"

    def rename(found: dict[str, Any]) -> dict[str, Any]:
        found["dataset"]["train_images"]["3"] = 1.0
        return json.loads(json.dumps(found).replace('"3":', f"{json.dumps(evil)}:").replace('"3"', json.dumps(evil)))  # type: ignore[no-any-return]

    edit(done.reports / "summary.json", rename)
    gating.show_verdict(done, full=True)
    said = capsys.readouterr().out
    assert "\nFAKE" not in said
    assert r"3\x1b[31m\nFAKE" in said


# ----------------------------------------------------------------------------------------------- any change of any file

BYTES = ("", "null", "[]", "{}", "9" * 5000, "[" * 5000, '{"a":' * 5000, '{"a": 1e400}', "\xff\xfe", "\x00")


def altered(rng: random.Random, content: bytes) -> bytes:
    """A bit, a stretch, a number or all of it is another."""
    how, at = rng.randrange(5), rng.randrange(len(content))
    if how == 0:
        return rng.choice(BYTES).encode("latin-1")
    if how == 1:
        return content[:at]
    if how == 2:
        return content[:at] + bytes([content[at] ^ 1 << rng.randrange(8)]) + content[at + 1 :]
    if how == 3:
        return content[:at] + content[at + rng.choice([1, 8, 100]) :]
    return content[:at] + rng.choice([b"-", b"9", b'"', b",", b"\n", b"null", b"1e400"]) + content[at + 1 :]


def test_any_change_of_any_artifact_gives_the_same_report_or_one_line(
    done: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    rng, written = random.Random(7), {}
    monkeypatch.setattr(reporting, "_publish", lambda _, files, __: written.update(files))
    run(done, "report")
    before = written["summary.json"], written["report.html"]
    of_trials = [path for path in done.reports.glob("*/*") if path.parent.name in ("trials", "fidelity")]
    of_splits = [*(done.prepared / "splits").iterdir(), *done.synth.glob("*/[km]*"), done.synth / "0" / "3.npy"]
    for path in rng.choices(sorted([*of_trials, *of_splits]), k=30):
        content = path.read_bytes()
        path.write_bytes(altered(rng, content))
        with contextlib.suppress(UserError), contextlib.redirect_stdout(io.StringIO()):
            run(done, "report")
            assert (written["summary.json"], written["report.html"]) == before, path
        path.write_bytes(content)


def test_any_change_of_a_summary_is_judged_or_one_line(done: Project) -> None:
    rng, path = random.Random(8), done.reports / "summary.json"
    content = path.read_bytes()
    for _ in range(80):
        path.write_bytes(altered(rng, content))
        with contextlib.suppress(UserError), contextlib.redirect_stdout(io.StringIO()):
            gating.show_verdict(done, full=True)
            gating.show_verdict(done, as_json=True)
            gating.gate(done, markdown=True, baseline=path)


# ------------------------------------------------------------------------------------------------------ what is written


def test_a_report_that_cannot_be_written_leaves_the_old_one(done: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    def fails(*_: Any, **__: Any) -> None:
        raise OSError(28, "No space left on device")

    def reports() -> dict[Path, bytes]:
        return {path: path.read_bytes() for path in done.reports.rglob("*") if path.is_file()}

    before = reports()
    (done.reports / "summary.json").write_text("old")
    before[done.reports / "summary.json"] = b"old"
    monkeypatch.setattr(tables, "write_plots", fails)
    with pytest.raises(OSError, match="No space"):
        run(done, "report")
    assert reports() == before


def test_the_summary_is_in_place_last(done: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    order: list[str] = []
    replace = Path.replace

    def noted(self: Path, target: Path) -> Path:
        order.append(Path(target).name)
        return replace(self, target)

    monkeypatch.setattr(Path, "replace", noted)
    run(done, "report")
    assert [name for name in order if name in ("report.html", "MODEL_CARD.md", "summary.json")][-1] == "summary.json"


@pytest.mark.parametrize(("stage", "locks"), [("classify", {"trials", "fidelity"}), ("report", {"reports"})])
def test_results_are_written_under_a_lock(
    done: Project, monkeypatch: pytest.MonkeyPatch, stage: str, locks: set[str]
) -> None:
    """Whatever is put below reports/, its lock is held."""
    held, alone, replacing = [], type(done.work).alone, store.replacing
    seen: set[str] = set()

    @contextlib.contextmanager
    def noted(self: Any, name: str, waits: str | None = None) -> Iterator[None]:
        with alone(self, name, waits):
            held.append(name)
            yield
            held.pop()

    def watched(path: Path, folder: bool = False) -> Any:
        if path.is_relative_to(done.reports):
            assert held
            seen.add(held[-1])
        return replacing(path, folder)

    monkeypatch.setattr(type(done.work), "alone", noted)
    monkeypatch.setattr(store, "replacing", watched)
    run(done, stage)
    assert seen == locks


# -------------------------------------------------------------------------------------------- text of the user's, shown

EVIL = '3"><script>alert(1)</script> [x](javascript:y) ![z](q)|`a` <b>\n# head & &lt;'


def renamed(value: Any) -> Any:
    """The class 3, the data set and the licence have evil names, wherever they stand."""
    if isinstance(value, dict):
        return {renamed(key): renamed(one) for key, one in value.items()}
    if isinstance(value, list | tuple):
        return type(value)(renamed(one) for one in value) if type(value) in (list, tuple) else value
    if isinstance(value, page.Example | page.Neighbours | page.Pair):
        return replace(value, **{name: renamed(one) for name, one in vars(value).items()})
    return EVIL if isinstance(value, str) and value in ("3", "digits", "not stated") else value


def test_names_and_licence_are_only_text(done: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    for module in (page, card):
        render = module.render
        monkeypatch.setattr(module, "render", lambda *given, render=render: render(*(renamed(one) for one in given)))
    run(done, "report", drawn=True)
    html, markdown = ((done.reports / name).read_text() for name in ("report.html", "MODEL_CARD.md"))
    assert "<script>alert" not in html
    assert "&lt;script&gt;alert" in html
    assert 'alt="real images of class 3&#34;&gt;' in html
    for line in markdown.splitlines():
        assert not line.startswith("# head")
    evil = [line for line in markdown.splitlines() if "alert" in line]
    assert any(line.startswith("# Model card: generator of 3") for line in evil)
    assert any(line.startswith("- Licence of the images: 3") for line in evil)
    for line in evil:
        assert not re.search("<[a-z/]", line)
        assert "&amp;lt;" in line
        for active in ("[x]", "![z]", "|`"):
            assert active not in line.replace("\\" + active[0], "")
