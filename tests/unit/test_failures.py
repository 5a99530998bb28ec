"""Errors that nobody expected: whose they are, and what is said."""

from __future__ import annotations

import errno
import importlib
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from posegen import PluginError, PosegenError, failures
from posegen.discovery import discover

FAULTY = """
import posegen
@posegen.hookimpl
def posegen_components():
    yield posegen.Component(kind="estimator", name="faulty", target="{target}")

def call(ask):
    return ask()["box"]
"""
Call = Callable[[Callable[[], Any]], Any]


def explained(call: Callable[[], object]) -> PosegenError:
    with pytest.raises(Exception) as caught:
        call()
    return failures.explain(caught.value)


@pytest.fixture(params=["faulty_estimator:Faulty", "collections:OrderedDict"])
def call(
    distribution: Callable[..., Path], monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest
) -> Iterator[Call]:
    """A function of an installed plugin's module, whatever its component points to."""
    monkeypatch.syspath_prepend(distribution("posegen-faulty", "faulty_estimator", FAULTY.format(target=request.param)))
    discover.cache_clear()
    yield importlib.import_module("faulty_estimator").call
    del sys.modules["faulty_estimator"]
    discover.cache_clear()


def test_in_a_plugin_it_is_the_plugins(call: Call) -> None:
    found = explained(lambda: call(dict))
    assert (type(found), found.exit_code) == (PluginError, 4)
    assert found.message == "plugin posegen-faulty 1.2 failed: KeyError: 'box'"


def test_in_what_a_plugin_called_too(call: Call) -> None:
    assert explained(lambda: call(lambda: 1 / 0)).message.endswith("1.2 failed: ZeroDivisionError: division by zero")


def test_elsewhere_it_is_ours() -> None:
    found = explained(lambda: 1 / 0)
    assert (found.exit_code, found.message) == (1, "unexpected ZeroDivisionError: division by zero")
    assert "posegen doctor" in found.hint


@pytest.mark.parametrize(
    "error",
    [
        MemoryError(),
        RuntimeError("DefaultCPUAllocator: can't allocate memory: 8 bytes"),
        OSError(errno.ENOMEM, "Cannot allocate memory"),
    ],
)
def test_too_little_memory_is_nobodys_fault(call: Call, error: Exception) -> None:
    def ask() -> None:
        raise error

    found = explained(lambda: call(ask))
    assert (found.exit_code, found.message) == (1, "there is not enough memory for this")


def test_a_full_disk_behind_the_output() -> None:
    def write() -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    assert "the disk is full" in explained(write).message
