"""What all runs here share: a third party's parts, one thread, no registered assets."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import torch

from posegen.discovery import discover

THIRD_PARTY = Path(__file__).parent / "third_party"


@pytest.fixture(scope="package", autouse=True)
def third_party(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """The distribution posegen-blobs is installed, in this process and in those it starts."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(THIRD_PARTY))
        patch.setenv("PYTHONPATH", str(THIRD_PARTY))
        patch.setenv("OMP_NUM_THREADS", "1")
        patch.setenv("POSEGEN_CONFIG_DIR", str(tmp_path_factory.mktemp("config")))
        discover.cache_clear()
        yield
    discover.cache_clear()
    torch.set_num_threads(threads)


@pytest.fixture
def command() -> Callable[..., subprocess.CompletedProcess[str]]:
    """Runs ``posegen ARGUMENTS`` in a new process."""

    def run(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-m", "posegen", *arguments],
            env=os.environ | {"COLUMNS": "160"} | environment,
            capture_output=True,
            text=True,
            encoding="utf-8",
            timeout=120,
        )

    return run
