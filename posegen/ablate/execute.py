"""Runs the cells that are not done, one after another or in several processes; what two cells share is made once."""

from __future__ import annotations

import multiprocessing
import os
import shlex
import shutil
import signal
import threading
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import torch
from rich.console import Console

from posegen import failures, run
from posegen.ablate.cells import Cell
from posegen.ablate.recipe import Ablation
from posegen.ablate.table import tabulate
from posegen.checkpoint import write_text
from posegen.config import to_toml
from posegen.doctor import usable_cpus
from posegen.errors import PosegenError
from posegen.files import disk_error
from posegen.report import ablation as report
from posegen.rundir import INPUTS, RunDirectory


@dataclass(frozen=True, slots=True)
class Ended:
    """A cell that has been run; ``error`` is why it failed."""

    cell: Cell
    error: PosegenError | None


def ablate(
    ablation: Ablation, cells: Sequence[Cell], out: Path, *, jobs: int = 1, console: Console | None = None
) -> dict[str, PosegenError]:
    """Run what is not done and write the table after every cell, as far as it goes; -> why cells failed.

    Raises as ``execute`` does.
    """
    console = console or Console(quiet=True)
    errors: dict[str, PosegenError] = {}
    for ended in execute(cells, jobs, console):
        if ended.error is not None:
            errors[ended.cell.name] = ended.error
        says = ended.error.message if ended.error else "done"
        console.print(f"{ended.cell.name}: {says}", markup=False, highlight=False)
        report.write(tabulate(ablation, cells, errors), out)
    table = tabulate(ablation, cells, errors)
    report.write(table, out)
    console.print(report.rich(table))
    console.print(f"{out / 'table.md'}, .csv, .json and .txt", markup=False, highlight=False)
    return errors


def execute(cells: Sequence[Cell], jobs: int, console: Console) -> Iterator[Ended]:
    """Run every cell that is not done, as they end. A cell that fails does not keep the others from running.

    Raises PosegenError if a process dies, and UsageError, before anything runs, for a directory of another run.
    """
    waiting = [cell for cell in cells if cell.state() != "done"]
    if jobs == 1:
        for cell in waiting:
            console.print(f"[bold]{cell.name}[/]", highlight=False)
            yield work(cell, cells, console)
    elif waiting:
        yield from _in_processes(waiting, cells, jobs)


def work(cell: Cell, cells: Sequence[Cell], console: Console | None = None) -> Ended:
    """One cell: begun with what finished cells have in common with it, or gone on with."""
    try:
        if cell.state() == "new":
            _begin(cell, [other for other in cells if other.seed == cell.seed and other.state() == "done"])
        run.run(cell.settings, cell.folder, resume=cell.state() == "interrupted", console=console)
    except PosegenError as error:
        return Ended(cell, error)
    except Exception as error:  # an estimator of a third party may fail in any way
        again = shlex.join(("posegen", "run", "--resume", "--debug", "--out", str(cell.folder)))
        return Ended(cell, failures.explain(error, again))
    return Ended(cell, None)


def _begin(cell: Cell, done: Sequence[Cell]) -> None:
    """A directory as an interrupted run would have left it: with the samples, and the figures before, of another cell.

    They are the same to the bit: every stage draws from a stream of its own.
    """
    drawn = next((o for o in done if cell.draws_as(o) and _whole(RunDirectory(o.folder).dataset / "round-0")), None)
    measured = next((o for o in done if cell.starts_as(o)), None)
    shared = drawn or measured
    if cell.folder.exists() or shared is None:
        return
    part = RunDirectory(cell.folder.with_name(f".{cell.folder.name}.part"))
    inputs = shared.folder / INPUTS  # where the cell's own are others by now, it fails
    try:
        shutil.rmtree(part.path, ignore_errors=True)
        part.path.mkdir(parents=True)
        if inputs.is_file():
            shutil.copyfile(inputs, part.path / INPUTS)
        if measured is not None:
            shutil.copyfile(measured.folder / "before.json", part.path / "before.json")
            for dataset in RunDirectory(measured.folder).datasets.glob("*/before"):
                shutil.copytree(dataset, part.datasets / dataset.parent.name / "before")
        if drawn is not None:
            shutil.copytree(RunDirectory(drawn.folder).dataset / "round-0", part.dataset / "round-0")
        write_text(part.settings, to_toml(cell.settings))
        part.path.rename(cell.folder)
    except OSError as error:
        raise disk_error(cell.folder, error) from error


def _whole(dataset: Path) -> bool:
    return (dataset / "dataset.json").is_file()


def _start(threads: int) -> None:
    """In a process of the pool: its share of the cores, and its end when the command is killed."""
    torch.set_num_threads(threads)
    threading.Thread(target=_end_with_parent, daemon=True).start()


def _end_with_parent() -> None:
    parent = multiprocessing.parent_process()
    assert parent is not None
    parent.join()
    os._exit(1)  # what it was doing can be taken up again


@contextmanager
def _deaf() -> Iterator[None]:
    """Processes that start within never hear Ctrl-C, not even while they import: the command answers, and ends them."""
    if not hasattr(signal, "pthread_sigmask"):  # Windows
        yield
        return
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _in_processes(waiting: Sequence[Cell], cells: Sequence[Cell], jobs: int) -> Iterator[Ended]:
    """Each process has its share of the cores: two processes of one thread beat one process of two."""
    threads = max(1, usable_cpus() // jobs)
    others = set(multiprocessing.active_children())
    with ProcessPoolExecutor(
        min(jobs, len(waiting)),
        mp_context=multiprocessing.get_context("spawn"),
        initializer=_start,
        initargs=(threads,),
    ) as pool:
        try:
            with _deaf():
                futures = [pool.submit(work, cell, cells) for cell in waiting]
            for future in as_completed(futures):
                yield future.result()
        except BrokenProcessPool as error:
            raise PosegenError("a process ended abruptly, as for want of memory", "use fewer --jobs") from error
        except (KeyboardInterrupt, GeneratorExit):
            pool.shutdown(wait=False, cancel_futures=True)
            for process in set(multiprocessing.active_children()) - others:
                process.terminate()  # what it was doing can be taken up again
            raise
