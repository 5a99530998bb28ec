"""An ablation's recipe: settings under all cells, rows, columns and grids of changes, seeds, and what is measured."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from pydantic import Field, ValidationError

from posegen import layers, recipes
from posegen.ablate.grid import crossed, from_options
from posegen.config import COMPONENTS, explain
from posegen.errors import UsageError, nearest
from posegen.layers import Given, Layer
from posegen.options import SEEDS, Options, Seed

BEFORE = "before"  # the row without any fine-tuning: what every run measures first
NAME = re.compile(r"(?!table\.)[A-Za-z0-9][\w.,=+-]*")
DEPTH = {"settings": 1, "grid": 1, "columns": 2, "rows": 2}  # after so many parts, the keys of a section are settings
MOST = 1000  # seeds; more are a slip of the hand


class Keys(Options):
    """The keys of an ablation's recipe."""

    base: str | tuple[str, ...] = "quick"
    """Recipe, or recipes, under every cell."""
    reference: str = BEFORE
    """The row that the others are compared with; ``before`` is no fine-tuning."""
    seeds: tuple[Seed, ...] = Field((0, 1, 2), min_length=1)
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
    asked |= {("grid", *key): value for key, value in from_options(grid).items()}
    stack = [{_named(key): value for key, value in layer.items()} for layer in (written, asked)]
    given = stack[0] | stack[1]
    try:
        keys = Keys.model_validate(layers.nest(given))
    except ValidationError as error:
        raise explain(error, Keys, given, where="docs/ablate.md  has every key") from error
    _check_keys(given, asked, tables)
    columns, rows = ({n: _section(stack, s, n) for n in _names(s, tables, given)} for s in ("columns", "rows"))
    ablation = Ablation(
        name=path.stem,
        title=recipes.summary(path),
        keys=keys,
        settings=_section(stack, "settings"),
        columns=columns or {"": {}},
        rows=crossed(rows, {key[1:]: value for key, value in given.items() if key[0] == "grid"}),
    )
    check(ablation)
    return ablation


def chosen(layers_of: dict[str, Layer], names: Iterable[str] | None, what: str) -> dict[str, Layer]:
    """Only the rows, or columns, of names and of lists of names with commas, which a grid's names have too; None is
    all. Raises UsageError for one that does not exist."""
    if names is None:
        return layers_of
    lists = ([text] if text in layers_of else text.split(",") for text in names)
    wanted = [name.strip() for listed in lists for name in listed]
    for name in wanted:
        if name not in layers_of:
            raise _unknown(what, name, layers_of)
    return {name: layers_of[name] for name in layers_of if name in wanted}


def parse_seeds(text: str) -> tuple[int, ...]:
    """``0,1,2`` or ``0-4`` -> seeds. Raises UsageError."""
    seeds: list[int] = []
    for part in text.split(","):
        match = re.fullmatch(r"\s*(\d{1,19})(?:-(\d{1,19}))?\s*", part)
        first, last = (int(match[1]), int(match[2] or match[1])) if match else (1, 0)
        if not first <= last < SEEDS:
            hint = "like --seeds 0,1,2 or --seeds 0-4, each below 2^63"
            raise UsageError(f"--seeds '{text}' is no list of seeds", hint)
        if len(seeds) + last - first >= MOST:
            raise UsageError(f"--seeds '{text}' is more than {MOST} seeds", "every row is run with each of them")
        seeds += range(first, last + 1)
    return tuple(seeds)


def _unknown(what: str, name: str, known: Iterable[str]) -> UsageError:
    there = [n for n in known if n]
    return UsageError(
        f"there is no {what} '{name}'", f"{nearest(name, there)} there are: {', '.join(there) or 'none'}".strip()
    )


def _check_keys(given: Layer, asked: Layer, tables: dict[str, Any]) -> None:
    """Raises UsageError for a seed of a section's own, and for a row or column of ``--set`` that is none of the
    recipe's: a slip in a name would run the real one without its setting."""
    for key, value in given.items():
        if key[DEPTH.get(key[0], len(key)) :] == ("seed",):
            raise UsageError(
                f"'seed' ({value.source}) cannot be set in an ablation: every row is run with each of its seeds",
                "--seeds 0,1,2, or seeds = [0, 1, 2] in the recipe",
            )
    for key in (key for key in asked if DEPTH.get(key[0]) == 2):
        if (known := tables.get(key[0])) and key[1] not in known:
            error = _unknown(key[0].removesuffix("s"), key[1], known)
            raise UsageError(f"{'.'.join(key)} (--set): {error.message}", error.hint)


def _place(key: layers.Key) -> layers.Key:
    return key if key[0] in Keys.model_fields else ("settings", *key)


def _named(key: layers.Key) -> layers.Key:
    """A component's name alone is its choice, in a section as in a run's recipe; a grid names its rows by it."""
    depth = len(key) if key[0] == "grid" else DEPTH.get(key[0], len(key))
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


def check(ablation: Ablation) -> None:
    """Raises UsageError for rows and columns that cannot be, and for a reference that is none of the rows."""
    if "" in ablation.rows:
        raise UsageError(f"{ablation.name} compares nothing", "give it rows, or --grid feedback.w2=[0, 0.1]")
    for name in (*ablation.rows, *(n for n in ablation.columns if n)):
        if not NAME.fullmatch(name) or name == BEFORE:
            hint = "letters, digits and . , = + - _; not 'before', nor like 'table.txt'"
            raise UsageError(f"'{name}' cannot be a row or column", hint)
    if (reference := ablation.keys.reference) not in (BEFORE, *ablation.rows):
        rows = ", ".join((BEFORE, *ablation.rows))
        hint = nearest(reference, list(ablation.rows)) or "--set reference=NAME"
        raise UsageError(
            f"rows are compared with '{reference}', which is none of them", f"add it to --rows, or {hint}: {rows}"
        )
