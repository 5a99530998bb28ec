"""``posegen recipes``: the built-in recipes."""

from __future__ import annotations

import shlex
from contextlib import suppress
from pathlib import Path
from typing import Annotated

import typer

from posegen.cli.verbs import Verb, Verbs

app = typer.Typer(cls=Verbs, no_args_is_help=True, help="Recipes: commented files of settings.")
Name = Annotated[str, typer.Argument(help="A built-in recipe, or a built-in ablation.")]


@app.command("list", cls=Verb)
def list_() -> None:
    """List the built-in recipes."""
    from posegen import recipes
    from posegen.cli import screen

    screen.table(("recipe", "for"), [(name, recipes.summary(path)) for name, path in recipes.available().items()])


@app.command(cls=Verb)
def show(name: Name) -> None:
    """Print a recipe."""
    typer.echo(_text(_find(name)), nl=False)


@app.command(cls=Verb)
def copy(
    name: Name,
    file: Annotated[Path | None, typer.Argument(help="Where to.", show_default="NAME.toml")] = None,
) -> None:
    """Copy a recipe, to change it and use it with --recipe FILE."""
    from posegen import recipes
    from posegen.errors import UsageError

    source = _find(name)
    text, target = _text(source), file or Path(f"{source.stem}.toml")
    try:
        with target.open("xb") as copy:  # never over a file that somebody has edited
            copy.write(text.encode())
    except FileExistsError as error:
        raise UsageError(f"{target} exists", f"posegen recipes copy {shlex.quote(name)} ANOTHER.toml") from error
    except OSError as error:
        with suppress(OSError):
            target.unlink(missing_ok=True)  # half a copy: what was there before is the case above
        raise UsageError(f"{target} cannot be written: {error.strerror}", "choose another file") from error
    use = ("ablate",) if source.parent == recipes.ABLATIONS else ("run", "--recipe")
    typer.echo(f"{target}: use it with  {shlex.join(('posegen', *use, str(target)))}")


def _find(name: str) -> Path:
    from posegen import recipes

    return recipes.find(name, recipes.FOLDER, recipes.ABLATIONS)


def _text(path: Path) -> str:
    """Raises UsageError for a file that cannot be read, or is none of settings."""
    from posegen.errors import UsageError

    try:
        return path.read_bytes().decode()
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is not text"
        raise UsageError(f"{path} cannot be read: {reason}", "posegen recipes list  has the built-in ones") from error
