"""The table before and after, for the terminal."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from rich.table import Table

from posegen.evaluate import METRICS

TITLES = {"mpjpe": "MPJPE", "pa_mpjpe": "PA-MPJPE", "n_mpjpe": "N-MPJPE", "pck": "PCK@150"}


def before_after(result: Mapping[str, Any]) -> Table:
    """One row a split: each metric before -> after, and the relative change of MPJPE with its 95 % interval."""
    table = Table(title=f"{result['estimator']} before and after", caption=result["protocol"], caption_justify="left")
    table.add_column("split")
    table.add_column("images", justify="right")
    for metric in METRICS:
        table.add_column(TITLES[metric], justify="right")
    table.add_column("change of MPJPE [95 %]", justify="right")
    for name, split in result["splits"].items():
        cells = [f"{split[m]['before']['mean']:.1f} → {split[m]['after']['mean']:.1f}" for m in METRICS]
        table.add_row(name, str(split["images"]), *cells, _change(split["mpjpe"]["change_percent"]))
    return table


def _change(change: Mapping[str, float] | None) -> str:
    if change is None:
        return "-"
    colour = "green" if change["high"] < 0 else "red" if change["low"] > 0 else "default"
    return f"[{colour}]{change['mean']:+.1f} %[/] [dim]\\[{change['low']:+.1f}, {change['high']:+.1f}][/]"


def figures(title: str, splits: Mapping[str, Any], caption: str) -> Table:
    """One row a split: each metric with its 95 % interval."""
    table = Table(title=title, caption=caption, caption_justify="left")
    table.add_column("split")
    table.add_column("images", justify="right")
    for metric in METRICS:
        table.add_column(TITLES[metric], justify="right")
    for name, split in splits.items():
        cells = [f"{split[m]['mean']:.1f} [dim]\\[{split[m]['low']:.1f}, {split[m]['high']:.1f}][/]" for m in METRICS]
        table.add_row(name, str(split["images"]), *cells)
    return table
