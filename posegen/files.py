"""Files that cannot be read or written, in a user's words; nothing is called damaged that may be whole."""

from __future__ import annotations

import errno
import json
import os
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path
from typing import Any

from posegen.errors import AssetError, PosegenError, UsageError

FULL = (errno.ENOSPC, errno.EDQUOT)


def home(path: str | Path) -> Path:
    """The path with ``~`` as the user's home, and an unknown ~user as it is: that is no error yet."""
    return Path(os.path.expanduser(path))  # noqa: PTH111


def read_json(path: Path, repair: str, keys: Iterable[str] = ()) -> dict[str, Any]:
    """A JSON file that holds a table with these keys.

    Raises AssetError, with ``repair`` as its hint, when it is damaged; when it cannot be read, with another.
    FileNotFoundError or NotADirectoryError where there is none: what that means the caller knows.
    """
    try:
        table = json.loads(path.read_text(encoding="utf-8"))
    except (FileNotFoundError, NotADirectoryError):
        raise
    except OSError as error:
        raise read_error(path, error, repair) from error
    except (ValueError, RecursionError) as error:
        raise AssetError(f"{path} is damaged: {error}", repair) from error
    if not isinstance(table, dict):
        raise AssetError(f"{path} is damaged: it holds no table of names", repair)
    if lacking := [key for key in keys if key not in table]:
        raise AssetError(f"{path} is damaged: it lacks '{lacking[0]}'", repair)
    return table


def disk_error(path: Path, error: Exception) -> PosegenError:
    """What a failed write of ``path`` means to a user."""
    if getattr(error, "errno", None) in FULL or any(os.strerror(code) in str(error) for code in FULL):
        return PosegenError(
            f"{path} could not be written: the disk is full",
            "free some space, and run it again, with --resume if it has that",
        )
    advice = "mend that and run it again, with --resume if it has that, or choose another --out"
    return PosegenError(f"{path} could not be written: {reason(error)}", advice)


def reason(error: Exception) -> str:
    """Why the system did not do it."""
    if isinstance(error, FileExistsError | NotADirectoryError):
        return "a file is where a folder is needed"
    return getattr(error, "strerror", None) or str(error)


def read_error(path: Path, error: OSError, repair: str) -> AssetError:
    """What a failed read of ``path`` means to a user. repair: what brings a file that is not there."""
    if isinstance(error, FileNotFoundError):
        return AssetError(f"{path} does not exist", repair)
    return AssetError(
        f"{path} cannot be read: {error.strerror or error}", "see to its permissions, and that it is a file"
    )


def check_new(path: Path, option: str = "--out") -> None:
    """Raises UsageError where something is already, or as ``check_writable`` does."""
    if path.exists():
        raise UsageError(f"{path} is there already", f"choose another {option}, or delete it")
    check_writable(path, option)


def check_writable(path: Path, option: str = "--out") -> None:
    """Raises UsageError where the file ``path`` cannot be written, before the hours of work that it is for. Leaves
    nothing."""
    if path.is_dir():
        raise UsageError(f"{path} is a folder, and is to be a file", f"choose another {option}")
    part, made = part_of(path), list[Path]()
    try:
        made += [folder for folder in path.parents if not folder.exists()]
        path.parent.mkdir(parents=True, exist_ok=True)
        part.touch()
        part.unlink()
    except OSError as error:
        raise UsageError(f"{path} cannot be written: {reason(error)}", f"choose another {option}") from error
    finally:
        for folder in made:
            with suppress(OSError):
                folder.rmdir()


def part_of(path: Path) -> Path:
    """Where ``path`` is written before it is moved to its place: two processes may write one file of a shared bank."""
    return path.with_name(f".{path.name}.{os.getpid()}.part")
