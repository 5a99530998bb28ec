"""What a run tells while it works: a live line for each phase, and every number in metrics.jsonl."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

from posegen import alarms
from posegen.checkpoint import write_text
from posegen.files import disk_error

EVERY = 10  # iterations between two readings of the losses: each reading waits for the device


class Track:
    """Collects losses as tensors and reads them in groups, so that the loop never waits for a number."""

    def __init__(self, metrics: Path | None, console: Console | None = None, *, whole: bool = True) -> None:
        """whole: no phase was done before, by an interrupted process or for another run."""
        self.metrics, self.console = metrics, console or Console(quiet=True)
        self.seconds: dict[str, float] = {}
        self.whole = whole

    @contextmanager
    def phase(self, name: str, total: int, done: int = 0) -> Iterator[Phase]:
        """One phase of ``total`` iterations, ``done`` of them before an interruption."""
        self.forget(name, done)
        columns = (
            TextColumn("{task.description:<28}"),
            BarColumn(bar_width=24),
            MofNCompleteColumn(),
            TimeElapsedColumn(),
            TimeRemainingColumn(),
            TextColumn("[dim]{task.fields[figures]}"),
        )
        started = time.perf_counter()
        live = Progress(*columns, console=self.console, transient=True, disable=not self.console.is_terminal)
        with live:
            phase = Phase(name, self, live, total, done)
            try:
                yield phase
            except Exception:
                phase.flush()  # an alarm about the last losses tells more than what followed from them
                raise
            phase.flush()
        spent = time.perf_counter() - started
        self.seconds[name] = round(self.seconds.get(name, 0.0) + spent, 2)
        self.console.print(f"[green]✓[/] {escape(f'{name:<26}')} {spent:6.1f} s  [dim]{phase.figures}", highlight=False)

    @contextmanager
    def scan(self, name: str) -> Iterator[Callable[[int, int], None]]:
        """A live line for a scan that says how far it is, and how far it goes, once it is under way."""
        columns = (TextColumn("{task.description:<28}"), BarColumn(bar_width=24), MofNCompleteColumn())
        with Progress(*columns, console=self.console, transient=True, disable=not self.console.is_terminal) as live:
            task = live.add_task(escape(name), total=None)
            yield lambda done, total: live.update(task, completed=done, total=total)

    def write(self, rows: Iterable[Mapping[str, Any]]) -> None:
        """Append to metrics.jsonl. Raises PosegenError when the disk is full."""
        if self.metrics is not None:
            try:
                with self.metrics.open("a", encoding="utf-8") as file:
                    file.write("".join(f"{json.dumps(row)}\n" for row in rows))
            except OSError as error:
                raise disk_error(self.metrics, error) from error

    def forget(self, phase: str, done: int) -> None:
        """Drop what an interrupted run wrote of iterations that will be repeated, and a line that it left half."""
        if self.metrics is None or not self.metrics.is_file():
            return
        lines = self.metrics.read_text(encoding="utf-8", errors="replace").splitlines(keepends=True)
        kept = [line for line in lines if _stands(line, phase, done)]
        if kept != lines:
            write_text(self.metrics, "".join(kept))


class Phase:
    """The progress of one phase."""

    def __init__(self, name: str, track: Track, live: Progress, total: int, done: int) -> None:
        self.name, self.track, self.live = name, track, live
        self.task = live.add_task(escape(name), total=total, completed=done, figures="")
        self.iteration = done
        self.pending: list[tuple[int, dict[str, Any]]] = []
        self.figures = ""

    def advance(self, losses: Any = None, by: int = 1) -> None:
        """One more iteration; ``losses`` is a dataclass of scalar tensors (None where there is no value)."""
        self.iteration += by
        if losses is not None:
            # fields are read by name: asdict would copy the tensors
            self.pending.append((self.iteration, {k: getattr(losses, k) for k in losses.__dataclass_fields__}))
        if len(self.pending) >= EVERY:
            self.flush()
        self.live.update(self.task, completed=self.iteration, figures=self.figures)

    def flush(self) -> None:
        """Read the pending losses, write them down and check them. Raises PosegenError on an alarm."""
        rows = [
            (iteration, {name: float(value) for name, value in losses.items() if value is not None})
            for iteration, losses in self.pending
        ]
        self.pending = []
        if rows:
            self.track.write({"phase": self.name, "iteration": i, **values} for i, values in rows)
        for iteration, values in rows:
            alarms.check(self.name, iteration, values)
        if rows:
            self.figures = "  ".join(f"{name} {value:.3f}" for name, value in rows[-1][1].items())


def _stands(line: str, phase: str, done: int) -> bool:
    try:
        row = json.loads(line)
        return line.endswith("\n") and not (row["phase"] == phase and row["iteration"] > done)
    except (ValueError, KeyError, TypeError):
        return False
