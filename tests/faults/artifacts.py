"""Readers of what ganaug itself wrote: every file of a finished project, damaged or gone."""

import csv
import os
import random
import shutil
from pathlib import Path
from typing import ClassVar
from xml.etree import ElementTree

from stages import undrawn

from ganaug import config
from ganaug.data.labelled import check_names
from ganaug.errors import UserError
from ganaug.report import plots
from ganaug.stages import classify, gate, report, synth, train
from ganaug.stages.project import Project
from ganaug.stages.runs import runs_of
from ganaug.stages.split import open_splits
from ganaug.synth.export import export
from ganaug.synth.folder_names import folder_name

from .mutations import changed_file, damaged
from .reader import Reader, Wrong


class ProjectFile(Reader):
    """One file of a project, of those that ``files`` match; all others are whole."""

    files: ClassVar[tuple[str, ...]]

    def __init__(self, home: Path, base: Path) -> None:
        super().__init__(home, base)
        self.root = home / "project"
        shutil.copytree(base, self.root)
        found = sorted({path for pattern in self.files for path in self.root.glob(pattern) if path.is_file()})
        self.whole_files = {path.relative_to(self.root).as_posix(): path.read_bytes() for path in found}

    def whole(self) -> tuple[str, bytes | None]:
        return next(iter(self.whole_files.items()))

    def make(self, rng: random.Random) -> tuple[str, bytes | None]:
        """(file, content; None: a folder of its name)."""
        name = rng.choice(list(self.whole_files))
        if rng.random() < 0.05:
            return name, None
        return name, b"" if rng.random() < 0.02 else changed_file(rng, name, self.whole_files[name])

    def read(self, made: tuple[str, bytes | None]) -> None:
        name, data = made
        os.chdir(self.root)
        path = Path(name)
        try:
            path.unlink()
            if data is None:
                path.mkdir()
            else:
                path.write_bytes(data)
            self.use(Project(Path(), config.load(Path("params.yaml"))))
        finally:
            os.chdir(self.root)
            if path.is_dir():
                shutil.rmtree(path)
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(self.whole_files[name])

    def use(self, project: Project) -> None:
        """Run the commands that read the files."""
        raise NotImplementedError


class GateFiles(ProjectFile):
    """``ganaug verdict`` and ``ganaug gate``: the summary."""

    name = "gate"
    files = ("reports/summary.json",)

    def use(self, project: Project) -> None:
        gate.show_verdict(project)
        gate.gate(project, markdown=True)


class BaselineFile(ProjectFile):
    """``ganaug gate --baseline``: the summary of an earlier run."""

    name = "baseline"
    files = ("baseline.json",)

    def __init__(self, home: Path, base: Path) -> None:
        super().__init__(home, base)
        self.whole_files["baseline.json"] = (self.root / "reports/summary.json").read_bytes()
        (self.root / "baseline.json").write_bytes(self.whole_files["baseline.json"])

    def use(self, project: Project) -> None:
        gate.gate(project, markdown=False, baseline=Path("baseline.json"))


class ReportFiles(ProjectFile):
    """``ganaug report``: what all stages left."""

    name = "report"
    files = (
        "reports/trials/*.json", "reports/trials/*.csv", "reports/fidelity/*.json", "reports/fidelity/*.csv",
        "models/*/history.csv", "models/*/health.json", "models/*/*.png", "data/synth/*/*",
    )  # fmt: skip

    def use(self, project: Project) -> None:
        with undrawn():
            report.report(project)


class PreparedFiles(ProjectFile):
    """What ``prepare`` wrote, as all later stages begin."""

    name = "prepared"
    files = ("data/prepared/*", "data/prepared/splits/*")

    def use(self, project: Project) -> None:
        for split in open_splits(project):
            split.prepared.part(split.rows.train)
            split.prepared.part(split.rows.test)
            split.prepared.part(split.rows.spare)
            _ = split.train_key, split.synth_key
            if split.name in project.settings.protocol.trial_names():
                for run in runs_of(split):
                    _ = run.key


class FinishedWork(ProjectFile):
    """``.ganaug``: work of an earlier run that stages take instead of computing it again."""

    name = "work"
    slow = 10  # what is damaged is made again
    files = (".ganaug/classify/*/*", ".ganaug/fidelity/*/*", ".ganaug/train/*/*", ".ganaug/synth/*/*")

    def use(self, project: Project) -> None:
        train.train(project, None)
        synth.synth_all(project, None)
        classify.classify(project, None)


_ROWS = [
    "../victim.txt,0,0,0,1.0", ".,0,0,0,1", "..,0,0,0,1", "/etc/hosts,0,0,0,1", "0/../../victim.txt,0,0,0,1", "", "0",
    "\0,0,0,0,1", '"a\nb",0,0,0,1', ",,,,", "x" * 5000 + ",0,0,0,1", "0/000000.png,0,0,0,1,7,8,9", "0,0,0,0,1",
    "link/victim.txt,0,0,0,1.0",
]  # fmt: skip


def contents(folder: Path) -> dict[str, bytes]:
    """Every file below ``folder``."""
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


class Manifest(Reader):
    """``ganaug synth`` into a folder of an earlier call whose manifest lies: nothing but that call's images may go."""

    name = "manifest"
    _header = "file,class,seed,index,accepted"

    def whole(self) -> tuple[bytes, bool]:
        return f"{self._header}\n0/000000.png,0,0,0,1.0\n".encode(), True

    def make(self, rng: random.Random) -> tuple[bytes, bool]:
        rows = [self._header, "0/000000.png,0,0,0,1.0", *rng.choices(_ROWS, k=rng.randint(0, 4))]
        data = "\n".join(rows).encode()
        return damaged(rng, data) if rng.random() < 0.4 else data, rng.random() < 0.7

    def read(self, made: tuple[bytes, bool]) -> None:
        data, overwrite = made
        out, victim = Path("out"), Path("victim.txt")
        (out / "0").mkdir(parents=True)
        (out / "0" / "000000.png").write_bytes(b"x")
        (out / "manifest.csv").write_bytes(data)
        victim.write_text("keep me")
        if b"link" in data:
            (out / "link").symlink_to(Path.cwd())
        model, before = self.base / "models/release/generator.safetensors", contents(out)
        try:
            export(model, out, ["0"], 1, "equal", 0, "png", overwrite)
        except UserError:
            if contents(out) != before:
                raise Wrong("a refused call changed the folder") from None
            raise
        finally:
            if not victim.is_file():
                raise Wrong("a file outside the folder was removed")
        if not overwrite:
            raise Wrong("images were replaced unasked")
        with (out / "manifest.csv").open(newline="") as file:
            listed = {row["file"] for row in csv.DictReader(file)}
        if listed != {path.relative_to(out).as_posix() for path in out.rglob("*.png")}:
            raise Wrong("the folder holds other images than its manifest lists")


_NAMES = [
    "<script>alert(1)</script>", '"><img onerror=alert(1) src=x>', "{{7*7}}", "{% raw %}", "x" * 100, "é" * 100,
    "日" * 100, "a\nb", "a\rb", "\u2028", "$x^$", "$\\frac$", "%n", "..", ".", " ", "a ", "a.", "CON", "nul", "-rf",
    "--class", "~", "*", "a|b", "a`b`c", "| x |", "# h", "[x](javascript:alert(1))", "\u202egnp", "e\u0301", "é", "A",
    "a", "\U0001f600", "a\tb", "\x7f", "a=5", "5", "05", "manifest.csv", "&amp;", "]]>", "--></svg>", "'", '"', "\\",
    "%2F", "a/b", "../x", "0" * 99, "½", "\uff11",
]  # fmt: skip
_LETTERS = [range(32, 127), range(160, 0x2FFF), range(0x1F300, 0x1F600)]


class ClassNames(Reader):
    """Names of classes: as folders of ``ganaug synth`` and in a plot."""

    name = "names"

    def whole(self) -> list[str]:
        return ["cat", "dog"]

    def make(self, rng: random.Random) -> list[str]:
        def name() -> str:
            letters = [chr(rng.choice(rng.choice(_LETTERS))) for _ in range(rng.randint(1, 100))]
            return rng.choice(_NAMES) if rng.random() < 0.7 else "".join(letters)

        return [name() for _ in range(rng.randint(2, 4))]

    def read(self, made: list[str]) -> None:
        names = list(dict.fromkeys(made))
        check_names(names, "names")
        folders = [folder_name(name) for name in names]
        if len({name.casefold() for name in folders}) < len(names):
            raise Wrong(f"two classes have one folder: {folders}")
        for folder in folders:
            Path(folder).mkdir()
            if Path(folder).resolve().parent != Path.cwd():
                raise Wrong(f"a class's folder lies elsewhere: {folder!r}")
        figure = {"mean": 50.0, "ci_low": 40.0, "ci_high": 60.0}
        svg = plots.recall(names, {"none": [figure] * len(names)}, None)
        ElementTree.fromstring(svg)
        if "<script" in svg or "<img" in svg:
            raise Wrong("a class's name is markup in the plot")
