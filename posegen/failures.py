"""What an error that nobody expected means to a user: the machine's, a plugin's, or ours."""

from __future__ import annotations

import errno
import re
from traceback import walk_tb

from posegen.discovery import Plugin, discover, one_line
from posegen.errors import AssetError, PluginError, PosegenError
from posegen.files import FULL

MEMORY = "not enough memory|can't allocate memory|out of memory"  # as torch says it, of processors and of GPUs


def explain(error: Exception, again: str = "run again with --debug") -> PosegenError:
    """One sentence, a hint, and the exit code.  again: what shows a traceback, for who has to find the cause."""
    number = error.errno if isinstance(error, OSError) else None
    if isinstance(error, MemoryError) or number == errno.ENOMEM or re.search(MEMORY, str(error)):
        advice = "lower loop.batch, finetune.batch or camera.size, --jobs of ablate, --size of render"
        return PosegenError("there is not enough memory for this", advice)
    if number in FULL:  # not of a file, which says its name: of what is printed
        return PosegenError("the output could not be written: the disk is full", "free some space")
    if isinstance(error, PermissionError):  # wherever it is met, it is the user's file or folder
        return AssetError(f"{error.filename or 'a file'} cannot be used: {error.strerror}", "see to its permissions")
    if row := _in_plugin(error):
        return PluginError(
            f"plugin {row.distribution} {row.version} failed: {one_line(error)}", f"{again}  shows where"
        )
    advice = f"{again}, and paste that and `posegen doctor` into a bug report"
    return PosegenError(f"unexpected {one_line(error)}", advice)


def _in_plugin(error: Exception) -> Plugin | None:
    """The plugin of the innermost frame that is in one: what it calls from there, it answers for."""
    owners = {package: row for row in discover() for package in _packages(row)}
    frames = (frame.f_globals.get("__name__", "") for frame, _ in walk_tb(error.__traceback__))
    passed = [owners[package] for package in (name.partition(".")[0] for name in frames) if package in owners]
    return passed[-1] if passed else None


def _packages(row: Plugin) -> set[str]:
    """The packages that hold a plugin's code: of its entry point, and of what that points to."""
    names = [row.module, *([row.component.target] if row.component else [])]
    return {re.split("[.:]", name)[0] for name in names}
