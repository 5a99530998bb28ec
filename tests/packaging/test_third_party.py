"""The estimator that docs/plugins.md builds: installed by pip into a new environment, and used by its name."""

from __future__ import annotations

import json
import os
import pkgutil
import re
import subprocess
import sys
import sysconfig
import tomllib
import venv
from pathlib import Path

import pytest
from documents import ROOT, files

import posegen as core

PROJECT = files(ROOT / "docs" / "plugins.md")


@pytest.fixture(scope="module")
def python(tmp_path_factory) -> Path:
    """A new environment with the third party's package; everything else comes from this one, so that it is quick."""
    folder = tmp_path_factory.mktemp("third-party")
    for name, text in PROJECT.items():
        path = folder / "project" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    venv.create(folder / "venv", symlinks=os.name != "nt")
    executable = folder / "venv" / ("Scripts/python.exe" if os.name == "nt" else "bin/python")
    asked = [str(executable), "-c", "import sysconfig; print(sysconfig.get_path('purelib'))"]
    site = Path(subprocess.run(asked, check=True, capture_output=True, text=True).stdout.strip())
    shared = {sysconfig.get_path("purelib"), sysconfig.get_path("platlib")}
    (site / "shared.pth").write_text("".join(f"import site; site.addsitedir({path!r})\n" for path in sorted(shared)))
    install = ["-m", "pip", "install", "--quiet", "--no-deps", "--no-build-isolation", "--no-index"]
    subprocess.run([executable, *install, str(folder / "project")], check=True, env=quiet())
    return executable


def quiet() -> dict[str, str]:
    return {k: v for k, v in os.environ.items() if k != "PYTHONPATH"} | {"PIP_DISABLE_PIP_VERSION_CHECK": "1"}


def posegen(python: Path, *arguments: str) -> str:
    done = subprocess.run(
        [python, "-m", "posegen", *arguments],
        capture_output=True,
        text=True,
        encoding="utf-8",
        env=quiet(),
        timeout=300,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_it_is_listed(python):
    rows = json.loads(posegen(python, "plugins", "list", "--json"))
    (row,) = [row for row in rows if row["distribution"] == "posegen-tiny"]
    assert (row["kind"], row["name"], row["version"], row["status"]) == ("estimator", "tiny", "0.3", "ok")


def test_this_environment_does_not_have_it(python):
    assert "posegen-tiny" not in posegen(Path(sys.executable), "plugins", "list")


def test_its_options_are_shown(python):
    (row,) = json.loads(posegen(python, "plugins", "info", "tiny", "--json"))
    assert [(o["name"], o["default"]) for o in row["options"]] == [("width", 8), ("lr", 1e-3), ("checkpoint", None)]
    assert row["options"][1]["help"] == "Learning rate of fine-tuning."


def test_it_conforms(python):
    """Its own test is the conformance kit."""
    done = subprocess.run(
        [python, "-m", "pytest", "-q", "-p", "no:cacheprovider", "tests"],
        cwd=python.parents[2] / "project",
        capture_output=True,
        text=True,
        env=quiet(),
        timeout=300,
    )
    assert done.returncode == 0, done.stdout


def test_it_runs_by_name(python, tmp_path):
    settings = ["estimator.width=3", "loop.warmup=1", "loop.iterations=1", "loop.batch=8", "loop.samples=4"]
    settings += ["feedback.samples=4", "finetune.epochs=1"]
    settings += ["evaluate.samples=2", "evaluate.splits=['usd']"]
    sets = [part for setting in settings for part in ("--set", setting)]
    posegen(python, "run", "--estimator", "tiny", "--out", str(tmp_path / "out"), *sets)
    result = json.loads((tmp_path / "out" / "result.json").read_text())
    assert result["estimator"] == "tiny"
    assert set(result["splits"]) == {"usd"}

    weights = tmp_path / "out" / "estimator.safetensors"
    small = ["--set", "estimator.width=3", "--set", "evaluate.samples=2", "--set", "evaluate.splits=['ind']"]
    assert "ind" in posegen(python, "evaluate", "--estimator", "tiny", "--checkpoint", str(weights), *small)


def test_plugins_may_import_what_is_public_and_the_linter_refuses_the_rest():
    """docs/plugins.md lists the public names; every other module of the core is forbidden to ours, as to others."""
    linter = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["tool"]["importlinter"]
    (contract,) = (c for c in linter["contracts"] if c["name"].startswith("Plugins import only"))
    forbidden = {name.removeprefix("posegen.") for name in contract["forbidden_modules"]}
    page = (ROOT / "docs" / "plugins.md").read_text(encoding="utf-8")
    rule = page.partition("Import only the core's public names: ")[2].partition(" The rest")[0]
    public = set(re.findall(r"`(?:posegen)?\.(\w+)`", rule)) | {"hookspecs"}  # whose names are those of `posegen`
    modules = {module.name for module in pkgutil.iter_modules(core.__path__)} | {"recipes"}
    assert public | forbidden == modules - {"__main__"} and not public & forbidden
