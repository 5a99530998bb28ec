"""Fixtures of several folders of tests."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

if "PYTEST_XDIST_WORKER" in os.environ:  # before torch is imported: tests side by side share the cores
    os.environ.setdefault("OMP_NUM_THREADS", "1")

if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:  # in the background: what is started here would, too
    signal.signal(signal.SIGINT, signal.default_int_handler)

Write = Callable[..., Path]


@pytest.fixture
def distribution(tmp_path: Path) -> Write:
    """Writes an installed distribution (metadata, entry point, module) into a folder and returns the folder."""

    def write(name: str, module: str, source: str | None, *, entry: str = "", version: str = "1.2") -> Path:
        site = tmp_path / "site"
        metadata = site / f"{name.replace('-', '_')}-{version}.dist-info"
        metadata.mkdir(parents=True)
        (metadata / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n")
        (metadata / "entry_points.txt").write_text(f"[posegen]\n{entry or name} = {module}\n")
        if source is not None:
            (site / f"{module}.py").write_text(source)
        return site

    return write


@pytest.fixture
def without_spin(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """An environment in which posegen-spin, which the registry knows, is not installed."""
    from posegen import discovery

    everything = discovery.entry_points
    monkeypatch.setattr(discovery, "entry_points", lambda **of: [e for e in everything(**of) if e.name != "spin"])
    discovery.discover.cache_clear()
    yield
    discovery.discover.cache_clear()
