"""Fixtures of several folders of tests."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

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
