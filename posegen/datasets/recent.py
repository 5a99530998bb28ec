"""Files that were read a moment ago: records of one file are asked for one after the other."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Generic, TypeVar

Content = TypeVar("Content")


class Recent(Generic[Content]):
    """What ``read`` made of the last few files; no more than ``size`` are held."""

    def __init__(self, read: Callable[[Path], Content], size: int = 4) -> None:
        self._read, self._size = read, size
        self._held: dict[Path, Content] = {}

    def __getitem__(self, path: Path) -> Content:
        content = self._held.pop(path) if path in self._held else self._read(path)
        self._held[path] = content  # last again
        while len(self._held) > self._size:
            del self._held[next(iter(self._held))]
        return content
