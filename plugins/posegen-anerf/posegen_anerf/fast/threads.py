"""Strips of images are drawn side by side by threads, each of which computes alone.

A strip's pixels are the same bits whichever thread draws it, and however many there are.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from typing import TypeVar

import torch

Task = TypeVar("Task")
Result = TypeVar("Result")


@cache
def _pool(threads: int) -> ThreadPoolExecutor:
    """Threads in which a matrix product uses one core; the caller's setting is left as it was."""
    before, started = torch.get_num_threads(), threading.Barrier(threads + 1)

    def alone() -> None:
        torch.set_num_threads(1)
        started.wait()

    pool = ThreadPoolExecutor(threads, thread_name_prefix="posegen-anerf", initializer=alone)
    for _ in range(threads):
        pool.submit(int)
    started.wait()
    torch.set_num_threads(before)
    return pool


def each(function: Callable[[Task], Result], tasks: Iterable[Task], threads: int) -> list[Result]:
    """``[function(t) for t in tasks]``, several at once. The first exception is raised here.

    Meanwhile the caller's setting is one core, too: a backward pass takes over whatever that is. With more of them each
    thread would keep a team of its own, and OpenMP, with more threads than cores, put every later one to sleep between
    its tasks: small networks then train at half the speed.
    """
    pool, before = _pool(threads), torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        return list(pool.map(function, tasks))
    finally:
        torch.set_num_threads(before)
