"""``posegen evaluate --dataset``: an estimator's figures on one split of a dataset, by a published protocol."""

from __future__ import annotations

import json
import time
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from rich.console import Console

from posegen import assemble, assets
from posegen.checkpoint import fingerprint, save_arrays
from posegen.config import to_table
from posegen.datasets.records import Dataset, Record
from posegen.datasets.registry import known
from posegen.datasets.sources import Source
from posegen.errors import UsageError, nearest
from posegen.protocols import PoseEstimator
from posegen.report import scores, summary
from posegen.scoring import results, submission
from posegen.scoring.folder import PART, Folder
from posegen.scoring.meshes import REGRESSOR, Meshes
from posegen.scoring.predict import FIGURE, Columns, Judge
from posegen.scoring.protocols import EvaluationProtocol, find
from posegen.scoring.sides import Abilities, abilities, has_mesh, labelled
from posegen.seeding import seed_torch
from posegen.settings import Settings
from posegen.track import Track

UNLABELLED = "unlabelled"
"""In a part's file: how many of its people are left out, as not all their joints are known."""


@dataclass(frozen=True, slots=True)
class Request:
    """What to evaluate on, and what to keep.

    protocol: without, the dataset's first that the estimator can be judged by.  limit: the first so many people.
    by: groupings to print.  out: the folder of results, None for none.
    """

    source: Source
    split: str | None = None
    protocol: str | None = None
    batch: int = 32
    workers: int = 2
    limit: int | None = None
    by: tuple[str, ...] = ()
    out: Path | None = None
    save_predictions: bool = False
    agora_predictions: bool = False
    resume: bool = False


def evaluate(settings: Settings, request: Request, console: Console | None = None) -> dict[str, Any]:
    """-> the content of ``result.json``. Raises PosegenError: an option, a missing file, damaged data."""
    if request.protocol is not None:
        _of(request.source.name, request.protocol)
    else:
        _protocols(request.source.name)
    device = assemble.usable_device(settings.device)
    with torch.random.fork_rng():
        torch.manual_seed(settings.seed)
        estimator: PoseEstimator = assemble.make("estimator", settings.estimator, device)
        return measure(estimator, settings, request, console)


def measure(
    estimator: PoseEstimator, settings: Settings, request: Request, console: Console | None = None
) -> dict[str, Any]:
    """``evaluate`` for an estimator that is there already. Torch's own generators are seeded anew for each part."""
    track = Track(None, console)
    with track.scan(f"scan {request.source.name}") as progress:
        dataset = request.source.open(request.split, progress)
    if estimator.module is not None:
        estimator.module.requires_grad_(False).eval()
    can = abilities(estimator)
    _check(request, dataset, can)
    if request.protocol is None:
        protocol, warning = _first(request.source.name, can, settings.estimator.name)
        if warning:
            track.console.print(f"[yellow]{warning}[/]", highlight=False)
    else:
        protocol = _of(request.source.name, request.protocol)
        if not can.satisfy(protocol):
            raise UsageError(
                f"{protocol.name} compares joints of {protocol.joint_set}; {settings.estimator.name} gives "
                f"{can.joint_set} and no SMPL body",
                f"--protocol {request.source.name}/limbs  compares the 12 limbs that both have, and says so",
            )
    return _Evaluation(settings, request, dataset, protocol, estimator, track).run()


def _check(request: Request, dataset: Dataset, can: Abilities) -> None:
    """Raises UsageError for what would fail, or mean nothing, when everybody is measured."""
    groups = dataset[0].groups if len(dataset) else {}
    scores.check_groupings(request.source.name, request.by, (*groups, "viewpoint"))
    if request.agora_predictions and known(request.source.name).asset != "agora":
        raise UsageError(f"AGORA's server does not take predictions on {request.source.name}", "--dataset agora")
    if request.agora_predictions and not can.body:
        raise UsageError("AGORA's server takes SMPL's meshes, which this estimator does not give", "another one")


@dataclass
class _Evaluation:
    settings: Settings
    request: Request
    dataset: Dataset
    protocol: EvaluationProtocol
    estimator: PoseEstimator
    track: Track

    def run(self) -> dict[str, Any]:
        request, protocol = self.request, self.protocol
        meshes = Meshes(getattr(self.estimator, "smpl", None))
        if REGRESSOR in assets.registered() and meshes.has_neutral:
            meshes.check_order()
        if request.agora_predictions:
            meshes.body("neutral")  # whose file may be missing
        whole = has_mesh(protocol, meshes) and meshes.counted is None
        placed = hasattr(self.estimator, "context") and not getattr(self.dataset, "cut", False)
        judge = Judge(self.estimator, protocol, meshes, request.batch, request.workers, placed)
        total = min(len(self.dataset), request.limit or len(self.dataset))
        folder = None if request.out is None else Folder(request.out, self.about(total), resume=request.resume)
        started = time.perf_counter()
        columns, left_out = self.columns(judge, folder, total)
        columns, official = results.complete(columns, protocol, meshes)
        seconds = {"all": round(time.perf_counter() - started, 2), "estimator": round(judge.seconds, 2)}
        columns, official = _named(columns, official, whole=whole)
        result = {
            **self.about(total),
            "definition": protocol.definition,
            "left_out": left_out | dict(getattr(self.dataset, "skipped", {})),
            **results.summarise(columns),
            "official": official,
            "seconds": None if folder and folder.resumed else seconds,
        }
        result = _plain(result)
        if folder:
            if request.save_predictions:
                save_arrays(folder.predictions, columns)
            if request.agora_predictions:
                submission.write(columns, folder.submission, meshes)
            folder.finish(result)
        scores.show(result, request.by, self.track.console)
        return result

    def about(self, people: int) -> dict[str, Any]:
        missing, module = getattr(self.dataset, "incomplete", ""), self.estimator.module
        return {
            "estimator": self.settings.estimator.name,
            "weights": summary.weights(self.estimator),
            "weights_sha256": "" if module is None else fingerprint(module),
            "options": to_table(self.settings)["estimator"],
            "dataset": self.request.source.name,
            "dataset_options": dict(self.request.source.options),
            "path": str(self.request.source.place().absolute()),
            "split": self.dataset.split,
            "protocol": self.protocol.name,
            "judged": people,
            "of": len(self.dataset),
            "incomplete": "" if missing == self.protocol.part else missing,
        }

    def columns(self, judge: Judge, folder: Folder | None, total: int) -> tuple[Columns, dict[str, int]]:
        """All rows, part by part, and how many people are left out: by the protocol, and for want of joints."""
        parts, left_out = [], Counter[str]()
        with self.track.phase(f"{self.request.source.name} {self.dataset.split}", total) as phase:
            for index, first in enumerate(range(0, total, PART)):
                last = min(first + PART, total)

                def make(first: int = first, last: int = last, index: int = index) -> Columns:
                    seed_torch(self.settings.seed, "measure", index)
                    chosen = [record for i in range(first, last) if self.keeps(record := self.dataset[i])]
                    known = [record for record in chosen if labelled(record, self.protocol)]
                    columns = judge.judge(known, phase.advance) if known else {}
                    return columns | {UNLABELLED: np.array([len(chosen) - len(known)])}

                part = make() if folder is None else folder.part(index, make)
                unlabelled, judged = int(part.pop(UNLABELLED)[0]), len(part.get("key", ()))
                left_out.update(protocol=last - first - judged - unlabelled, joints=unlabelled)
                if part:
                    parts.append(part)
                phase.iteration = last
        if not parts:
            raise UsageError(
                f"{self.protocol.name} leaves out everybody of {self.dataset.name} {self.dataset.split}",
                "nobody there has all the joints that it compares" if left_out["joints"] else "",
            )
        columns = {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}
        return columns, {why: people for why, people in left_out.items() if people}

    def keeps(self, record: Record) -> bool:
        return self.protocol.keep is None or self.protocol.keep(record)


def _protocols(dataset: str) -> tuple[str, ...]:
    """The names of a dataset's protocols. Raises UsageError for one without images."""
    names = known(dataset).protocols
    if not names:
        raise UsageError(
            f"dataset '{dataset}' has no images to judge an estimator on", "posegen evaluate --dataset 3dpw"
        )
    return names


def _of(dataset: str, name: str) -> EvaluationProtocol:
    """A protocol of this dataset. Raises UsageError for one of another."""
    own = _protocols(dataset)
    protocol = find(name)
    if name not in own:
        raise UsageError(
            f"protocol '{name}' is not for {dataset}", nearest(name, own) or f"choose among {', '.join(own)}"
        )
    return protocol


def _first(dataset: str, can: Abilities, estimator: str) -> tuple[EvaluationProtocol, str]:
    """The dataset's first protocol that the estimator can be judged by, and a warning if others came before it."""
    names = _protocols(dataset)
    protocols = [find(name) for name in names]
    chosen = next(protocol for protocol in protocols if can.satisfy(protocol))
    if chosen is protocols[0]:
        return chosen, ""
    return chosen, (
        f"{names[0]} compares joints of {protocols[0].joint_set}; {estimator} gives {can.joint_set} and no SMPL body. "
        f"Judged by {chosen.name} instead: not comparable with published numbers"
    )


def _named(columns: Columns, official: dict[str, float], whole: bool) -> tuple[Columns, dict[str, float]]:
    """MVE over all vertices is called so: AGORA's is over the body's 4,010."""
    if not whole or FIGURE + "mve" not in columns:
        return columns, official
    columns = {name + "_full" if name == FIGURE + "mve" else name: column for name, column in columns.items()}
    return columns, {k + "_full" if k in ("mve", "nmve") else k: v for k, v in official.items()}


def _plain(result: Mapping[str, Any]) -> dict[str, Any]:
    """Without NaN, which is no JSON: null where there is no number."""

    def plain(value: Any) -> Any:
        if isinstance(value, dict):
            return {str(k): plain(v) for k, v in value.items()}
        return None if isinstance(value, float) and not np.isfinite(value) else value

    whole: dict[str, Any] = json.loads(json.dumps(plain(dict(result))))
    return whole
