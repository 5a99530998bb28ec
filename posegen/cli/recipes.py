"""``posegen recipes``: the built-in recipes."""

from __future__ import annotations

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
    typer.echo(_find(name).read_text(encoding="utf-8"), nl=False)


@app.command(cls=Verb)
def copy(
    name: Name,
    file: Annotated[Path | None, typer.Argument(help="Where to.", show_default="NAME.toml")] = None,
) -> None:
    """Copy a recipe, to change it and use it with --recipe FILE."""
    from posegen import recipes
    from posegen.errors import UsageError

    source = _find(name)
    target = file or Path(f"{source.stem}.toml")
    try:
        with target.open("xb") as copy:  # never over a file that somebody has edited
            copy.write(source.read_bytes())
    except FileExistsError as error:
        raise UsageError(f"{target} exists", f"posegen recipes copy {name} ANOTHER.toml") from error
    except OSError as error:
        with suppress(OSError):
            target.unlink(missing_ok=True)  # half a copy: what was there before is the case above
        raise UsageError(f"{target} cannot be written: {error.strerror}", "choose another file") from error
    use = f"posegen ablate {target}" if source.parent == recipes.ABLATIONS else f"posegen run --recipe {target}"
    typer.echo(f"{target}: use it with  {use}")


def _find(name: str) -> Path:
    from posegen import recipes

    return recipes.find(name, recipes.FOLDER, recipes.ABLATIONS)
