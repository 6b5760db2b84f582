"""Every project of the repository has the dvc.yaml that the template gives for its settings."""

import contextlib
import functools
import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import photos
import pytest
from dvc.utils.serialize import parse_yaml
from expect import refused
from ruamel.yaml import YAML
from test_cli import ganaug

from ganaug import config
from ganaug.data.prepared import Prepared
from ganaug.errors import UserError
from ganaug.stages import watched
from ganaug.stages.fidelity import fidelity_key
from ganaug.stages.gate import measured_settings
from ganaug.stages.project import Project, prepared_with
from ganaug.stages.runs import runs_of
from ganaug.stages.split import SplitOf
from ganaug.start.dvc import dvc_yaml
from ganaug.yaml_text import parse

REPOSITORY = Path(__file__).parents[1]
PROJECTS = [REPOSITORY, *sorted(path.parent for path in REPOSITORY.glob("examples/*/params.yaml"))]


@pytest.mark.parametrize("folder", PROJECTS, ids=lambda folder: folder.name)
def test_dvc_yaml_is_what_the_template_gives(folder: Path) -> None:
    """If this fails: ganaug sync . examples/*"""
    assert (folder / "dvc.yaml").read_text() == dvc_yaml(
        config.load(folder / "params.yaml"), config.read(folder / "params.yaml")
    )


@pytest.mark.parametrize("folder", PROJECTS, ids=lambda folder: folder.name)
def test_dvc_watches_what_the_stages_read(folder: Path) -> None:
    params = folder / "params.yaml"
    watched.check(config.load(params), config.read(params), folder / "dvc.yaml")


def outs(pipeline: str) -> list[Any]:
    stages = parse_yaml(pipeline, "dvc.yaml")["stages"].values()
    return [out for stage in stages for kind in ("outs", "metrics") for out in stage.get(kind, [])]


def test_dvc_removes_no_result_before_there_is_a_new_one() -> None:
    made = outs(dvc_yaml(config.Settings()))
    assert len(made) == 10
    assert all(flags["persist"] is True for out in made for flags in out.values())


@pytest.mark.filterwarnings("ignore")  # of DVC's own
def test_results_survive_a_stage_that_fails(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As DVC itself has it."""
    from dvc.exceptions import ReproductionError
    from dvc.repo import Repo

    monkeypatch.chdir(tmp_path)
    pipeline = dvc_yaml(config.Settings(), {})
    report = {"cmd": "false", **{key: parse_yaml(pipeline, "")["stages"]["report"][key] for key in ("outs", "metrics")}}
    (tmp_path / "dvc.yaml").write_text(json.dumps({"stages": {"report": report}}))
    (tmp_path / "reports" / "plots").mkdir(parents=True)
    kept = [tmp_path / "reports" / name for name in ("summary.json", "metrics.json", "report.html", "plots/arms.csv")]
    for path in kept:
        path.write_text("old")
    with pytest.raises(ReproductionError):
        Repo.init(no_scm=True).reproduce()
    assert [path.read_text() for path in kept] == ["old"] * 4


# ------------------------------------------------------------------------------- what is read is what DVC watches

DIGITS = {"data": {"source": {"kind": "digits"}}}
SECTIONS = [section for section in config.plain(config.Settings()) if section not in config.WHERE]


def in_project(folder: Path, raw: dict[str, Any], pipeline: str) -> Path:
    (folder / "params.yaml").write_text(json.dumps(raw))
    (folder / "dvc.yaml").write_text(pipeline)
    return folder


@pytest.mark.parametrize("section", SECTIONS)
def test_a_section_that_dvc_asks_for_must_be_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, section: str
) -> None:
    raw = {**config.plain(config.Settings()), **DIGITS}
    monkeypatch.chdir(in_project(tmp_path, raw, dvc_yaml(config.check(raw), raw)))
    Project.here()
    del raw[section]
    (tmp_path / "params.yaml").write_text(json.dumps(raw))
    part = "data.source is required" if section == "data" else f"must have the section {section}, which stage "
    with refused("params.yaml: ", part) as _:
        Project.here()


def test_what_to_write_for_a_missing_section_is_what_makes_it_right(tmp_path: Path) -> None:
    pipeline = in_project(tmp_path, {}, dvc_yaml(config.Settings(), {key: {} for key in SECTIONS})) / "dvc.yaml"
    raw: dict[str, Any] = {}
    for _ in SECTIONS:
        with pytest.raises(UserError) as caught:
            watched.check(config.Settings(), raw, pipeline)
        key, value = str(caught.value).split("; add ")[1].split(" for its")[0].split(": ", 1)
        raw |= parse(f"{key}: {value}", "")
    watched.check(config.Settings(), raw, pipeline)
    assert config.check({**raw, **DIGITS}) == config.Settings()


def test_a_pipeline_written_again_asks_for_what_is_there_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(in_project(tmp_path, DIGITS, dvc_yaml(config.Settings())))
    with refused("dvc.yaml lists", "ganaug sync"):
        Project.here()
    assert ganaug(tmp_path, "sync").returncode == 0
    assert Project.here().settings == config.Settings()
    stages = parse_yaml(Path("dvc.yaml").read_text(), "dvc.yaml")["stages"]
    assert [stage.get("params") for stage in stages.values()] == [["data"], None, None, None, [{"params.yaml": None}]]


def test_a_section_that_dvc_does_not_watch_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(in_project(tmp_path, {**DIGITS, "gan": {"steps": 3}}, dvc_yaml(config.Settings(), DIGITS)))
    with refused("dvc.yaml: stage train must list gan of params.yaml", "ganaug sync"):
        Project.here()


# Under which settings a stage reads more than usual, and what of the classifier the GAN's training then reads.
READERS: dict[str, tuple[dict[str, Any], set[str]]] = {
    "usual": ({}, set()),
    "teachers": ({"gan": {"unlabelled": True}}, {"classifier", "classify.classical", "classify.pseudo"}),
    "judged checkpoints": ({"gan": {"select": "gan-train", "held_out": 0.4}}, {"classifier"}),
    "filter by classifiers": ({"synth": {"filters": [{"kind": "agreement"}]}}, {"classifier"}),
    "filter of copies": ({"synth": {"drop_copies": True}}, set()),
    "arms of unlabelled images": ({"classify": {"arms": ["none", "gan", "pseudo"]}}, set()),
    "without fidelity": ({"fidelity": {"enabled": False}}, set()),
    "topped up": ({"synth": {"balance": "fill"}}, set()),
    "translator": (
        {
            "data": {"source": {"kind": "folder", "path": "photos", "conditions": "above"}},
            "gan": {"preset": "translate", "translate": {}},
            "classify": {"arms": ["none", "classical", "translate+masked", "unadversarial"], "curve": []},
        },
        {"classifier", "classify.classical"},
    ),
}


@pytest.fixture(scope="module")
def prepared(tmp_path_factory: pytest.TempPathFactory) -> Prepared:
    """Uneven classes, and images without labels."""
    root = tmp_path_factory.mktemp("prepared")
    photos.photos(root / "photos", "a", "b", count=8, size=4)
    photos.photos(root / "photos", "c", count=6, size=4)
    for number in range(3):
        photos.save(root / "more" / f"{number}.png", photos.noise(4, 4, seed=1000 + number))
    return photos.prepare(root, {"kind": "folder", "path": str(root / "photos")}, unlabelled=str(root / "more"))[0]


def read_settings(more: dict[str, Any]) -> dict[str, Any]:
    """Settings that suit ``prepared``, every key there."""
    raw: dict[str, Any] = {
        "data": {"source": {"kind": "folder", "path": "photos"}, "unlabelled": "more", "licence": "mine"},
        "protocol": {"kind": "cv", "folds": 2, "repeats": 1},
        "gan": {"unlabelled": False},
    }
    raw = {key: {**raw.get(key, {}), **more.get(key, {})} for key in {**raw, **more}}
    whole: dict[str, Any] = config.plain(config.check(raw))
    return whole


def changed(raw: Any, root: Any, *path: str) -> Iterator[tuple[tuple[str, ...], dict[str, Any]]]:
    """(key, settings in which its value is another one that is allowed), for each key; a list is one value."""
    for key, value in raw.items():
        here = (*path, key)
        if isinstance(value, dict) and value:
            yield from changed(value, root, *here)
        for other in (not value, *VALUES):
            edited = json.loads(json.dumps(root))
            group = functools.reduce(dict.__getitem__, path, edited)
            if type(other) is type(value) is not bool and other == value:
                continue
            if key == "kind":  # the others are of this one
                group.clear()
            group[key] = other
            with contextlib.suppress(UserError):
                if config.check(edited) != config.check(root):
                    yield here, edited
                    break


VALUES: tuple[Any, ...] = (
    1, 3, 0.3, 0.45, [], [1.25], ["none", "gan"], [{"kind": "copies"}], [{"gain": "gan_vs_none", "above": 0.5}], None,
    [{"gain": "classical_vs_none", "above": 0.5}],
    "other", "equal", "fill", "linear", "gan-train", "trivial-augment", "rand-augment", "resnet18", "rmsprop",
    "float32", "gray", "crop", "white", "skip", "hinge", "mlp", "codes", "concat", "none", "holdout", "accuracy", "cpu",
    "tuning",
)  # fmt: skip


def keys_of(settings: config.Settings, prepared: Prepared) -> dict[str, list[Any]]:
    """{stage: what its work depends on}, given what the images were prepared to."""
    project = Project(Path("nowhere"), settings)
    if prepared_with(project) != prepared.made_with:  # and so other images for all stages
        return {stage: [prepared_with(project)] for stage in OUTS}
    splits = [SplitOf(project, name, prepared) for name in ("0", "release")]
    trial = splits[0]
    fidelity = fidelity_key(trial) if settings.fidelity.enabled else None
    return {
        "prepare": [prepared_with(project)],
        "train": [(split.labels_key, split.train_key, split.filters_key) for split in splits],
        "synth": [split.synth_key for split in splits],
        "classify": [fidelity, *((run.name, run.key) for run in runs_of(trial))],
        "report": [measured_settings(project), config.plain(settings.gate)],
    }


@pytest.mark.parametrize("name", READERS)
def test_every_change_of_a_setting_runs_the_stages_that_read_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, prepared: Prepared
) -> None:
    """And a change of what concerns the classifier alone runs no training that does not read it."""
    monkeypatch.chdir(tmp_path)
    Path("other").write_text("")  # for gan.init_from
    more, classifiers = READERS[name]
    raw = read_settings(more)
    settings = config.check(raw)
    prepared = replace(prepared, made_with=prepared_with(Project(Path("nowhere"), settings)))
    if settings.gan.translate:
        conditions = (np.arange(len(prepared.labels)) % 3 == 0).astype(np.int64)
        prepared = replace(prepared, conditions=conditions, condition_names=["old", "new"])
    stages = parse_yaml(dvc_yaml(settings, raw), "dvc.yaml")["stages"]
    before, walked = keys_of(settings, prepared), set()
    for path, edited in changed(raw, raw):
        key = ".".join(path)
        now, runs = keys_of(config.check(edited), prepared), set()
        walked.add(key)
        for stage, pipeline in stages.items():
            outs = [out for other in runs if now[other] != before[other] for out in OUTS[other]]
            listed = any(f"{key}.".startswith(f"{one}.") for one in pipeline["params"])
            if listed or any(out in pipeline.get("deps", []) for out in outs):
                runs.add(stage)
            assert now[stage] == before[stage] or stage in runs, f"DVC does not see that {key} changes {stage}"
        if path[0] in ("classifier", "classify"):
            reads = any(f"{key}.".startswith(f"{one}.") for one in classifiers)
            assert ("train" in runs) == reads, key
            assert reads or "synth" not in runs, key
        if key in ("data.licence", "gan.save_seconds", *config.WHERE, "gate", "report.confidence"):
            assert runs <= {"report"}, key
    assert len(walked) > 80
    of_gan = "gan.translate.cycle" if settings.gan.translate else "synth.drop_copies"
    assert {"classifier.steps", "classify.classical.kind", of_gan, "gan.augment.shift", "gate"} <= walked


OUTS = {
    "prepare": ["data/prepared"],
    "train": ["models"],
    "synth": ["data/synth"],
    "classify": ["reports/trials", "reports/fidelity"],
    "report": [],
}


@pytest.mark.parametrize("name", [name for name, (_, reads) in READERS.items() if reads])
def test_settings_that_make_a_stage_read_more_are_refused_until_dvc_watches_that(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    usual, more = read_settings({}), read_settings(READERS[name][0])
    monkeypatch.chdir(in_project(tmp_path, usual, dvc_yaml(config.check(usual), usual)))
    Project.here()
    Path("params.yaml").write_text(json.dumps(more))
    with refused(
        "dvc.yaml: stage train must list classifier", "since it reads it with these settings", "written again"
    ):
        Project.here()
    Path("dvc.yaml").write_text(dvc_yaml(config.check(more), more))
    Project.here()
    if name != "translator":  # without one there is no gan.translate to watch
        Path("params.yaml").write_text(json.dumps(usual))  # a stage that reads less than DVC watches is run too often
        Project.here()


def test_files_that_a_stage_reads_must_be_dependencies(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    raw = read_settings({})
    monkeypatch.chdir(in_project(tmp_path, raw, dvc_yaml(config.check(raw), raw)))
    Path("mine.py").write_text("")
    for more, stage, file in (
        ({"gan": {**raw["gan"], "init_from": "start.safetensors"}}, "train", "start.safetensors"),
        ({"classifier": {**raw["classifier"], "model": "mine:factory"}}, "classify", "mine.py"),
    ):
        now = {**raw, **more}
        Path("params.yaml").write_text(json.dumps(now))
        with refused(f"dvc.yaml: must list every place that stage {stage} reads among its deps, but lacks {file}"):
            Project.here()
        Path("dvc.yaml").write_text(dvc_yaml(config.check(now), now))
        Project.here()


@pytest.mark.parametrize(
    "pipeline",
    [
        "",
        "5",
        "stages: [a]",
        "stages: {report: 3}",
        "stages: {report: {cmd: ls, params: 3}}",
        "stages: {train: {cmd: python train.py, params: [lr, {other.yaml: [gate]}]}}",
        "stages: {report: {cmd: ganaug report, params: [{params.yaml: }, gan, {other.yaml: [gate]}]}}",
        "stages: {report: {cmd: ls, params: [{params.yaml: [3]}, {params.yaml: 4}, null, [gan]]}}",
        "stages: {synth: {cmd: [ganaug synth --all], params: [{params.yaml: null}]}}",
    ],
)
def test_a_pipeline_of_another_shape_is_left_to_dvc(tmp_path: Path, pipeline: str) -> None:
    raw = {"data": {}, "gan": {}, "gate": []}
    watched.check(config.Settings(), raw, in_project(tmp_path, raw, pipeline) / "dvc.yaml")


def test_a_pipeline_that_is_no_yaml_is_one_line(tmp_path: Path) -> None:
    with refused("dvc.yaml: must be YAML"):
        watched.check(config.Settings(), {}, in_project(tmp_path, {}, "stages: [") / "dvc.yaml")


def test_a_source_at_a_path_is_a_dependency_of_prepare() -> None:
    source = {"kind": "idx", "path": "raw/fashion"}
    pipeline = YAML(typ="safe", pure=True).load(dvc_yaml(config.check({"data": {"source": source}})))
    assert pipeline["stages"]["prepare"]["deps"] == ["raw/fashion"]


@pytest.mark.parametrize(
    ("path", "written"),
    [
        ("/usr/share/data", "/usr/share/data"),
        ("../photos-2/a_b.c", "../photos-2/a_b.c"),
        ("photos", '"photos"'),
        ("yes", '"yes"'),
        ("../my photos", '"../my photos"'),
        ('../"q" é', '"../\\"q\\" é"'),
        ("../${x}", '"../\\\\${x}"'),
    ],
)
def test_a_path_is_quoted_where_yaml_or_dvc_would_take_it_for_something_else(path: str, written: str) -> None:
    made = dvc_yaml(config.check({"data": {"source": {"kind": "idx", "path": path}}}))
    assert f"    deps:\n      - {written}\n    params:" in made
    assert parse_yaml(made, "dvc.yaml")["stages"]["prepare"]["deps"] == [path.replace("${", "\\${")]


def test_a_classifier_of_ones_own_is_a_dependency_of_classify(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "yes.py").write_text("")
    made = dvc_yaml(config.check({"classifier": {"model": "yes:factory"}}))
    deps = parse_yaml(made, "dvc.yaml")["stages"]["classify"]["deps"]
    assert deps == ["data/prepared", "data/synth", "yes.py"]


def test_a_project_that_cannot_be_written_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "params.yaml").write_text("gan: {steps: 0}")
    for folder, part in ((tmp_path, "gan.steps"), (tmp_path / "none", "must be a project's folder")):
        done = ganaug(tmp_path, "sync", str(folder))
        assert (done.returncode, len(done.stderr.splitlines())) == (2, 1)
        assert part in done.stderr


def test_sync_writes_every_project_again(tmp_path: Path) -> None:
    for name in ("a", "b c"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "params.yaml").write_text("data: {source: {kind: idx, path: ../raw}}\n")
    assert ganaug(tmp_path, "sync", "a", "b c").returncode == 0
    for name in ("a", "b c"):
        assert "- ../raw\n" in (tmp_path / name / "dvc.yaml").read_text()
