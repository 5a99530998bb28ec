"""Indexes of large datasets, kept between runs: what a scan of the files found, until a file changes."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from posegen.assets import cache_dir
from posegen.checkpoint import write_text
from posegen.errors import PosegenError


def indexed(name: str, files: Sequence[Path], scan: Callable[[], Any]) -> Any:
    """What ``scan`` returns (JSON's types), or returned before for the same files of the same sizes and times.

    name: of the kind of index; change it when ``scan`` changes. A cache that cannot be read or written only costs time.
    """
    states = [_state(file) for file in files]
    stamp = json.dumps([name, states])
    path = cache_dir() / "index" / f"{name}-{hashlib.sha256(stamp.encode()).hexdigest()[:24]}.json"
    with suppress(OSError, ValueError, KeyError, TypeError):
        kept = json.loads(path.read_text(encoding="utf-8"))
        if kept["stamp"] == stamp:
            return kept["found"]
    found = scan()
    with suppress(PosegenError):  # a full disk, or a home that is not ours
        write_text(path, json.dumps({"stamp": stamp, "found": found}))
    return found


def _state(file: Path) -> tuple[str, int, int]:
    try:
        stat = file.stat()
    except OSError:  # a link to nowhere, say: who reads it says what is wrong
        return str(file.absolute()), -1, -1
    return str(file.absolute()), stat.st_size, stat.st_mtime_ns
