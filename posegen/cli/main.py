"""The command line's entry: verbs, global options, and what an error looks like."""

from __future__ import annotations

import io
import os
import sys
import warnings
from typing import Annotated

import typer

from posegen import __version__
from posegen.cli import (
    ablate,
    assets,
    doctor,
    evaluate,
    export_dataset,
    export_weights,
    finetune,
    fit,
    generate,
    plugins,
    pretrain,
    recipes,
    render,
    report,
    run,
    viewpoints,
)
from posegen.cli.verbs import Verb, Verbs
from posegen.errors import PosegenError, UsageError

app = typer.Typer(
    cls=Verbs,
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
app.command(cls=Verb)(run.run)
app.command(cls=Verb)(generate.generate)
app.command(cls=Verb)(finetune.finetune)
app.command(cls=Verb)(evaluate.evaluate)
app.command(cls=Verb)(report.report)
app.command(cls=Verb)(pretrain.pretrain)
app.command(cls=Verb)(export_weights.export_weights)
app.command(cls=Verb)(export_dataset.export_dataset)
app.command(cls=Verb)(render.render)
app.command(cls=Verb)(fit.fit)
app.command(cls=Verb)(ablate.ablate)
app.command(cls=Verb)(viewpoints.viewpoints)
app.add_typer(plugins.app, name="plugins")
app.add_typer(recipes.app, name="recipes")
app.add_typer(assets.app, name="assets")
app.command(cls=Verb)(doctor.doctor)


def _version(asked: bool) -> None:
    if asked:
        typer.echo(f"posegen {__version__}")
        raise typer.Exit


@app.callback()
def posegen(
    debug: Annotated[bool, typer.Option("--debug", help="Show the traceback of an error.")] = False,
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Show the version.")
    ] = False,
) -> None:
    """Find where a 3D human pose estimator fails, generate the data that fixes it, prove the gain."""


def main() -> None:
    """Run the command line. Exit codes: 0 done, 1 the run failed, 2 usage, 3 asset, 4 plugin, 130 interrupted."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")  # a pipe on Windows knows no check mark: that must not end a run
    warnings.formatwarning = lambda message, *_, **__: f"warning: {message}\n"  # without a line of our code
    # Pillow's second thoughts about pictures of 90 to 180 million pixels; it refuses larger ones by itself
    warnings.filterwarnings("ignore", "Image size .* could be decompression bomb")
    debug = "--debug" in sys.argv[1:]  # accepted anywhere, as the advice below is to append it
    try:
        _check_place()
        arguments = [argument for argument in sys.argv[1:] if argument != "--debug"]
        sys.exit(app(args=arguments, prog_name="posegen", standalone_mode=False))
    except PosegenError as error:
        _fail(error, debug)
    except Exception as error:  # the last resort: whatever it is, one line is better than a page
        if type(error).__name__ == "NoArgsIsHelpError":  # and help is what was printed
            sys.exit(UsageError.exit_code)
        if hasattr(error, "format_message"):  # of click, which has no class to name: see usage
            from posegen.cli import usage

            _fail(usage.explain(error), debug)
        from posegen import failures

        _fail(failures.explain(error), debug)


def _check_place() -> None:
    """Raises UsageError where the current folder was deleted: torch's libraries would end the process."""
    try:
        os.getcwd()  # noqa: PTH109
    except FileNotFoundError as error:
        raise UsageError("the folder in which you are is not there any more", "cd to another one") from error


def _fail(error: PosegenError, debug: bool) -> None:
    from posegen.cli import screen

    if debug:
        import traceback

        traceback.print_exc()
    screen.error(error)
    sys.exit(error.exit_code)
