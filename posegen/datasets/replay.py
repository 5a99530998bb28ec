"""Labelled pictures of a dataset, to be seen again in fine-tuning so that they are not forgotten.

The published script does so with MPII's pictures and the poses of another network as labels.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor

from posegen.datasets.generated import Samples, concatenate, to_bytes
from posegen.datasets.photos import read_picture
from posegen.datasets.records import Dataset, Record
from posegen.datasets.registry import known
from posegen.datasets.sources import parse
from posegen.errors import UsageError
from posegen.geometry import resample, rotmat_to_rotvec, rotvec_to_rotmat, square

if TYPE_CHECKING:
    from posegen.body import Body

SIDE = 256  # pixels of a picture that is kept
MARGIN = 1.5  # its side over the person's box: room for every estimator's own crop
TRIES = 8  # records looked at for each that is wanted


def open_source(source: str, joint_set: str) -> Dataset:
    """``NAME`` or ``NAME:PATH`` -> a dataset's training split, or its only one.

    Raises as ``open_dataset`` does, and UsageError where no record can have a picture, or labels for this joint set.
    """
    found = parse(source)
    entry = known(found.name)
    if not entry.protocols:
        raise _unfit(entry.name, "pictures")
    dataset = found.open("train" if "train" in entry.splits else None)
    if not entry.posed and dataset[0].joint_set != joint_set:
        raise _unfit(entry.name, _labels(joint_set))
    return dataset


def draw(
    dataset: Dataset, count: int, body: Body, joint_set: str, rng: torch.Generator, *, centred: bool = False
) -> Samples:
    """Up to ``count`` random people of a dataset with their true joints.

    A record's joints are used where they are all there and of ``joint_set``; otherwise ``body`` takes its pose.
    centred: where the camera is known, labels are turned to how one sees the person that looks straight at the crop.
    Networks that are told where in a picture their crop lies take a crop alone for the whole picture of such a camera.
    Raises UsageError for a dataset without pictures, or with labels that are neither; AssetError for damaged files.
    """
    order = torch.randperm(len(dataset), generator=rng)[: TRIES * count].tolist()
    chosen: list[tuple[Record, Tensor]] = []
    pictures = False
    while order and len(chosen) < count:
        now, order = order[: count - len(chosen)], order[count - len(chosen) :]
        records = {index: dataset[index] for index in sorted(now)}  # many datasets hold one file at a time
        for record in (records[index] for index in now):
            pictures = pictures or (record.image is not None and _has_area(record.box))
            truth = _truth(record, body, joint_set)
            if record.image is not None and _has_area(record.box) and truth is not None:
                chosen.append((record, truth))
    if not chosen:
        raise _unfit(dataset.name, _labels(joint_set) if pictures else "pictures")
    diagonal = centred and bool(getattr(dataset, "diagonal", False))
    return concatenate(_sample(record, truth, centred, diagonal) for record, truth in chosen)


def _unfit(name: str, lacks: str) -> UsageError:
    return UsageError(
        f"dataset '{name}' cannot be replayed: its records have no {lacks}",
        "choose another dataset for retain.dataset, or another --estimator",
    )


def _has_area(box: Tensor | None) -> bool:
    """Whether there is something to cut out: of a person with one visible key point a box may be that point."""
    return box is not None and bool((box[2:] - box[:2]).max() >= 1)


def _labels(joint_set: str) -> str:
    return f"poses and joints of '{joint_set}'"


def _truth(record: Record, body: Body, joint_set: str) -> Tensor | None:
    """Joints (J,3) in camera axes, metres; None where the record has no label for this joint set."""
    whole = record.visible is None or bool(record.visible.all())
    if record.joints is not None and record.joint_set == joint_set and whole:
        return record.joints.float()
    if record.pose is None:
        return None
    pose = record.pose[None].to(body.rest_joints)
    joints = body.joints(pose[:, 1:], joint_set=joint_set)
    return (joints @ rotvec_to_rotmat(pose[:, 0]).transpose(-1, -2))[0].cpu().float()


def _sample(record: Record, truth: Tensor, centred: bool, diagonal: bool) -> Samples:
    assert record.image is not None and record.box is not None
    rgba = np.array(read_picture(record.image, "RGBA", "is the dataset whole? get the picture again"))
    pixels = torch.from_numpy(rgba).permute(2, 0, 1)[None].float() / 255
    image = torch.cat([pixels[:, :3] * pixels[:, 3:], pixels[:, 3:]], 1)
    box = record.box[None].float()
    centre, side = square(box, MARGIN)
    cut = resample(image, centre, side, SIDE)
    corner = (centre - side[:, None] / 2).repeat(1, 2)
    pose = torch.full((24, 3), torch.nan) if record.pose is None else record.pose.float()
    if diagonal or (centred and record.intrinsics is not None):
        turn = _towards(centre[0], record.intrinsics, *image.shape[:1:-1])
        truth = truth @ turn.T
        pose = torch.cat([rotmat_to_rotvec(turn @ rotvec_to_rotmat(pose[:1])), pose[1:]])
    facing = torch.diag(torch.tensor([1.0, -1.0, -1.0]))
    alpha = to_bytes(cut[:, 3:])
    return Samples(
        image=torch.minimum(to_bytes(cut[:, :3]), alpha),
        alpha=alpha,
        box=(box - corner) * SIDE / side[:, None],
        theta=pose[None, 1:],
        view=rotmat_to_rotvec(rotvec_to_rotmat(pose[:1]).transpose(-1, -2) @ facing),
        truth=truth[None],
        error=torch.full((1,), torch.nan),
        points=truth.new_full((1, len(truth), 2), torch.nan),  # a record's keypoints are of another joint set
        intrinsics=torch.full((1, 3, 3), torch.nan),
        pelvis=torch.full((1, 3), torch.nan),
        person=torch.zeros(1, dtype=torch.long),
    )


def _towards(point: Tensor, intrinsics: Tensor | None, width: int, height: int) -> Tensor:
    """The smallest turn (3,3) of camera axes after which a camera looks at ``point`` (2,), pixels.

    Without intrinsics the focal length is the picture's diagonal.
    """
    if intrinsics is None:
        ray = torch.tensor([*(point - torch.tensor([width, height]) / 2), math.hypot(width, height)])
    else:
        ray = torch.linalg.inv(intrinsics.float()) @ torch.cat([point, torch.ones(1)])
    ray = ray / ray.norm()
    axis = torch.stack([ray[1], -ray[0], torch.zeros(())])  # ray x (0, 0, 1)
    sine = axis.norm().clamp(min=1e-12)
    return rotvec_to_rotmat(axis / sine * torch.atan2(sine, ray[2]))
