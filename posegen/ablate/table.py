"""What the finished cells say together: means over seeds, changes, and differences between rows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

from posegen.ablate.cells import Cell, result
from posegen.ablate.recipe import BEFORE, Ablation
from posegen.errors import PosegenError
from posegen.evaluate import PROTOCOL
from posegen.statistics import LEVEL, interval

Values = dict[int, float]
"""Seed -> a figure, the mean over one split's images."""


def tabulate(ablation: Ablation, cells: Sequence[Cell], errors: Mapping[str, PosegenError]) -> dict[str, Any]:
    """The content of ``table.json``; errors: why cells failed, by their names.

    rows: one for each column and row that has a finished cell, and one for the figures before where these are the same
    for all rows of a column. Each has for every metric ``after`` (mean, low, high, n; None where a dataset's protocol
    has no such number), its ``values`` by seed, the relative ``change_percent`` against its own figures before, and the
    ``difference`` to the reference row, paired by seed; the last two are None where there is nothing to compare with.
    seconds: the mean of the cells that were run at once and took nothing from another, None where there are none.
    """
    measured = {cell.name: found for cell in cells if (found := result(cell)) is not None}
    rows: list[dict[str, Any]] = []
    for column in ablation.columns:
        of_column = [cell for cell in cells if cell.column == column and cell.name in measured]
        by_row = {row: [c for c in of_column if c.row == row] for row in ablation.rows}
        results = {row: {c.seed: measured[c.name] for c in of} for row, of in by_row.items() if of}
        rows += _group(ablation, column, results)
    return {
        "recipe": ablation.name,
        "title": ablation.title,
        "reference": ablation.keys.reference,
        "metrics": list(ablation.keys.metrics),
        "interval": f"{LEVEL:.0%}, Student's t over seeds; differences are paired by seed",
        "protocol": _protocol(measured),
        "rows": rows,
        "missing": {c.name: _why(errors.get(c.name)) for c in cells if c.name not in measured},
    }


def _group(ablation: Ablation, column: str, results: Mapping[str, dict[int, Any]]) -> list[dict[str, Any]]:
    """The rows of one column."""
    metrics, reference = ablation.keys.metrics, ablation.keys.reference
    after = {row: {m: _values(of, m, "after") for m in metrics} for row, of in results.items()}
    before = {row: {m: _values(of, m, "before") for m in metrics} for row, of in results.items()}
    common = _common(before)
    rows = []
    if common is not None:
        others = after.get(reference, {})
        rows.append(
            {
                "column": column,
                "row": BEFORE,
                "seconds": None,
                "metrics": {m: _figure(common[m], None, others.get(m)) for m in metrics},
            }
        )
    for row, of in results.items():
        others = before[row] if reference == BEFORE else after.get(reference, {})
        seconds = [sum(found["seconds"].values()) for found in of.values() if found["seconds"]]
        rows.append(
            {
                "column": column,
                "row": row,
                "seconds": sum(seconds) / len(seconds) if seconds else None,
                "metrics": {
                    m: _figure(after[row][m], before[row][m], others.get(m) if row != reference else None)
                    for m in metrics
                },
            }
        )
    return rows


def _figure(values: Values, before: Values | None, other: Values | None) -> dict[str, Any]:
    change = [100 * (values[s] - before[s]) / before[s] for s in values if before.get(s)] if before else []
    differences = [values[s] - other[s] for s in values if s in other] if other else []
    return {
        "values": {str(seed): value for seed, value in values.items()},
        "after": asdict(interval(list(values.values()))) if values else None,
        "change_percent": asdict(interval(change)) if change else None,
        "difference": asdict(interval(differences)) if differences else None,
    }


def _values(results: Mapping[int, Any], metric: str, when: str) -> Values:
    split, _, name = metric.partition(".")
    values = {}
    for seed, found in results.items():
        measured = found["splits"][split] if split in found["splits"] else found["datasets"][split]["metrics"]
        value = measured.get(name, {}).get(when, {}).get("mean")  # a dataset's protocol may not have it, or no number
        if value is not None:
            values[seed] = value
    return values


def _protocol(measured: Mapping[str, Any]) -> str:
    """How the figures were computed: of a dataset by one protocol for every estimator, or by several."""
    found: dict[str, set[str]] = {}
    for cell in measured.values():
        for dataset, outcome in cell.get("datasets", {}).items():
            found.setdefault(dataset, set()).add(f"{cell['estimator']} by {outcome['protocol']}")
    return "; ".join([PROTOCOL, *(f"{dataset}: {', '.join(sorted(by))}" for dataset, by in sorted(found.items()))])


def _common(before: Mapping[str, Mapping[str, Values]]) -> dict[str, Values] | None:
    """The figures before that all rows share; None where rows start from different networks, or there is no row."""
    common: dict[str, Values] = {}
    for figures in before.values():
        for metric, values in figures.items():
            known = common.setdefault(metric, {})
            if any(known.setdefault(seed, value) != value for seed, value in values.items()):
                return None
    return common or None


def _why(error: PosegenError | None) -> str:
    return error.message if error else "not run"
