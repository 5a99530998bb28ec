"""An ablation's recipe: settings under all cells, rows, columns and grids of changes, seeds, and what is measured."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterable
from dataclasses import dataclass
from itertools import product
from typing import Any

from pydantic import Field, NonNegativeInt, ValidationError

from posegen import layers, recipes
from posegen.config import COMPONENTS, explain
from posegen.errors import UsageError, nearest
from posegen.layers import Given, Layer
from posegen.options import Options

BEFORE = "before"  # the row without any fine-tuning: what every run measures first
NAME = re.compile(r"[A-Za-z0-9][\w.,=+-]*")


class Keys(Options):
    """The keys of an ablation's recipe."""

    base: str | tuple[str, ...] = "quick"
    """Recipe, or recipes, under every cell."""
    reference: str = BEFORE
    """The row that the others are compared with; ``before`` is no fine-tuning."""
    seeds: tuple[NonNegativeInt, ...] = Field((0, 1, 2), min_length=1)
    """One run a cell and seed."""
    metrics: tuple[str, ...] = Field(("usd.mpjpe", "usd.pa_mpjpe", "ind.mpjpe", "real.mpjpe"), min_length=1)
    """SPLIT.METRIC of the open benchmark, or DATASET.METRIC of ``evaluate.datasets``: the columns of the table."""
    settings: dict[str, Any] = Field(default_factory=dict)
    """Settings of all cells, over those of ``base``."""
    columns: dict[str, dict[str, Any]] = Field(default_factory=dict)
    """Groups of rows, each with settings of its own: rows are compared within their group."""
    rows: dict[str, dict[str, Any]] = Field(default_factory=dict)
    """What is compared: a name and the settings that make the difference."""
    grid: dict[str, Any] = Field(default_factory=dict)
    """Settings with a list of values each: every combination is a row, beside or within ``rows``."""


@dataclass(frozen=True, slots=True)
class Ablation:
    """A recipe that has been read. ``columns`` and ``rows``: name -> layer of settings; no column is one named ''."""

    name: str
    title: str
    keys: Keys
    settings: Layer
    columns: dict[str, Layer]
    rows: dict[str, Layer]


def read(recipe: str, assignments: Iterable[str] = (), grid: Iterable[str] = ()) -> Ablation:
    """A built-in ablation or a file; a recipe of a run becomes the base of ``grid``.

    assignments: of ``--set``: keys of the ablation's recipe itself (like ``rows.A1.loop.samples``), or else settings of
    all cells; what a row or a column says wins. grid: ``KEY=[VALUES]``. Raises UsageError with key, value and source.
    """
    path = recipes.find(recipe, recipes.ABLATIONS, recipes.FOLDER)
    label = f"recipe {path.stem}" if path.parent in (recipes.ABLATIONS, recipes.FOLDER) else str(path)
    written = layers.from_file(path, label, ())
    tables = tomllib.loads(path.read_text(encoding="utf-8"))
    if not tables.keys() & {"rows", "columns", "grid"}:
        written, tables = {("base",): Given(str(path), layers.Source(label))}, {}
    asked = {_place(key): value for key, value in layers.from_assignments(assignments, ()).items()}
    asked |= {("grid", *key): value for key, value in layers.from_assignments(grid, ()).items()}
    stack = [{_named(key): value for key, value in layer.items()} for layer in (written, asked)]
    given = stack[0] | stack[1]
    try:
        keys = Keys.model_validate(layers.nest(given))
    except ValidationError as error:
        raise explain(error, Keys, given) from error
    columns, rows = ({n: _section(stack, s, n) for n in _names(s, tables, given)} for s in ("columns", "rows"))
    ablation = Ablation(
        name=path.stem,
        title=recipes.summary(path),
        keys=keys,
        settings=_section(stack, "settings"),
        columns=columns or {"": {}},
        rows=_crossed(rows, _axes(given)),
    )
    check(ablation)
    return ablation


def chosen(layers_of: dict[str, Layer], names: str | None, what: str) -> dict[str, Layer]:
    """Only the rows, or columns, of a list with commas; None is all. Raises UsageError for one that does not exist."""
    if names is None:
        return layers_of
    for name in (wanted := [n.strip() for n in names.split(",")]):
        if name not in layers_of:
            known = ", ".join(n for n in layers_of if n) or "none"
            raise UsageError(
                f"there is no {what} '{name}'", f"{nearest(name, list(layers_of))} there are: {known}".strip()
            )
    return {name: layers_of[name] for name in layers_of if name in wanted}


def parse_seeds(text: str) -> tuple[int, ...]:
    """``0,1,2`` or ``0-4`` -> seeds. Raises UsageError."""
    seeds: list[int] = []
    for part in text.split(","):
        if not (match := re.fullmatch(r"\s*(\d+)(?:-(\d+))?\s*", part)):
            raise UsageError(f"--seeds {text} is no list of seeds", "like --seeds 0,1,2 or --seeds 0-4")
        seeds += range(int(match[1]), int(match[2] or match[1]) + 1)
    if not seeds:
        raise UsageError(f"--seeds {text} holds no seed", "like --seeds 0,1,2 or --seeds 0-4")
    return tuple(dict.fromkeys(seeds))


def _place(key: layers.Key) -> layers.Key:
    if key[0] == "seed":
        raise UsageError("'seed' is not one setting of all cells", "--seeds 0,1,2")
    return key if key[0] in Keys.model_fields else ("settings", *key)


def _named(key: layers.Key) -> layers.Key:
    """A component's name alone is its choice, in a section as in a run's recipe."""
    depth = {"settings": 1, "columns": 2, "rows": 2}.get(key[0], len(key))
    return (*key[:depth], *layers.named(key[depth:], COMPONENTS))


def _names(section: str, tables: dict[str, Any], given: Layer) -> list[str]:
    """In the file's order; a row may well be an empty table, which a layer does not show."""
    listed = [*tables.get(section, {}), *(key[1] for key in given if key[0] == section)]
    return list(dict.fromkeys(listed))


def _section(stack: Iterable[Layer], *prefix: str) -> Layer:
    """What stands under a section, as settings."""
    depth = len(prefix)
    found = ({key[depth:]: value for key, value in layer.items() if key[:depth] == prefix} for layer in stack)
    return layers.merge(found, COMPONENTS)


def _axes(given: Layer) -> list[list[tuple[str, Layer]]]:
    """Each key of the grid as (name, layer) of every value."""
    grid = {tuple(".".join(key[1:]).split(".")): value for key, value in given.items() if key[0] == "grid"}
    ends = [path[-1] for path in grid]
    axes = []
    for path, listed in grid.items():
        if not (isinstance(listed.value, list) and listed.value):
            raise UsageError(f"grid.{'.'.join(path)} = {listed.value!r} ({listed.source}) is no list", "like [0, 0.1]")
        title = path[-1] if ends.count(path[-1]) == 1 else ".".join(path)
        setting = layers.named(path, COMPONENTS)
        axes.append([(f"{title}={_short(value)}", {setting: Given(value, listed.source)}) for value in listed.value])
    return axes


def _short(value: Any) -> str:
    return re.sub(r"[^\w.+-]+", "_", str(value)).strip("_")


def _crossed(rows: dict[str, Layer], axes: list[list[tuple[str, Layer]]]) -> dict[str, Layer]:
    """Every row with every combination of the grid."""
    return {
        ",".join(name for name, _ in combination if name): layers.merge([c for _, c in combination], COMPONENTS)
        for combination in product(rows.items() or [("", {})], *axes)
    }


def check(ablation: Ablation) -> None:
    """Raises UsageError for rows and columns that cannot be, and for a reference that is none of the rows."""
    if "" in ablation.rows:
        raise UsageError(f"{ablation.name} compares nothing", "give it rows, or --grid feedback.w2=[0, 0.1]")
    for name in (*ablation.rows, *(n for n in ablation.columns if n)):
        if not NAME.fullmatch(name) or name == BEFORE:
            raise UsageError(f"'{name}' cannot be a row or column", "letters, digits and . , = + - _; not 'before'")
    if (reference := ablation.keys.reference) not in (BEFORE, *ablation.rows):
        hint = nearest(reference, list(ablation.rows)) or "--set reference=NAME"
        raise UsageError(f"the reference '{reference}' is no row", f"{hint}: {', '.join((BEFORE, *ablation.rows))}")
