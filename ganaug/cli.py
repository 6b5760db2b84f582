"""The command line: one thin function per command. Heavy imports wait until a command runs."""

import io
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any, NoReturn

import typer
from typer.core import TyperGroup

from ganaug.synth.formats import FORMATS

GROUPS = {  # as the help lists them
    "Start": ("init", "check", "doctor", "sync"),
    "Run": ("run", "status"),
    "Results": ("verdict", "open", "synth", "translate", "edit", "export", "gate"),
    "Stages, as dvc.yaml calls them": ("prepare", "train", "classify", "report"),
    "Help": ("explain", "presets", "schema"),
}
_OUT_OF_TIME = 4  # the exit code of a run that stopped when its minutes were over


class _Grouped(TyperGroup):
    """Lists its commands in groups, without importing rich. Each command takes the program's --quiet and --verbose."""

    def list_commands(self, ctx: Any) -> list[str]:
        return [name for names in GROUPS.values() for name in names]

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        command = super().get_command(ctx, cmd_name)
        if command and not any(one.name == "quiet" for one in command.params):
            command.params += [one for one in self.params if one.name in ("quiet", "verbose")]
        return command

    def format_commands(self, ctx: Any, formatter: Any) -> None:
        width = max(map(len, self.commands))
        for group, names in GROUPS.items():
            with formatter.section(group):
                helps = [self.commands[name].get_short_help_str(formatter.width - width - 6) for name in names]
                formatter.write_dl([(f"{name:{width}}", text) for name, text in zip(names, helps, strict=True)])


app = typer.Typer(
    name="ganaug",
    cls=_Grouped,
    no_args_is_help=True,
    context_settings={"help_option_names": ["-h", "--help"]},
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)


def _one_of(*words: str) -> Callable[[str], list[str]]:
    return lambda incomplete: [word for word in words if word.startswith(incomplete)]


def _names_in(file: str) -> Callable[[str], list[str]]:
    """The names in a ``file`` of the prepared images that begin so, for the shell to complete."""

    def complete(incomplete: str) -> list[str]:
        import json

        try:
            names = json.loads((Path("data/prepared") / file).read_text(encoding="utf-8"))
            return [name for name in names if name.startswith(incomplete)]
        except (OSError, ValueError, AttributeError, TypeError):
            return []

    return complete


Json = Annotated[bool, typer.Option("--json", help="For programs.")]
Split = Annotated[str | None, typer.Option("--split", help="Only this split: a trial's number, or release.")]
Nested = Annotated[
    bool, typer.Option("--nested", help="The first level of folders is the class, though images lie deeper.")
]
FileColumn = Annotated[str, typer.Option("--file", help="The table's column of files.")]
LabelColumn = Annotated[str, typer.Option("--label", help="The table's column of class names.")]
GroupColumn = Annotated[str, typer.Option("--group", help='The table\'s column of groups, such as patients; "": none.')]
Conditions = Annotated[
    str | None,
    typer.Option(
        "--conditions",
        help="Folders of conditions lie above (photos/new/bolt) or below (photos/bolt/new) those of classes.",
        autocompletion=_one_of("above", "below"),
    ),
]


@app.command()
def init(
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="The project's folder; made if it is not there.")],
    images: Annotated[
        Path | None,
        typer.Option("--images", help="A folder (one folder per class), a CSV or Parquet table, or an NPZ."),
    ] = None,
    dataset: Annotated[
        str | None, typer.Option("--dataset", help="A worked example: digits, conditions or fashion-mnist.")
    ] = None,
    minutes: Annotated[float, typer.Option("--minutes", help="How long a run may take on this machine.")] = 20,
    nested: Nested = False,
    file: Annotated[str, typer.Option("--file", help="The table's column of files.")] = "file",
    label: Annotated[str, typer.Option("--label", help="The table's column of class names.")] = "label",
    split: Annotated[
        str, typer.Option("--split", help='The table\'s column of train, val or test; "": none.')
    ] = "split",
    group: Annotated[
        str, typer.Option("--group", help='The table\'s column of groups, such as patients; "": none.')
    ] = "group",
    condition: Annotated[
        str | None, typer.Option("--condition", help="The table's column of conditions, such as cameras.")
    ] = None,
    conditions: Conditions = None,
    unlabelled: Annotated[
        Path | None, typer.Option("--unlabelled", help="A folder of images without labels, to learn from too.")
    ] = None,
    largest_mib: Annotated[
        int, typer.Option("--largest-mib", min=1, help="Memory that reading one file may take, in MiB.")
    ] = 2048,
) -> None:
    """Make a project of your images, with settings that suit them.

    Looks at the images, chooses settings with a reason for each, writes params.yaml and dvc.yaml.

    Example: ganaug init lesions --images photos/
    """
    from ganaug.start import init as command

    columns = {"file": file, "label": label, "split": split or None, "group": group or None, "condition": condition}
    command.init(folder, images, dataset, nested, columns, minutes, largest_mib, conditions, unlabelled)


@app.command()
def check(
    photos: Annotated[
        Path, typer.Argument(metavar="PHOTOS", help="A folder (of classes or not), a CSV or Parquet table, or an NPZ.")
    ],
    against: Annotated[
        Path | None,
        typer.Option("--against", help="A project that knows what is usual; left out: the photos themselves."),
    ] = None,
    allow: Annotated[
        float | None,
        typer.Option("--allow", help="Exit code 1 where a larger share of the photos is odd: 0 to 1."),
    ] = None,
    out: Annotated[Path, typer.Option("--out", help="The folder for the page and the table.")] = Path("check"),
    nested: Nested = False,
    conditions: Conditions = None,
) -> None:
    """Find images unlike the others, and labels that look wrong.

    By classifiers that did not learn the image: of the photos, or of a project's images. Writes a page and a table, the
    surest first. Exit code 1: more is odd than --allow. Labels need pip install "ganaug[check]".

    Example: ganaug check incoming/ --against . --allow 0.05
    """
    from ganaug.check import command

    reads = {"nested": nested, "columns": {}, "conditions": conditions}
    raise typer.Exit(int(not command.check(photos, against, allow, out, reads)))


@app.command()
def doctor(
    as_json: Json = False,
    time: Annotated[bool, typer.Option("--time", help="Time some steps: how long does a run take here?")] = False,
) -> None:
    """Say what is missing here for a run, and what is slow and why.

    Device, versions, cores, memory, disk, what a run needs, DVC, git, permissions. Exit code 1: something fails.

    Example: ganaug doctor
    """
    from ganaug.start import doctor as command

    found = command.examine(Path(), time)
    print(command.as_json(found) if as_json else "\n".join(map(str, found)), end="" if as_json else "\n")
    raise typer.Exit(int(any(one.status == "fail" for one in found)))


@app.command()
def sync(
    folders: Annotated[list[Path] | None, typer.Argument(metavar="[DIR]...", help="Projects; left out: here.")] = None,
) -> None:
    """Write dvc.yaml again from params.yaml.

    Needed after a change of what a stage reads, such as data.source; every command that needs it says so.

    Example: ganaug sync
    """
    from ganaug.start.sync import sync as command

    for folder in folders or [Path()]:
        print(command(folder))


@app.command()
def run(
    minutes: Annotated[
        float | None,
        typer.Option("--minutes", help="Stop after so long with exit code 4; called again, it goes on from there."),
    ] = None,
    cluster: Annotated[
        str | None,
        typer.Option("--cluster", help="The scheduler of a Dask cluster that does the work, as tcp://host:8786."),
    ] = None,
) -> None:
    """Run all stages, without DVC, and show the verdict.

    What an earlier run finished is not done again, and a training that was stopped goes on where it was.
    Exit code 0: finished; 4: stopped when its --minutes were over.

    Example: ganaug run --minutes 5
    """
    from ganaug.errors import UserError
    from ganaug.stages import gate as results
    from ganaug.stages import pipeline
    from ganaug.stages import status as command
    from ganaug.stages.project import Project

    if minutes is not None and not 0 < minutes < 1e6:
        raise UserError(f"--minutes: must be above 0 and below 1,000,000, got {minutes:g}; say how long it may run")
    project = Project.here(cluster)
    if minutes is None:
        pipeline.run(project)
    elif (code := pipeline.run_for(minutes, *([] if cluster is None else [f"--cluster={cluster}"]))) is not None:
        raise typer.Exit(code)
    elif not (found := command.status(project)).is_done:
        print(f"{found}\nstopped after {minutes:g} minutes; run it again to go on")
        raise typer.Exit(_OUT_OF_TIME)
    results.show_verdict(project)


@app.command()
def status(as_json: Json = False) -> None:
    """Show what is done, what would run, and how long that takes.

    Example: ganaug status
    """
    from ganaug.stages import status as command
    from ganaug.stages.project import Project

    found = command.status(Project.here())
    print(found.as_json() if as_json else found, end="" if as_json else "\n")


@app.command()
def prepare() -> None:
    """Read the images and deal the splits into data/prepared/.

    Example: ganaug prepare
    """
    from ganaug.log import log
    from ganaug.stages import prepare as stage
    from ganaug.stages.project import Project

    log.info(stage.prepare(Project.here()))


@app.command()
def train(split: Split = None) -> None:
    """Train a generator for every split, into models/.

    Finished splits are not trained again; one that was stopped goes on where it was.

    Example: ganaug train --split release
    """
    from ganaug.stages import together
    from ganaug.stages.project import Project

    together.train(Project.here(), split)


@app.command()
def synth(
    all_splits: Annotated[bool, typer.Option("--all", help="Every split, into data/synth/, for the arms.")] = False,
    split: Split = None,
    classes: Annotated[
        list[str] | None,
        typer.Option(
            "--class",
            help="A class name or index, or NAME=N; repeatable. Left out: every class.",
            autocompletion=_names_in("classes.json"),
        ),
    ] = None,
    condition: Annotated[
        str | None,
        typer.Option(
            "--condition",
            help="What a translator moves the project's images of the class to.",
            autocompletion=_names_in("conditions.json"),
        ),
    ] = None,
    n: Annotated[int, typer.Option("--n", "-n", help="Images of each class.")] = 100,
    balance: Annotated[
        str,
        typer.Option(
            "--balance",
            help="equal; none: in the train part's proportions; fill: up to its largest class.",
            autocompletion=_one_of("equal", "none", "fill"),
        ),
    ] = "equal",
    out: Annotated[Path, typer.Option("--out", help="The folder to write to.")] = Path("synthetic"),
    output_format: Annotated[
        str, typer.Option("--format", help=f"{', '.join(FORMATS)}.", autocompletion=_one_of(*FORMATS))
    ] = "png",
    shard_size: Annotated[
        int | None,
        typer.Option("--shard-size", help="Images per file of parquet and webdataset.", show_default="10,000"),
    ] = None,
    model: Annotated[Path, typer.Option("--model", help="The generator file.")] = Path(
        "models/release/generator.safetensors"
    ),
    seed: Annotated[int, typer.Option("--seed", help="Seed of the latents.")] = 0,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace the images that these classes have.")] = False,
) -> None:
    """Generate images of a class with the released generator.

    Image i is the same for any --n. Classes are added to those that the folder holds. A translator moves the project's
    images of the class to a condition.

    Example: ganaug synth --class 3 -n 5000, or: ganaug synth --class melanoma=300 --class nevus=50
    """
    if all_splits or split is not None:
        others = balance != "equal" or output_format != "png" or out != Path("synthetic") or shard_size is not None
        if classes or condition or overwrite or others:
            raise typer.BadParameter("--all and --split write data/synth/ for the arms; leave the other options out")
        from ganaug.stages import synth as stage
        from ganaug.stages.project import Project

        stage.synth_all(Project.here(), split)
    else:
        from ganaug.stages.cards import card_of
        from ganaug.synth.export import export

        print(
            export(
                *(model, out, classes, n, balance, seed, output_format, overwrite, condition, shard_size),
                card_of(model),
            )
        )


@app.command()
def translate(
    images: Annotated[list[Path], typer.Argument(metavar="IMAGES...", help="Pictures of any size and format.")],
    to: Annotated[
        str | None,
        typer.Option(
            "--to",
            help="The condition; left out: the only one that the translator knows.",
            autocompletion=_names_in("conditions.json"),
        ),
    ] = None,
    n: Annotated[int, typer.Option("--n", "-n", help="Translations of each picture.")] = 1,
    out: Annotated[Path, typer.Option("--out", help="The folder to write to: a new or an empty one.")] = Path(
        "translated"
    ),
    model: Annotated[Path, typer.Option("--model", help="The translator's file.")] = Path(
        "models/release/generator.safetensors"
    ),
    seed: Annotated[int, typer.Option("--seed", help="Seed of the noise.")] = 0,
) -> None:
    """Move pictures to another condition with the released translator.

    What is made of a picture does not depend on the others. manifest.csv says what was made of what.

    Example: ganaug translate photos/*.png --to night -n 8 --out night/
    """
    from ganaug.synth import translate as command

    print(command.translate(model, images, to, n, out, seed))


@app.command()
def edit(
    images: Annotated[list[Path], typer.Argument(metavar="IMAGES...", help="Pictures of any size and format.")],
    named: Annotated[
        str | None, typer.Option("--class", help="Theirs; left out: of each, the one that the generator draws best.")
    ] = None,
    to: Annotated[Path | None, typer.Option("--to", help="Another picture, to go to.")] = None,
    to_class: Annotated[str | None, typer.Option("--to-class", help="A class to go to, with the style kept.")] = None,
    toward: Annotated[
        tuple[Path, Path] | None,
        typer.Option("--toward", metavar="FROM TO", help="Folders of pictures without and with an attribute."),
    ] = None,
    direction: Annotated[
        int | None, typer.Option("--direction", help="Its number, 0 changes most; left out: the first ones.")
    ] = None,
    by: Annotated[str, typer.Option("--by", help="What finds directions: sefa or ganspace.")] = "sefa",
    strength: Annotated[float, typer.Option("--strength", help="In standard deviations of a latent.")] = 2.0,
    steps: Annotated[
        int | None, typer.Option("--steps", help="Of a way; both ends count.", show_default="8, along directions 5")
    ] = None,
    out: Annotated[Path, typer.Option("--out", help="The folder to write to: a new or an empty one.")] = Path("edited"),
    model: Annotated[Path, typer.Option("--model", help="The generator file.")] = Path(
        "models/release/generator.safetensors"
    ),
    seed: Annotated[int, typer.Option("--seed", help="Seed of the encoder.")] = 0,
) -> None:
    """Move pictures in the released generator's latent space.

    Between two pictures, along directions, to another class or toward an attribute. sheet.png shows all; manifest.csv
    says what was done.

    Example: ganaug edit photo.png --to other.png --steps 8
    """
    from ganaug.stages.edit import edit as command

    moves = {"to": to, "to_class": to_class, "toward": toward, "direction": direction}
    print(command(model, images, named, out, seed, {**moves, "by": by, "strength": strength, "steps": steps}))


@app.command()
def export(
    out: Annotated[Path, typer.Argument(metavar="[FILE]", help="The file to write: a new one.")] = Path(
        "generator.onnx"
    ),
    model: Annotated[Path, typer.Option("--model", help="The file of a generator or a translator.")] = Path(
        "models/release/generator.safetensors"
    ),
) -> None:
    """Write the released generator as an ONNX file.

    For programs without torch. The file says what its inputs and outputs are; beside it lies a card. Needs pip install
    "ganaug[onnx]".

    Example: ganaug export generator.onnx
    """
    from ganaug.stages.cards import card_of
    from ganaug.synth.onnx_file import export_onnx

    print(export_onnx(model, out, card_of(model)))


@app.command()
def classify(split: Split = None) -> None:
    """Train and test the classifier, each trial under each arm.

    Writes reports/trials/ and reports/fidelity/.

    Example: ganaug classify
    """
    from ganaug.stages import classify as stage
    from ganaug.stages.project import Project

    stage.classify(Project.here(), split)


@app.command()
def presets(as_json: Json = False) -> None:
    """List the GANs that params.yaml can name.

    As gan: {preset: wgan-gp}.

    Example: ganaug presets
    """
    from ganaug.gan.presets import PRESETS

    if as_json:
        import json

        print(json.dumps({name: vars(one) for name, one in PRESETS.items()}, indent=1, ensure_ascii=False))
        return
    width = max(map(len, PRESETS))
    for name, preset in PRESETS.items():
        print(f"{name:{width}}  {preset.line}\n{'':{width}}  ({preset.source})")
        if preset.needs is not None:
            seconds, images = preset.needs
            print(f"{'':{width}}  70 % within {seconds} s of one core, {images:,} images seen")
    print(
        "\n70 %: accuracy on real images of a classifier that learned a preset's images alone, on 100 digits per class "
        "of 8 pixels.\nLarger images take longer, fewer images teach less."
    )


@app.command()
def explain(
    key: Annotated[str, typer.Argument(metavar="[KEY]", help="As params.yaml nests them; left out: all groups.")] = "",
) -> None:
    """Say what a key of params.yaml does.

    Its range, its default, where it comes from, its value here. Of a group: the keys in it.

    Example: ganaug explain gan.augment.shift
    """
    from ganaug.start.explain import explain as command

    print(command(key, Path("params.yaml")))


@app.command()
def schema() -> None:
    """Print the JSON schema of params.yaml, for editors and programs.

    Example: ganaug schema > params.schema.json
    """
    from ganaug.start.schema import schema_text

    print(schema_text(), end="")


@app.command()
def report() -> None:
    """Put the trials together: summary, page, model card, plots.

    Writes reports/summary.json, report.html, MODEL_CARD.md and more.

    Example: ganaug report
    """
    from ganaug.stages import report as stage
    from ganaug.stages.project import Project

    print(stage.report(Project.here()))


@app.command()
def verdict(
    full: Annotated[bool, typer.Option("--full", help="With all arms and gains as tables.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="For programs.")] = False,
) -> None:
    """Show the answer of the last report.

    Use the GAN images or not, why, and what to do next.

    Example: ganaug verdict --full
    """
    from ganaug.stages import gate as stage
    from ganaug.stages.project import Project

    stage.show_verdict(Project.here(), full, as_json)


@app.command(name="open")
def open_page() -> None:
    """Open the page of the last report in a browser.

    Where there is no display, it says where the page is.

    Example: ganaug open
    """
    import webbrowser

    from ganaug.errors import UserError, one_line

    page = Path("reports/report.html").resolve()
    if not page.is_file():
        raise UserError(f'{page}: the page must exist, but is missing; run "ganaug run" (or "dvc repro") first')
    print(one_line(str(page)))
    if sys.platform != "linux" or os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY"):
        webbrowser.open(page.as_uri())


@app.command()
def gate(
    markdown: Annotated[bool, typer.Option("--markdown", help="A table for a comment on a pull request.")] = False,
    baseline: Annotated[
        Path | None,
        typer.Option("--baseline", help="An earlier summary.json: fail where a gain of the rules fell against it too."),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="For programs, with the verdict.")] = False,
) -> None:
    """Check the gains against the rules of params.yaml.

    Exit code 0: all pass; 1: one fails; 3: none fails, but not every one can be told yet.

    Example: ganaug gate --markdown --baseline main/summary.json
    """
    from ganaug.stages import gate as stage
    from ganaug.stages.project import Project

    status = stage.gate(Project.here(), markdown, baseline, as_json)
    raise typer.Exit({"pass": 0, "fail": 1, "cannot tell": 3}[status])


def _version(wanted: bool) -> None:
    if wanted:
        from ganaug import __version__

        print(__version__)
        raise typer.Exit


def _show_from(level: str) -> Callable[[bool], None]:
    def chosen(wanted: bool) -> None:
        if wanted:
            import logging

            from ganaug import log

            log.set_level(logging.getLevelNamesMapping()[level])

    return chosen


@app.callback()
def options(
    context: typer.Context,
    quiet: Annotated[
        bool,
        typer.Option("--quiet", "-q", callback=_show_from("WARNING"), expose_value=False, help="Show results alone."),
    ] = False,
    verbose: Annotated[
        bool,
        typer.Option(
            "--verbose",
            "-v",
            callback=_show_from("DEBUG"),
            expose_value=False,
            help="Show what is reused, too.",
        ),
    ] = False,
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Show the version and stop.")
    ] = False,
) -> None:
    """Would GAN images make your classifier better? Measured, with a confidence interval and a test."""
    from ganaug.errors import UserError

    if "TORCHELASTIC_RUN_ID" in os.environ and context.invoked_subcommand != "train":
        raise UserError(f"torchrun: starts the processes of one training, got {context.invoked_subcommand}; use train")


def main() -> None:
    """Entry point: errors the user can fix are one line on stderr, exit code 2."""
    from ganaug.errors import UserError, one_line
    from ganaug.workers import guard_imports

    for stream in (sys.stdout, sys.stderr):  # a terminal that lacks a letter shows another: no work is lost for it
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")
    guard_imports()
    try:
        app()
    except UserError as error:
        _fail(str(error))
    except BrokenPipeError:  # whoever was reading has enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(1)
    except OSError as error:
        reason = f"{error.filename or 'a file'} cannot be read or written ({error.strerror or error})"
        _fail(one_line(f"{reason}; correct the path, its permissions or the space on the disk"))
    except MemoryError as error:
        _fail(f"the memory of this machine must hold the work, but is too small ({error}); lower jobs, or the numbers")


def _fail(message: str) -> NoReturn:
    print(f"ganaug: {message}", file=sys.stderr)
    sys.exit(2)
