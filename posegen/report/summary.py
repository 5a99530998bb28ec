"""The table before and after, for the terminal."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from rich.box import SIMPLE_HEAD

from posegen.evaluate import GROUPINGS, METRICS
from posegen.report.uncut import UncutTable
from posegen.scoring.protocols import METRICS as PUBLISHED

FEW = 5  # images, below which an interval drawn from them says nothing
TITLES = {"mpjpe": "MPJPE", "pa_mpjpe": "PA-MPJPE", "n_mpjpe": "N-MPJPE", "pck": "PCK@150"}


def weights(estimator: object) -> str:
    """What an estimator calls its weights, such as ``open-compact``; nothing for one that does not say."""
    return str(getattr(estimator, "weights", ""))


def title(estimator: str, weights: str) -> str:
    """An estimator's name with that of its weights, so that small open ones are not taken for the published ones."""
    return f"{estimator} ({weights})" if weights else estimator


def before_after(result: Mapping[str, Any]) -> UncutTable:
    """One row a split: each metric before -> after, and the relative change of MPJPE with its 95 % interval."""
    name = title(result["estimator"], result.get("weights", ""))
    table = _table(f"{name}, before → after fine-tuning", result["protocol"])
    for metric in METRICS:
        table.add_column(TITLES[metric], justify="right", no_wrap=True)
    table.add_column("MPJPE [95 %]", justify="right", no_wrap=True)
    for name, split in result["splits"].items():
        cells = [f"{split[m]['before']['mean']:.0f} → {split[m]['after']['mean']:.0f}" for m in METRICS]
        table.add_row(name, *cells, _change(split["mpjpe"]["change_percent"], split["images"]))
    return table


def parts_before_after(result: Mapping[str, Any], split: str) -> UncutTable:
    """One row a part of a split, before -> after: where the person is seen from, how it lies, and in which clip."""
    table = UncutTable(title=f"where it fails: parts of {split}", box=SIMPLE_HEAD, pad_edge=False, padding=0)
    table.add_column("part ", no_wrap=True)
    for column in ("images ", "MPJPE ", "PA-MPJPE "):
        table.add_column(column, justify="right", no_wrap=True)
    table.add_column("MPJPE [95 %]", justify="right", no_wrap=True)
    for i, parts in enumerate(result["by"][split].values()):
        if i:
            table.add_section()
        for name, part in parts.items():
            numbers = [[part[m][when]["mean"] for when in ("before", "after")] for m in ("mpjpe", "pa_mpjpe")]
            cells = [f"{before:.0f} → {after:.0f} " for before, after in numbers]
            table.add_row(
                f"{name} ", f"{part['images']} ", *cells, _change(part["mpjpe"]["change_percent"], part["images"])
            )
    return table


def datasets(result: Mapping[str, Any]) -> UncutTable:
    """One row a metric of each of the user's datasets: before -> after, and the change."""
    name = title(result["estimator"], result.get("weights", ""))
    table = UncutTable(title=f"{name}, before → after, datasets", box=SIMPLE_HEAD, pad_edge=False, padding=0)
    for column in ("dataset", "metric", "before → after", "change"):
        table.add_column(f"{column} ", no_wrap=True, justify="left" if column in ("dataset", "metric") else "right")
    for dataset, outcome in result["datasets"].items():
        table.add_row(f"{dataset} ", f"by {outcome['protocol']} ", "", "")
        for metric, figure in outcome["metrics"].items():
            digits = PUBLISHED[metric].digits
            numbers = [figure[when]["mean"] for when in ("before", "after")]
            shown = " → ".join("-" if number is None else f"{number:.{digits}f}" for number in numbers)
            change = "-" if figure["change_percent"] is None else f"{figure['change_percent']['mean']:+.1f}%"
            table.add_row(f"{dataset} ", f"{PUBLISHED[metric].title} ", f"{shown} ", change)
    return table


def _table(title: str, caption: str) -> UncutTable:
    """Narrow enough for 80 columns."""
    caption = f"{caption}; 95 % over clips"
    table = UncutTable(title=title, caption=caption, caption_justify="left", box=SIMPLE_HEAD, pad_edge=False, padding=0)
    table.add_column("split", no_wrap=True)
    return table


def _change(change: Mapping[str, float] | None, images: int) -> str:
    if change is None:
        return "-"
    if not told(change, images):
        return f"{change['mean']:+.1f}%"
    colour = "green" if change["high"] < 0 else "red" if change["low"] > 0 else "default"
    return f"[{colour}]{change['mean']:+.1f}%[/] [dim]\\[{change['low']:+.0f}, {change['high']:+.0f}][/]"


def _interval(figure: Mapping[str, float], images: int) -> str:
    return f" [dim]\\[{figure['low']:.0f}, {figure['high']:.0f}][/]" if told(figure, images) else ""


def told(figure: Mapping[str, float | None], images: int) -> bool:
    """Whether it has an interval that says something."""
    return figure["low"] is not None and images >= FEW


def figures(title: str, splits: Mapping[str, Any], caption: str) -> UncutTable:
    """One row a split: each metric with its 95 % interval."""
    table = _table(title, caption)
    for metric in METRICS:
        table.add_column(TITLES[metric], justify="right", no_wrap=True)
    for name, split in splits.items():
        cells = [f"{split[m]['mean']:.0f}{_interval(split[m], split['images'])}" for m in METRICS]
        table.add_row(name, *cells)
    return table


def parts(grouping: str, splits: Mapping[str, Mapping[str, Any]]) -> UncutTable:
    """One row a part, one column a split: the mean MPJPE, and of how many pictures."""
    table = UncutTable(title=f"MPJPE by {grouping}, mm (images)", box=SIMPLE_HEAD, pad_edge=False, padding=0)
    table.add_column(f"{grouping} ", no_wrap=True)
    for split in splits:
        table.add_column(f"{split} ", justify="right", no_wrap=True)
    there = {name: None for parts_of_split in splits.values() for name in parts_of_split}
    for name in GROUPINGS[grouping] or sorted(there):
        found = [parts_of_split.get(name) for parts_of_split in splits.values()]
        cells = [f"{part['mpjpe']['mean']:.0f} [dim]({part['images']})[/] " if part else "- " for part in found]
        table.add_row(f"{name} ", *cells)
    return table
