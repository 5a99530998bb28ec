"""``posegen assets``: where the files lie that only you may have."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from posegen.cli.verbs import Verb, Verbs

app = typer.Typer(cls=Verbs, no_args_is_help=True, help="Licensed files that you bring: SMPL, checkpoints, data sets.")
Name = Annotated[str, typer.Argument(help="An asset of `posegen assets list`.")]


@app.command("list", cls=Verb)
def list_() -> None:
    """List known assets, and whether they are registered."""
    from posegen import assets
    from posegen.cli import screen
    from posegen.registry import registry

    known, registered = registry().assets, assets.registered()
    rows = [(n, "yes" if n in registered else "-", known[n].summary if n in known else "") for n in _names()]
    screen.table(("asset", "registered", "what"), rows)
    screen.out().print("posegen assets info ASSET  shows what needs it and where to get it", style="dim")


@app.command(cls=Verb)
def info(name: Name) -> None:
    """Show where an asset is registered, what needs it, its accepted names, where to get it."""
    from posegen import assets
    from posegen.cli import screen
    from posegen.registry import registry

    _check_known(name)
    asset, registered = registry().assets.get(name), assets.registered()
    facts = {
        "what": asset.summary if asset else "",
        "registered at": registered[name]["path"] if name in registered else f"-; posegen assets set {name} PATH",
        "needed by": ", ".join(needed_by(name)),
        "accepted": ", ".join(asset.files or asset.contains) if asset else "",
        "licence": asset.licence if asset else "",
        "get it from": asset.page if asset else "",
    }
    for fact, text in facts.items():
        if text:
            screen.out().print(f"{fact}: {text}", markup=False)


@app.command("set", cls=Verb)
def set_(
    name: Name,
    path: Annotated[Path, typer.Argument(help="The file, or the folder that holds it.")],
) -> None:
    """Remember where an asset lies."""
    from posegen import assets

    typer.echo(f"{name} = {assets.register(name, path)}")


@app.command(cls=Verb)
def get(name: Name) -> None:
    """Print where an asset lies."""
    from posegen import assets

    _check_known(name)
    typer.echo(assets.find(name))


@app.command(cls=Verb)
def verify(name: Annotated[str | None, typer.Argument(help="An asset; without, all registered ones.")] = None) -> None:
    """Check that registered files are there, whole, and as they were."""
    from posegen import assets
    from posegen.cli import screen
    from posegen.errors import AssetError

    if name:
        _check_known(name)
    names = [name] if name else sorted(assets.registered())
    failures = []
    for each in names:
        try:
            typer.echo(f"{each}: ok, {assets.verify(each)}")
        except AssetError as error:
            screen.error(error)
            failures.append(each)
    if failures:
        raise typer.Exit(AssetError.exit_code)
    if not names:
        typer.echo("no asset is registered; posegen assets list")


def needed_by(name: str) -> list[str]:
    """What cannot work without an asset: components, datasets, protocols."""
    from posegen.datasets.registry import DATASETS
    from posegen.registry import registry

    known = registry()
    components = [f"{c.kind} {c.name}" for c in known.components if name in c.assets]
    datasets = [f"dataset {d.name}" for d in DATASETS.values() if d.asset == name]
    return [*components, *datasets, *(known.assets[name].needed_by if name in known.assets else ())]


def _check_known(name: str) -> None:
    from posegen.errors import UsageError, nearest

    if name not in (names := _names()):
        raise UsageError(f"there is no asset '{name}'", nearest(name, names) or "posegen assets list")


def _names() -> list[str]:
    """Known ones first; then those of third parties."""
    from posegen import assets
    from posegen.registry import registry

    known = registry().assets
    return [*known, *sorted((assets.declared() | set(assets.registered())) - set(known))]
