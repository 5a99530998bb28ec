"""README's commands and what the files of the release say of each other. .ci/run is what runs the commands."""

from __future__ import annotations

import os
import re
import subprocess
import tomllib

import pytest
from documents import ROOT, command, text

import posegen

README = ROOT / "README.md"
PLUGINS = sorted(path.parent for path in ROOT.glob("plugins/*/pyproject.toml"))


def project(folder) -> dict:
    return tomllib.loads((folder / "pyproject.toml").read_text(encoding="utf-8"))["project"]


@pytest.mark.parametrize(
    ("name", "installed", "end"),
    [
        ("run", ". ./plugins/*", ".venv/bin/posegen run"),
        ("test", '-e . -e ".[test]" ./plugins/*', ".venv/bin/python -m pytest -n auto --dist loadfile"),
    ],
)
def test_each_command_is_one_line_that_needs_only_python_and_pip(name, installed, end):
    line = command(README, name)
    assert line == f"python3 -m venv .venv && .venv/bin/pip install {installed} && {end}\n"


@pytest.mark.skipif(os.name == "nt", reason="a bash script")
def test_ci_takes_the_commands_from_the_readme():
    script = ROOT / ".ci" / "run"
    assert os.access(script, os.X_OK)
    (function,) = re.findall(r"^command_of\(\) \{\n.*?^\}\n", script.read_text(), re.MULTILINE | re.DOTALL)
    for name in ("run", "test"):
        done = subprocess.run(
            ["bash", "-c", f"{function}command_of {name}"], cwd=ROOT, capture_output=True, text=True, check=True
        )
        assert done.stdout == command(README, name)
    assert subprocess.run(["bash", "-n", script]).returncode == 0


def test_the_extra_all_is_every_distribution_in_the_tree():
    assert sorted(project(ROOT)["optional-dependencies"]["all"]) == sorted(project(path)["name"] for path in PLUGINS)


def test_one_version():
    versions = {project(path)["version"] for path in (ROOT, *PLUGINS)}
    versions |= set(re.findall(r"^version: (.+)$", text(ROOT / "CITATION.cff"), re.MULTILINE))
    versions.add(re.search(r"^## ([\d.]+)", text(ROOT / "CHANGELOG.md"), re.MULTILINE)[1])
    assert versions == {posegen.__version__}


def test_one_paper():
    (doi,) = re.findall(r"doi += \{(.+)\}", text(README))
    assert f"doi: {doi}\n" in text(ROOT / "CITATION.cff")


@pytest.mark.parametrize("folder", PLUGINS, ids=lambda path: path.name)
def test_each_plugin_has_a_readme_and_a_licence(folder):
    about = project(folder)
    assert about["license"] and text(folder / about["readme"]).startswith(f"# {about['name']}\n")
