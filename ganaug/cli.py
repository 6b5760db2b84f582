"""The command line: one thin command per stage. Heavy imports wait until a command runs."""

import io
import os
import sys
from pathlib import Path
from typing import Annotated, NoReturn

import typer

from ganaug.synth.formats import FORMATS

app = typer.Typer(
    name="ganaug",
    help="Would GAN images make your classifier better? Measured, with a confidence interval and a test.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)

Split = Annotated[str | None, typer.Option("--split", help="Only this split: a trial's number, or release.")]


@app.command()
def init(
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="The project's folder; made if it is not there.")],
    images: Annotated[
        Path | None,
        typer.Option("--images", help="A folder (one folder per class), a CSV or Parquet table, or an NPZ."),
    ] = None,
    dataset: Annotated[str | None, typer.Option("--dataset", help="A worked example: digits or fashion-mnist.")] = None,
    minutes: Annotated[float, typer.Option("--minutes", help="How long a run may take on this machine.")] = 20,
    nested: Annotated[
        bool, typer.Option("--nested", help="The first level of folders is the class, though images lie deeper.")
    ] = False,
    file: Annotated[str, typer.Option("--file", help="The table's column of files.")] = "file",
    label: Annotated[str, typer.Option("--label", help="The table's column of class names.")] = "label",
    split: Annotated[
        str, typer.Option("--split", help='The table\'s column of train, val or test; "": none.')
    ] = "split",
    group: Annotated[
        str, typer.Option("--group", help='The table\'s column of groups, such as patients; "": none.')
    ] = "group",
    largest_mib: Annotated[
        int, typer.Option("--largest-mib", min=1, help="Memory that reading one file may take, in MiB.")
    ] = 2048,
) -> None:
    """Make a project of your images: looks at them, chooses settings, writes dvc.yaml and params.yaml.

    Example: ganaug init lesions --images photos/
    """
    from ganaug.start import init as command

    columns = {"file": file, "label": label, "split": split or None, "group": group or None}
    command.init(folder, images, dataset, nested, columns, minutes, largest_mib)


@app.command()
def prepare() -> None:
    """Read the images and deal the splits into data/prepared/.

    Example: ganaug prepare
    """
    from ganaug.stages import prepare as stage
    from ganaug.stages.project import Project

    print(stage.prepare(Project.here()))


@app.command()
def train(split: Split = None) -> None:
    """Train a generator for every split into models/; finished splits are not trained again.

    Example: ganaug train --split release
    """
    from ganaug.stages import train as stage
    from ganaug.stages.project import Project

    stage.train(Project.here(), split)


@app.command()
def synth(
    all_splits: Annotated[bool, typer.Option("--all", help="Every split, into data/synth/, for the arms.")] = False,
    split: Split = None,
    classes: Annotated[
        list[str] | None,
        typer.Option("--class", help="A class name or index, or NAME=N; repeatable. Left out: every class."),
    ] = None,
    n: Annotated[int, typer.Option("--n", help="Images of each class.")] = 100,
    balance: Annotated[
        str,
        typer.Option("--balance", help="equal; none: in the train part's proportions; fill: up to its largest class."),
    ] = "equal",
    out: Annotated[Path, typer.Option("--out", help="The folder to write to.")] = Path("synthetic"),
    output_format: Annotated[str, typer.Option("--format", help=f"{' or '.join(FORMATS)}.")] = "png",
    model: Annotated[Path, typer.Option("--model", help="The generator file.")] = Path(
        "models/release/generator.safetensors"
    ),
    seed: Annotated[int, typer.Option("--seed", help="Seed of the latents.")] = 0,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace images that an earlier call wrote.")] = False,
) -> None:
    """Generate images of a class with the released generator. Image i is the same for any --n.

    Example: ganaug synth --class 3 --n 5000, or: ganaug synth --class melanoma=300 --class nevus=50
    """
    if all_splits or split is not None:
        if classes or overwrite or balance != "equal" or output_format != "png" or out != Path("synthetic"):
            raise typer.BadParameter("--all and --split write data/synth/ for the arms; leave the other options out")
        from ganaug.stages import synth as stage
        from ganaug.stages.project import Project

        stage.synth_all(Project.here(), split)
    else:
        from ganaug.synth import export

        print(export.export(model, out, classes, n, balance, seed, output_format, overwrite))


@app.command()
def classify(split: Split = None) -> None:
    """Train and test the classifier under every arm of every trial, into reports/trials/.

    Example: ganaug classify
    """
    from ganaug.stages import classify as stage
    from ganaug.stages.project import Project

    stage.classify(Project.here(), split)


@app.command()
def presets() -> None:
    """List the GANs that params.yaml can name: gan: {preset: wgan-gp}.

    Example: ganaug presets
    """
    from ganaug.gan.presets import PRESETS

    width = max(map(len, PRESETS))
    for name, preset in PRESETS.items():
        print(f"{name:{width}}  {preset.line}\n{'':{width}}  ({preset.source})")


@app.command()
def report() -> None:
    """Put the trials together: reports/summary.json, reports/report.html and plots.

    Example: ganaug report
    """
    from ganaug.stages import report as stage
    from ganaug.stages.project import Project

    print(stage.report(Project.here()))


@app.command()
def verdict() -> None:
    """Show the verdict of the last report as a table.

    Example: ganaug verdict
    """
    from ganaug.stages import gate as stage
    from ganaug.stages.project import Project

    stage.show_verdict(Project.here())


@app.command()
def gate(
    markdown: Annotated[bool, typer.Option("--markdown", help="A table for a comment on a pull request.")] = False,
    baseline: Annotated[
        Path | None,
        typer.Option("--baseline", help="An earlier summary.json: fail where a gain of the rules fell against it too."),
    ] = None,
) -> None:
    """Check the gains against the rules of params.yaml.

    Exit code 0: all pass; 1: one fails; 3: none fails, but not every one can be told yet.

    Example: ganaug gate --markdown --baseline main/summary.json
    """
    from ganaug.stages import gate as stage
    from ganaug.stages.project import Project

    status = stage.gate(Project.here(), markdown, baseline)
    raise typer.Exit({"pass": 0, "fail": 1, "cannot tell": 3}[status])


def _version(wanted: bool) -> None:
    if wanted:
        from ganaug import __version__

        print(__version__)
        raise typer.Exit


@app.callback()
def options(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Show the version and stop.")
    ] = False,
) -> None:
    """Would GAN images make your classifier better? Measured, with a confidence interval and a test."""


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
