"""Parts of a piece of work, computed side by side by threads that share the cores."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from typing import TypeVar

import torch

Task = TypeVar("Task")
Result = TypeVar("Result")


def each(function: Callable[[Task], Result], tasks: Iterable[Task], threads: int, cores: int = 1) -> list[Result]:
    """``[function(t) for t in tasks]``, several at once. The first exception is raised here.

    cores: that torch uses for one operation of one thread.
    """
    return list(_pool(threads, cores).map(function, tasks))


@cache
def _pool(threads: int, cores: int) -> ThreadPoolExecutor:
    """Threads with settings of their own; the caller's are left as they were."""
    before, started = torch.get_num_threads(), threading.Barrier(threads + 1)

    def begin() -> None:
        torch.set_num_threads(cores)
        started.wait()

    pool = ThreadPoolExecutor(threads, thread_name_prefix="posegen", initializer=begin)
    for _ in range(threads):
        pool.submit(int)
    started.wait()
    torch.set_num_threads(before)
    return pool
