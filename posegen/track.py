"""What a run tells while it works: a live line for each phase, and every number in metrics.jsonl."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

from posegen import alarms

EVERY = 10  # iterations between two readings of the losses: each reading waits for the device


class Track:
    """Collects losses as tensors and reads them in groups, so that the loop never waits for a number."""

    def __init__(self, metrics: Path | None, console: Console | None = None) -> None:
        self.metrics, self.console = metrics, console or Console(quiet=True)
        self.seconds: dict[str, float] = {}

    @contextmanager
    def phase(self, name: str, total: int) -> Iterator[Phase]:
        """One phase of ``total`` iterations."""
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
            phase = Phase(name, self, live, total)
            yield phase
            phase.flush()
        spent = time.perf_counter() - started
        self.seconds[name] = round(self.seconds.get(name, 0.0) + spent, 2)
        self.console.print(f"[green]✓[/] {name:<26} {spent:6.1f} s  [dim]{phase.figures}", highlight=False)


class Phase:
    """The progress of one phase."""

    def __init__(self, name: str, track: Track, live: Progress, total: int) -> None:
        self.name, self.track, self.live = name, track, live
        self.task = live.add_task(name, total=total, figures="")
        self.iteration = 0
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
        if rows and self.track.metrics is not None:
            lines = (json.dumps({"phase": self.name, "iteration": i, **values}) for i, values in rows)
            with self.track.metrics.open("a", encoding="utf-8") as file:
                file.write("".join(f"{line}\n" for line in lines))
        for iteration, values in rows:
            alarms.check(self.name, iteration, values)
        if rows:
            self.figures = "  ".join(f"{name} {value:.3f}" for name, value in rows[-1][1].items())
