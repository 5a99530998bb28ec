"""What the command line prints: tables and data to stdout, errors and advice to stderr. Colours only on a terminal."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

from posegen.errors import PosegenError


def out() -> Console:
    """The console of results."""
    return Console(highlight=False, soft_wrap=True)


def error(problem: PosegenError) -> None:
    """A failure and its repair, on stderr."""
    console = Console(stderr=True, highlight=False, soft_wrap=True)
    console.print(Text("error: ", style="bold red").append(problem.message, style="default"))
    if problem.hint:
        console.print(Text("hint: ", style="bold cyan").append(problem.hint, style="default"))


def table(columns: Sequence[str], rows: Sequence[Sequence[str]], *, header: bool = True) -> None:
    """Text in columns: folded to the terminal's width; piped, one line for each row."""
    console = out()
    if not console.is_terminal:
        lines = [columns, *rows] if header else rows
        widths = [max((len(line[i]) for line in lines), default=0) for i in range(len(columns))]
        for line in lines:
            padded = "  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True))
            console.out(padded.rstrip())
        return
    grid = Table(box=None, pad_edge=False, header_style="bold", show_header=header)
    for column in columns:
        grid.add_column(column, overflow="fold")
    for row in rows:
        grid.add_row(*(Text(cell) for cell in row))
    console.print(grid, soft_wrap=False)


def data(value: Any) -> None:
    """JSON on stdout."""
    out().print(json.dumps(value, indent=2, default=str), markup=False)
