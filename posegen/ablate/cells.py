"""The cells of an ablation: one run for each column, row and seed, in a directory of its own."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from posegen import config
from posegen.ablate.recipe import Ablation
from posegen.assemble import complete
from posegen.config import difference, to_toml
from posegen.datasets import sources
from posegen.errors import UsageError, nearest
from posegen.evaluate import METRICS
from posegen.rundir import RunDirectory
from posegen.scoring.protocols import METRICS as PUBLISHED
from posegen.settings import Settings

LATER = {"finetune", "retain", "evaluate"}  # sections that the drawn samples do not depend on
MEASURED = {"seed", "device", "estimator", "motion", "photos", "evaluate"}  # and those that the figures before do


@dataclass(frozen=True, slots=True)
class Cell:
    """One run. changes: its settings that its column and row say, for people."""

    column: str
    row: str
    seed: int
    settings: Settings
    folder: Path
    changes: str

    @property
    def name(self) -> str:
        return "/".join(part for part in (self.column, self.row, str(self.seed)) if part)

    def state(self) -> Literal["done", "interrupted", "new"]:
        """Raises UsageError if its directory holds another run, or cannot be for a file in its place."""
        directory = RunDirectory(self.folder)
        if not directory.settings.is_file():
            there = next(path for path in (self.folder, *self.folder.parents) if path.exists())
            if not there.is_dir():
                raise UsageError(f"{there} is a file, and {self.folder} is to be a folder", "choose another --out")
            return "new"
        if (first := directory.settings.read_text(encoding="utf-8")) != to_toml(self.settings):
            differs = difference(first, self.settings)
            raise UsageError(f"{self.folder} holds a run with other settings: {differs}", "choose another --out")
        return "done" if directory.result.is_file() else "interrupted"

    def draws_as(self, other: Cell) -> bool:
        """Whether the drawn samples are those of the other cell: they are, where only later stages differ."""
        one, two = (c.settings.model_dump(exclude=LATER) for c in (self, other))
        return one == two and self.settings.loop.rounds == 1

    def starts_as(self, other: Cell) -> bool:
        """Whether the figures before are those of the other cell."""
        one, two = (c.settings.model_dump(include=MEASURED) for c in (self, other))
        return one == two


def cells(ablation: Ablation, seeds: Sequence[int], out: Path) -> list[Cell]:
    """Every cell with all its settings checked; seeds change fastest, so that a row is complete before the next begins.

    Raises UsageError, or PluginError, for the first whose settings cannot be used.
    """
    base = (ablation.keys.base,) if isinstance(ablation.keys.base, str) else ablation.keys.base
    made = []
    for column, in_column in ablation.columns.items():
        for row, in_row in ablation.rows.items():
            sections = [ablation.settings, in_column, in_row]
            changes = ", ".join(f"{'.'.join(k)}={g.value}" for k, g in (in_column | in_row).items())
            for seed in dict.fromkeys(seeds):
                configuration = config.load(base, {"--seeds": ("seed", seed)}, (), sections)
                settings = complete(configuration.settings, configuration.given)
                _check_metrics(ablation, settings)
                folder = out.joinpath(*(part for part in (column, row, str(seed)) if part))
                made.append(Cell(column, row, seed, settings, folder, changes))
    return made


def result(cell: Cell) -> dict[str, Any] | None:
    """What a finished cell measured; None for one that is not done. Raises AssetError if the file is damaged."""
    return RunDirectory(cell.folder).once("result.json", dict, "splits") if cell.state() == "done" else None


def _check_metrics(ablation: Ablation, settings: Settings) -> None:
    datasets = tuple(dataset.name for dataset in sources.judged(settings.evaluate.datasets))
    splits = settings.evaluate.splits + datasets
    for metric in ablation.keys.metrics:
        split, _, name = metric.partition(".")
        known = tuple(PUBLISHED) if split in datasets else METRICS
        if name not in known:
            raise UsageError(f"the metric '{metric}' is none", f"SPLIT.METRIC with {', '.join(known)}")
        if split not in splits:
            hint = nearest(split, splits) or f"there are {', '.join(splits)}"
            raise UsageError(f"the metric '{metric}' is of no split in evaluate.splits", hint)
