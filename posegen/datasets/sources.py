"""A dataset as a user writes it: ``NAME``, ``NAME:PATH``, or either with ``?option=value,option=value``."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from posegen.datasets.registry import DATASETS, known, open_dataset, place
from posegen.errors import UsageError, nearest
from posegen.files import home

if TYPE_CHECKING:
    from posegen.datasets.records import Dataset

KINDS = {int: "a whole number", float: "a number"}


@dataclass(frozen=True, slots=True)
class Source:
    """root: None for the registered folder.  options: of the dataset's loader, converted to their types."""

    name: str
    root: Path | None = None
    options: Mapping[str, Any] = field(default_factory=dict)

    def place(self) -> Path:
        """Where it is, as ``registry.place``."""
        return place(self.name, self.root)

    def open(self, split: str | None = None, progress: Callable[[int, int], None] | None = None) -> Dataset:
        """As ``registry.open_dataset``."""
        return open_dataset(self.name, split, self.root, progress, self.options)


def parse(text: str) -> Source:
    """Raises UsageError for an unknown name or option, with the nearest, or a value of another kind."""
    where, mark, given = text.rpartition("?")
    if not (mark and "=" in given):  # a file's name may have a question mark
        where, given = text, ""
    name, _, path = where.partition(":")
    options = _options(known(name).name, given)
    return Source(name, home(path) if path else None, options)


def judged(texts: Iterable[str]) -> list[Source]:
    """Datasets, each as a user writes it, to judge an estimator on.

    Raises UsageError for one that is unknown, named twice, or without images.
    """
    found = [parse(text) for text in texts]
    for i, source in enumerate(found):
        if not DATASETS[source.name].protocols:
            raise UsageError(
                f"dataset '{source.name}' has no images to judge an estimator on", "like 3dpw, agora, 3dhp"
            )
        if any(source.name == other.name for other in found[:i]):
            raise UsageError(
                f"dataset '{source.name}' is named twice",
                f"one of a kind; the other: posegen evaluate --dataset {source.name}:PATH --checkpoint FILE",
            )
    return found


def _options(name: str, given: str) -> dict[str, Any]:
    kinds, found = known(name).options, dict[str, Any]()
    for pair in given.split(",") if given else ():
        key, _, value = pair.partition("=")
        if key not in kinds:
            hint = f"it has {', '.join(kinds)}" if kinds else "it has none"
            raise UsageError(f"dataset '{name}' has no option '{key}'", nearest(key, tuple(kinds)) or hint)
        if key in found:
            raise UsageError(f"dataset '{name}' is given '{key}' twice", "give it once")
        try:
            found[key] = kinds[key](value)
        except ValueError:
            raise UsageError(f"{name}: {key} = '{value}' is not {KINDS[kinds[key]]}", f"like {key}=1") from None
    return found
