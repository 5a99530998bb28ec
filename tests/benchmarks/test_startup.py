"""How long the light verbs take, interpreter start included: ``pytest tests/benchmarks --benchmark-only``."""

from __future__ import annotations

import subprocess
import sys

import pytest


@pytest.mark.parametrize("arguments", [["--help"], ["plugins", "list"], ["run", "--help"], ["--version"]], ids=" ".join)
def test_startup(benchmark, arguments):
    """The aim is 0.35 s for --help and plugins list."""
    command = [sys.executable, "-m", "posegen", *arguments]
    benchmark.pedantic(subprocess.run, (command,), {"check": True, "capture_output": True}, rounds=10, warmup_rounds=2)
