"""``posegen ablate``: many runs, one table."""

from __future__ import annotations

import shlex
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from posegen.cli import options
from posegen.errors import PosegenError, UsageError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from posegen.ablate.cells import Cell


def ablate(
    recipe: Annotated[
        str | None, typer.Argument(metavar="RECIPE", help="An ablation by name or file, or any recipe with --grid.")
    ] = None,
    list_: Annotated[bool, typer.Option("--list", help="List the built-in ablations; stop.")] = False,
    seeds: Annotated[
        list[str] | None,
        typer.Option("--seeds", metavar="0,1,2", help="Seeds, also like 0-4.", show_default="the recipe's"),
    ] = None,
    rows: Annotated[list[str] | None, typer.Option("--rows", metavar="A,B", help="Only these rows.")] = None,
    columns: Annotated[list[str] | None, typer.Option("--columns", metavar="A,B", help="Only these columns.")] = None,
    grid: Annotated[
        list[str] | None,
        typer.Option("--grid", metavar="KEY=[VALUES]", help="A row for every value, like feedback.w2=[0, 0.1]."),
    ] = None,
    assignments: Annotated[
        list[str] | None,
        typer.Option(
            "--set", metavar="KEY=VALUE", help="A setting of all cells, or a key of the recipe: rows.A1.loop.real=0."
        ),
    ] = None,
    jobs: Annotated[int, typer.Option("--jobs", min=1, metavar="N", help="Processes; they share the cores.")] = 1,
    out: Annotated[
        Path | None,
        typer.Option("--out", metavar="FOLDER", help="Folder of the runs.", show_default="runs/ablate-RECIPE"),
    ] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Show the cells and what is done; stop.")] = False,
) -> None:
    """Compare settings over seeds: one run a cell, one table with intervals.

    The same command goes on where it stopped, and makes only the cells that are new.
    """
    if list_:
        _list()
        return
    if recipe is None:
        raise UsageError("which ablation?", "posegen ablate --list  shows the built-in ones")
    from posegen.ablate import recipe as recipes

    some_seeds = ",".join(seeds) if seeds else None
    ablation = recipes.read(recipe, assignments or [], grid or [])
    ablation = replace(
        ablation,
        rows=recipes.chosen(ablation.rows, rows, "row"),
        columns=recipes.chosen(ablation.columns, columns, "column"),
    )
    recipes.check(ablation)  # the reference may be a row that was not chosen
    from posegen.ablate import cells as grids

    folder = out or Path("runs") / f"ablate-{ablation.name}"
    chosen = ablation.keys.seeds if some_seeds is None else recipes.parse_seeds(some_seeds)
    cells = grids.cells(ablation, chosen, folder)
    if dry_run:
        _show(cells)
        return
    again = ["posegen", "ablate", recipe, *_repeated("--set", assignments), *_repeated("--grid", grid)]
    again += [*_repeated("--rows", rows), *_repeated("--columns", columns)]
    given = {"--seeds": some_seeds, "--jobs": str(jobs), "--out": str(folder)}
    again += [part for name, value in given.items() if value for part in (name, value)]
    with options.resumable(shlex.join(again)):
        from posegen.ablate import execute
        from posegen.cli import screen

        failed = execute.ablate(ablation, cells, folder, jobs=jobs, console=screen.out())
    if failed:
        name, error = next(iter(failed.items()))
        raise PosegenError(f"{len(failed)} of {len(cells)} cells failed; {name}: {error.message}", error.hint)


def _repeated(option: str, values: list[str] | None) -> list[str]:
    return [part for value in values or [] for part in (option, value)]


def _list() -> None:
    from posegen import recipes
    from posegen.cli import screen

    found = recipes.available(recipes.ABLATIONS)
    screen.table(("ablation", "for"), [(name, recipes.summary(path)) for name, path in found.items()])


def _show(cells: Sequence[Cell]) -> None:
    from posegen.cli import screen

    screen.table(("cell", "state", "settings"), [(cell.name, cell.state(), cell.changes) for cell in cells])
