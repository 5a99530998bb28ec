"""The outcome of an evaluation on a dataset, for the terminal: the protocol, the figures, the parts of the dataset."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

from rich.console import Console

from posegen.errors import UsageError, nearest
from posegen.report import summary
from posegen.report.uncut import UncutTable
from posegen.scoring.protocols import METRICS

OFFICIAL = {
    "f1": ("F1", 2), "precision": ("precision", 2), "recall": ("recall", 2), "mpjpe": ("MPJPE", 1), "mve": ("MVE", 1),
    "mve_full": ("MVE of all vertices", 1), "nmje": ("NMJE", 1), "nmve": ("NMVE", 1),
    "nmve_full": ("NMVE of all vertices", 1),
}  # fmt: skip


def check_groupings(dataset: str, by: Sequence[str], there: tuple[str, ...]) -> None:
    """Raises UsageError for a grouping that a dataset does not have."""
    for grouping in by:
        if grouping not in there:
            raise UsageError(
                f"{dataset} cannot be broken down by '{grouping}'",
                nearest(grouping, there) or f"it has {', '.join(there)}",
            )


def show(result: Mapping[str, Any], by: Sequence[str], console: Console) -> None:
    """Print it. Raises UsageError, when all else is printed, for a grouping into one part or into too many."""
    people = f"{result['people']} people"
    if result["judged"] < result["of"]:
        people += f" (the first {result['judged']} of {result['of']}: not the protocol's number)"
    if result["incomplete"]:
        people += f" ({result['incomplete']} are there: not the protocol's number)"
    say = partial(console.print, highlight=False, markup=False, soft_wrap=True)
    estimator = summary.title(result["estimator"], result.get("weights", ""))
    say(f"{estimator} on {result['dataset']} {result['split']}: {people}")
    console.print(_overall(result))
    say(f"protocol {result['protocol']}: {result['definition']}")
    for name, count in result["left_out"].items():
        say(f"left out ({name}): {count} people")
    check_groupings(result["dataset"], by, tuple(result["by"]))
    for grouping in by:
        console.print(_parts(grouping, result["by"][grouping]))


def _overall(result: Mapping[str, Any]) -> UncutTable:
    table = UncutTable()
    for column in ("metric", "mean", "95 % interval", "unit"):
        table.add_column(column, justify="left" if column in ("metric", "unit") else "right")
    for name, (title, digits) in OFFICIAL.items():
        if name in result["official"]:
            table.add_row(f"{title} (official)", _number(result["official"][name], digits), "", "")
    for name, figure in result["all"].items():
        metric = METRICS[name]
        interval = f"{_number(figure['low'], metric.digits)} to {_number(figure['high'], metric.digits)}"
        missing = result["people"] - figure["count"]
        unit = metric.unit + (f" (without {missing})" if missing else "")
        table.add_row(metric.title, _number(figure["mean"], metric.digits), interval, unit)
    return table


def _parts(grouping: str, parts: Mapping[str, Mapping[str, Any]]) -> UncutTable:
    table = UncutTable()
    table.add_column(grouping)
    table.add_column("people", justify="right")
    names = list(next(iter(parts.values())))
    for name in names:
        table.add_column(METRICS[name].title, justify="right")
    for part, figures in parts.items():
        cells = [_number(figures[name]["mean"], METRICS[name].digits) for name in names]
        table.add_row(part, str(max(figures[name]["count"] for name in names)), *cells)
    return table


def _number(value: float | None, digits: int) -> str:
    return "-" if value is None else f"{value:.{digits}f}"
