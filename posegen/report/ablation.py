"""The table of an ablation: for the terminal, as Markdown, as CSV and as JSON."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.markup import escape

from posegen.checkpoint import write_text
from posegen.report.summary import TITLES
from posegen.report.uncut import UncutTable
from posegen.scoring.protocols import METRICS

BETTER_HIGHER = ("pck", "pa_pck", "pck50", "auc", "auc_3dpw")
WIDTH = 160  # of table.txt


def write(table: Mapping[str, Any], out: Path) -> None:
    """table.json, table.csv, table.md and table.txt in a folder. Raises PosegenError when the disk is full."""
    text = io.StringIO()
    Console(file=text, width=WIDTH, color_system=None, soft_wrap=True).print(rich(table))
    write_text(out / "table.json", json.dumps(table, indent=1) + "\n")
    write_text(out / "table.csv", comma_separated(table))
    write_text(out / "table.md", markdown(table))
    write_text(out / "table.txt", "".join(f"{line.rstrip()}\n" for line in text.getvalue().splitlines()))


def rich(table: Mapping[str, Any]) -> UncutTable:
    """Three lines a row, for 80 columns: mean ± half its interval; the difference to the reference; its interval."""
    reference, grouped = table["reference"], any(row["column"] for row in table["rows"])
    note = f"mean ± half the 95 % interval over n seeds; below: difference to {reference}, its interval, paired by seed"
    note += "".join(f"\nmissing: {name}: {why}" for name, why in table["missing"].items())
    made = UncutTable(
        title=escape(table["title"]),
        caption=escape(note),
        caption_justify="left",
        box=SIMPLE_HEAD,
        pad_edge=False,
        collapse_padding=True,
    )
    for name in (*(("",) if grouped else ()), "row"):
        made.add_column(name)
    made.add_column("n", justify="right")
    for metric in table["metrics"]:  # where there is no room for all, these break between words
        made.add_column(_title(metric), justify="right")
    last = ""
    for row in table["rows"]:
        cells = [
            f"{_mean(figure['after'], _digits(metric))}\n{_coloured(metric, figure['difference'], _seeds(row))}"
            for metric, figure in row["metrics"].items()
        ]
        group = (escape(row["column"]) if row["column"] != last else "",) if grouped else ()
        made.add_row(*group, escape(row["row"]), str(_seeds(row)), *cells)
        last = row["column"]
    return made


def markdown(table: Mapping[str, Any]) -> str:
    """For documents: a heading, the table with a column for every metric and every difference, what it means."""
    reference, grouped = table["reference"], any(row["column"] for row in table["rows"])
    head = [*([""] if grouped else []), "row", "seeds"]
    for metric in table["metrics"]:
        head += [_title(metric), "change", f"against {reference}"]
    lines = [f"## {table['title']}", "", _line(head), _line(["---"] * len(head))]
    for row in table["rows"]:
        cells = [*([row["column"]] if grouped else []), row["row"], str(_seeds(row))]
        for metric, figure in row["metrics"].items():
            bold = "**" if figure["difference"] and _side(figure["difference"]) else ""
            difference = _difference(figure["difference"], _digits(metric), _seeds(row))
            mean, change = _mean(figure["after"], _digits(metric)), _percent(figure["change_percent"])
            cells += [mean, change, f"{bold}{difference}{bold}"]
        lines.append(_line(cells))
    lines += ["", f"Means ± half of the interval ({table['interval']}). Bold: the interval excludes zero."]
    lines += [f"Protocol: {table['protocol']}."]
    lines += [f"- missing: {name}: {why}" for name, why in table["missing"].items()]
    return "\n".join(lines) + "\n"


def comma_separated(table: Mapping[str, Any]) -> str:
    """One line for each row and metric, for programs; nothing where there is no figure."""
    parts = ("after", "change_percent", "difference")
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    intervals = [f"{part}_{end}" for part in parts for end in ("mean", "low", "high")]
    writer.writerow(["column", "row", "metric", "seeds", *intervals, "difference_seeds", "reference", "seconds"])
    for row in table["rows"]:
        for metric, figure in row["metrics"].items():
            numbers = [(figure[part] or {}).get(end) for part in parts for end in ("mean", "low", "high")]
            seeds, shared = len(figure["values"]), (figure["difference"] or {}).get("n")
            last = (shared, table["reference"], row["seconds"])
            writer.writerow([row["column"], row["row"], metric, seeds, *numbers, *last])
    return text.getvalue()


def _title(metric: str) -> str:
    split, _, name = metric.partition(".")
    return f"{split} {TITLES[name] if name in TITLES else METRICS[name].title}"


def _seeds(row: Mapping[str, Any]) -> int:
    return max(len(figure["values"]) for figure in row["metrics"].values())


def _digits(metric: str) -> int:
    return METRICS[metric.rpartition(".")[2]].digits


def _mean(interval: Mapping[str, Any] | None, digits: int) -> str:
    return "-" if interval is None else f"{interval['mean']:.{digits}f}{_half(interval, digits)}"


def _percent(interval: Mapping[str, Any] | None) -> str:
    if interval is None:
        return "-"
    return f"{interval['mean']:+.1f}{_half(interval, 1)} %"


def _half(interval: Mapping[str, Any], digits: int) -> str:
    return "" if interval["high"] is None else f" ± {interval['high'] - interval['mean']:.{digits}f}"


def _difference(interval: Mapping[str, Any] | None, digits: int, seeds: int) -> str:
    """seeds: of the row; how many of them the reference has too is said where these are fewer."""
    if interval is None:
        return "-"
    ends = "" if interval["low"] is None else f" [{interval['low']:+.{digits}f}, {interval['high']:+.{digits}f}]"
    shared = f", n = {interval['n']}" if interval["n"] < seeds else ""
    return f"{interval['mean']:+.{digits}f}{ends}{shared}"


def _side(interval: Mapping[str, Any]) -> int:
    """1 or -1 where the whole interval is above or below zero, 0 where it is not, or where there is none."""
    if interval["low"] is None:
        return 0
    return int(interval["low"] > 0) - int(interval["high"] < 0)


def _coloured(metric: str, interval: Mapping[str, Any] | None, seeds: int) -> str:
    text = escape(_difference(interval, _digits(metric), seeds).replace(" ", "\n", 1))
    side = _side(interval) if interval else 0
    good = 1 if metric.rpartition(".")[2] in BETTER_HIGHER else -1
    return f"[{'dim' if not side else 'green' if side == good else 'red'}]{text}[/]"


def _line(cells: list[str]) -> str:
    return f"| {' | '.join(cells)} |"
