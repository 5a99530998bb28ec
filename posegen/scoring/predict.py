"""What an estimator says about the people of a dataset, and each one's figures by a protocol, as arrays."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from posegen import alarms, viewpoints
from posegen.datasets.records import Record
from posegen.errors import AssetError
from posegen.nn.device import device_of
from posegen.protocols import PoseEstimator
from posegen.scoring.meshes import Meshes
from posegen.scoring.protocols import EvaluationProtocol
from posegen.scoring.sides import predicted_side, true_side
from posegen.scoring.windows import Window, read_ahead
from posegen.types import Estimate

Columns = dict[str, NDArray[Any]]
"""One row a person: ``key``, ``groups`` (JSON), ``image``, ``size``, ``box``; ``predicted`` and ``true`` joints of the
protocol; ``joints``, ``pose`` and ``betas`` as the estimator gave them; ``keypoints``, ``true_pose`` and ``true_betas``
where people are matched; ``azimuth`` and ``elevation``; ``figure/METRIC`` for each metric."""
FIGURE = "figure/"
CHECK = "the estimator gave it: check the checkpoint, or the estimator with posegen.testing"


@dataclass
class Judge:
    """An estimator and a protocol. placed: it is told where in a picture each crop lies.  seconds: spent in the
    estimator, its own cropping included."""

    estimator: PoseEstimator
    protocol: EvaluationProtocol
    meshes: Meshes
    batch: int
    workers: int
    placed: bool
    seconds: float = field(default=0.0)

    def judge(self, records: Sequence[Record], advance: Callable[[None, int], object]) -> Columns:
        """Every record's row; ``advance(None, n)`` after each n of them.

        Raises PosegenError for an image that cannot be read, and for values that are not finite.
        """
        device = device_of(self.estimator.module)
        parts: list[Columns] = []
        people: list[Record] = []
        sizes: list[tuple[int, int]] = []
        crops: list[Tensor] = []
        contexts: list[Tensor] = []

        def flush() -> None:
            inputs = [torch.cat(crops)] + ([torch.cat(contexts)] if contexts else [])
            parts.append(self._rows(people, sizes, self._predict(inputs, people[0].key)))
            advance(None, len(people))
            for each in (people, sizes, crops, contexts):
                each.clear()

        for record, window in read_ahead(records, self.workers):
            people.append(record)
            sizes.append(window.size)
            crops.append(self._crop(window, device))  # at once: a window is a hundred times its crop
            if self.placed:
                contexts.append(self._context(record, window.size, device))
            if len(people) == self.batch:
                flush()
        if people:
            flush()
        return {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}

    @torch.inference_mode()
    def _crop(self, window: Window, device: torch.device) -> Tensor:
        started = time.perf_counter()
        crop = self.estimator.crop(window.image[None].to(device), window.box[None].to(device))
        self.seconds += time.perf_counter() - started
        return crop

    @torch.inference_mode()
    def _context(self, record: Record, size: tuple[int, int], device: torch.device) -> Tensor:
        assert record.box is not None  # a window was cut around it
        picture, box = torch.tensor([size], dtype=torch.float32), record.box[None].float()
        intrinsics = None if record.intrinsics is None else record.intrinsics[None].float().to(device)
        context: Tensor = self.estimator.context(picture.to(device), box.to(device), intrinsics)  # type: ignore[attr-defined]
        return context

    @torch.inference_mode()
    def _predict(self, inputs: Sequence[Tensor], first: str) -> dict[str, Tensor]:
        started = time.perf_counter()
        estimate = self.estimator.predict(*inputs)
        own = {
            name: value.detach().float().cpu()
            for name in ("joints", "body_pose", "global_orient", "betas")
            if (value := getattr(estimate, name)) is not None
        }
        if not estimate.of_smpl:
            own.pop("betas", None)
        self.seconds += time.perf_counter() - started
        alarms.check_finite(f"people from {first} on", own, CHECK)
        return own

    @torch.inference_mode()
    def _rows(self, records: Sequence[Record], sizes: Sequence[tuple[int, int]], own: dict[str, Tensor]) -> Columns:
        estimate = Estimate(own["joints"], own.get("body_pose"), own.get("global_orient"), own.get("betas"))
        predicted = predicted_side(estimate, self.estimator.joint_set, self.protocol, self.meshes)
        true = true_side(records, self.protocol, self.meshes)
        alarms.check_finite(f"people from {records[0].key} on", {"the truth": true.joints}, "check the dataset's files")
        columns: Columns = {
            "key": np.array([r.key for r in records]),
            "groups": np.array([json.dumps(dict(r.groups)) for r in records]),
            "image": np.array([str(r.image) for r in records]),
            "size": np.array(sizes, dtype=np.int64),
            "box": torch.stack([r.box for r in records if r.box is not None]).numpy(),
            "predicted": predicted.joints.numpy(),
            "true": true.joints.float().numpy(),
            "joints": own["joints"].numpy(),
        }
        if "body_pose" in own and "global_orient" in own:
            columns["pose"] = torch.cat([own["global_orient"][:, None], own["body_pose"]], dim=1).numpy()
        if "betas" in own:
            columns["betas"] = own["betas"].numpy()
        if self.protocol.matched:
            columns |= _in_pictures(records)
        columns |= _seen_from(records)
        scores = self.protocol.score(predicted, true)
        return columns | {FIGURE + name: value.double().numpy() for name, value in scores.items()}


def _in_pictures(records: Sequence[Record]) -> Columns:
    """What a match with somebody else of the picture needs: the truth's key points (N,K,2) and SMPL parameters."""
    columns = {}
    for column, name, shape in (
        ("keypoints", "keypoints", None),
        ("true_pose", "pose", (24, 3)),
        ("true_betas", "betas", (10,)),
    ):
        values = [getattr(r, name) for r in records]
        if any(v is None for v in values) and shape is None:
            raise AssetError(f"{records[0].key}: people are matched by key points in the picture, and some lack them")
        missing = torch.full(shape or (), torch.nan)
        columns[column] = torch.stack([missing if v is None else v.float() for v in values]).numpy()
    return columns


def _seen_from(records: Sequence[Record]) -> Columns:
    nowhere = torch.full((3, 3), torch.nan, dtype=torch.float64)
    turns = [viewpoints.body_to_camera(record, "joints") for record in records]
    azimuth, elevation, _ = viewpoints.angles(torch.stack([nowhere if turn is None else turn for turn in turns]))
    return {"azimuth": azimuth.numpy(), "elevation": elevation.numpy()}
