"""The grid of an ablation: settings with a list of values each, every combination of which is a row."""

from __future__ import annotations

import re
from collections.abc import Iterable
from itertools import product
from typing import Any

from posegen import layers
from posegen.config import COMPONENTS
from posegen.errors import UsageError
from posegen.layers import Given, Layer


def from_options(options: Iterable[str]) -> Layer:
    """The settings of ``--grid a.b=[c, d]``. Raises UsageError for one that is given twice."""
    layer: Layer = {}
    for option in options:
        for key, value in layers.from_assignments([option], (), "--grid", "feedback.w2=[0, 0.1]").items():
            if key in layer:
                raise UsageError(f"--grid {'.'.join(key)} is given twice", "give all of its values in one list")
            layer[key] = value
    return layer


def crossed(rows: dict[str, Layer], grid: Layer) -> dict[str, Layer]:
    """Every row with every combination of the grid. Raises UsageError for what is no list, or names two rows alike."""
    return {
        ",".join(name for name, _ in combination if name): layers.merge([c for _, c in combination], COMPONENTS)
        for combination in product(rows.items() or [("", {})], *_axes(grid))
    }


def _axes(grid: Layer) -> list[list[tuple[str, Layer]]]:
    """Each setting as (name, layer) of every value."""
    by_path = {tuple(".".join(key).split(".")): value for key, value in grid.items()}
    ends = [path[-1] for path in by_path]
    axes = []
    for path, listed in by_path.items():
        key = ".".join(path)
        if not (isinstance(listed.value, list) and listed.value):
            raise UsageError(f"grid.{key} = {listed.value!r} ({listed.source}) is no list", "like [0, 0.1]")
        title = path[-1] if ends.count(path[-1]) == 1 else key
        names = [f"{title}={_short(value)}" for value in listed.value]
        if alike := next((name for name in names if names.count(name) > 1), None):
            raise UsageError(
                f"grid.{key} = {listed.value!r} ({listed.source}) has two values for one row '{alike}'",
                "give each value once; those of like names can be [rows] of a recipe",
            )
        setting = layers.named(path, COMPONENTS)
        values: list[Layer] = [{setting: Given(value, listed.source)} for value in listed.value]
        axes.append(list(zip(names, values, strict=True)))
    return axes


def _short(value: Any) -> str:
    return re.sub(r"[^\w.+-]+", "_", str(value)).strip("_")
