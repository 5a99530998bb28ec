"""The viewpoints of datasets beside each other: an npz for each, one picture, and the rows of a table."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from rich.console import Console

from posegen import viewpoints
from posegen.datasets.sources import Source
from posegen.errors import UsageError
from posegen.files import disk_error
from posegen.report import sphere
from posegen.track import Track


def compare(
    chosen: Sequence[Source],
    split: str | None,
    axes: viewpoints.Axes,
    every: int,
    out: Path,
    console: Console,
) -> list[tuple[str, ...]]:
    """Read the datasets, and write ``out``.

    Raises UsageError where something is in ``out`` already, PosegenError as the loaders do.
    """
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise UsageError(f"{out} is not empty", "choose another --out")
    track, labels, found = Track(None, console), [], []
    for source in chosen:
        with track.scan(f"scan {source.name}") as progress:
            dataset = source.open(split, progress)
        label = f"{source.name} {source.root.name if source.root and dataset.split == 'all' else dataset.split}"
        labels.append(label)
        if (again := labels.count(label)) > 1:
            label = f"{label} {again}"
        with track.phase(label, -(-len(dataset) // every)) as phase:
            seen = viewpoints.collect(dataset, axes, every=every, advance=phase.advance)
        found.append(replace(seen, name=label))
    for each in found:
        viewpoints.save(each, out / f"{each.name.replace(' ', '-')}.npz")
    picture = out / "viewpoints.png"
    try:
        sphere.draw(found).save(picture)
    except OSError as error:
        raise disk_error(picture, error) from error
    return [_row(each) for each in found]


def _row(found: viewpoints.Viewpoints) -> tuple[str, ...]:
    facts = viewpoints.summary(found)
    elevation = " / ".join(f"{facts[f'elevation_{share}']:.0f}°" for share in (5, 50, 95))
    shares = [f"{facts[name]:.1%}" for name in ("above_30", "below_30", "behind")]
    people = f"{len(found)}" + (f" ({found.skipped} without)" if found.skipped else "")
    return (found.name, people, elevation, *shares)
