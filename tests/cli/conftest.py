"""Two ways to run the command line: in a process of its own, and in this one where torch is already imported."""

from __future__ import annotations

import os
import subprocess
import sys
import warnings
from dataclasses import dataclass
from pathlib import Path

import pytest


@dataclass(frozen=True)
class Ended:
    code: int
    out: str
    err: str


@pytest.fixture(autouse=True)
def own_config(tmp_path, monkeypatch):
    """No test sees or changes the user's registered assets."""
    monkeypatch.setenv("POSEGEN_CONFIG_DIR", str(tmp_path / "config"))
    monkeypatch.setenv("COLUMNS", "100")


@pytest.fixture
def command():
    """Runs ``posegen ARGUMENTS`` in a new process; ``site`` is a folder of installed distributions."""

    def run(*arguments: str, site: Path | None = None, cwd: Path | None = None) -> Ended:
        environment = os.environ | {"PYTHONPATH": str(site or "")}
        done = subprocess.run(
            [sys.executable, "-m", "posegen", *arguments],
            env=environment,
            cwd=cwd,
            capture_output=True,
            text=True,
            encoding="utf-8",
            timeout=120,
        )
        return Ended(done.returncode, done.stdout, done.stderr)

    return run


@pytest.fixture
def posegen(monkeypatch, capsys):
    """Runs ``posegen ARGUMENTS`` in this process."""
    from posegen.cli.main import main

    monkeypatch.setattr("warnings.formatwarning", warnings.formatwarning)  # main sets it for a whole process

    def run(*arguments: str) -> Ended:
        monkeypatch.setattr(sys, "argv", ["posegen", *arguments])
        code = 0
        try:
            main()
        except SystemExit as end:
            code = int(end.code or 0)
        printed = capsys.readouterr()
        return Ended(code, printed.out, printed.err)

    return run
