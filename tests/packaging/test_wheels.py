"""The wheels hold what the code needs at run time, and work without the checkout."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def wheel(tmp_path_factory):
    """Builds the wheel of a distribution in the tree."""

    def build(project: Path) -> Path:
        out = tmp_path_factory.mktemp("wheel")
        command = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(out)]
        subprocess.run(command, cwd=project, check=True, capture_output=True)
        (file,) = out.glob("*.whl")
        return file

    return build


def test_the_core_works_from_its_wheel(wheel, tmp_path):
    with zipfile.ZipFile(wheel(ROOT)) as archive:
        archive.extractall(tmp_path)
    for file in ("registry.toml", "py.typed", "recipes/quick.toml", "recipes/ablations/tradeoff.toml"):
        assert (tmp_path / "posegen" / file).is_file()
    environment = os.environ | {"PYTHONPATH": str(tmp_path)}
    script = "from posegen import registry; print(registry.path())"
    found = subprocess.run(
        [sys.executable, "-c", script], cwd=tmp_path, env=environment, check=True, capture_output=True, text=True
    )
    assert Path(found.stdout.strip()) == tmp_path / "posegen" / "registry.toml"
    listed = subprocess.run(
        [sys.executable, "-m", "posegen", "plugins", "list", "--all", "--json"],
        cwd=tmp_path, env=environment, check=True, capture_output=True, text=True,
    )  # fmt: skip
    assert "spin" in {row["name"] for row in json.loads(listed.stdout)}


@pytest.mark.parametrize("project", sorted(ROOT.glob("plugins/*/")), ids=lambda p: p.name)
def test_a_plugins_wheel_is_typed_and_declares_its_entry_point(wheel, project):
    with zipfile.ZipFile(wheel(project)) as archive:
        names = archive.namelist()
        (entry,) = [name for name in names if name.endswith(".dist-info/entry_points.txt")]
        text = archive.read(entry).decode()
    module = text.rpartition("=")[2].strip()
    assert "[posegen]" in text
    assert f"{module}/__init__.py" in names and f"{module}/py.typed" in names
    assert not [name for name in names if "__pycache__" in name or name.startswith("tests/")]
