"""What the command line imports: discovery and help must stay light."""

from __future__ import annotations

import subprocess
import sys

import pytest

HEAVY = ("torch", "pydantic", "numpy", "smplx", "numba", "PIL")
SCRIPT = """
import sys
sys.argv = ["posegen", *{arguments!r}]
from posegen.cli.main import main
try:
    main()
except SystemExit as end:
    assert not end.code, end.code
heavy = sorted(set({heavy!r}) & set(sys.modules))
sys.exit("imported: " + ", ".join(heavy) if heavy else 0)
"""


@pytest.mark.parametrize(
    "arguments",
    [
        ["--help"],
        ["--version"],
        ["run", "--help"],
        ["plugins", "list"],
        ["plugins", "list", "--all", "--json"],
        ["recipes", "list"],
        ["assets", "list"],
    ],
    ids=" ".join,
)
def test_light_verbs_import_nothing_heavy(arguments, tmp_path):
    script = SCRIPT.format(arguments=arguments, heavy=HEAVY)
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, cwd=tmp_path, timeout=60)
    assert done.returncode == 0, done.stderr


def test_the_package_itself_is_light():
    script = f"import sys, posegen; sys.exit(', '.join(set({HEAVY!r}) & set(sys.modules)) or 0)"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
