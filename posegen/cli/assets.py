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
    """List known assets: where they are registered, what needs them, their accepted names, where to get them."""
    from posegen import assets
    from posegen.cli import screen
    from posegen.registry import registry

    known, registered = registry().assets, assets.registered()
    rows = []
    for name in [*known, *sorted((assets.declared() | set(registered)) - set(known))]:
        asset, entry = known.get(name), registered.get(name)
        summary, page = (asset.summary, asset.page) if asset else ("", "")
        names = ", ".join(asset.files or asset.contains) if asset else ""
        needed = ", ".join(needed_by(name))
        rows.append((name, entry["path"] if entry else "-", summary, needed, names, page))
    screen.table(("asset", "registered at", "what", "needed by", "accepted", "get it from"), rows)


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

    typer.echo(assets.find(name))


@app.command(cls=Verb)
def verify(name: Annotated[str | None, typer.Argument(help="An asset; without, all registered ones.")] = None) -> None:
    """Check that registered files are there, whole, and as they were."""
    from posegen import assets
    from posegen.cli import screen
    from posegen.errors import AssetError

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
