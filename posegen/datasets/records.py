"""What every dataset of real or synthetic people gives: records, one for each person in each image."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

import torch
from torch import Tensor

BOX = (3 / 4 / 1.1, 1 / 1.2)  # width and height of a person's box, in sides of the published crop
FRONTAL = "only frames of camera 60457274"
"""How much of Human3.6M's test split is in SPIN's second file, as ``part_of`` says it."""


@dataclass(frozen=True, slots=True)
class Record:
    """One person in one image. Everything but ``key`` may be missing in a dataset; None says so.

    key: unique within the dataset, ``sequence/frame/person``.  image: the file.  box: (4,) x0,y0,x1,y1 pixels.
    joints: (J,3) metres, camera axes (x right, y down, z forward), in the order of ``joint_set``.  visible: (J,) bool.
    keypoints: (J,2) pixels.  pose: (24,3) axis-angle, root first, body to camera axes.  betas: (10,).
    gender: of the body that ``pose`` and ``betas`` are of: ``male``, ``female`` or ``neutral``.  translation: (3,)
    metres, camera axes: the pelvis.  intrinsics: (3,3) pixels. Motion, which has no camera, is in world axes, +Y up.
    groups: what results are broken down by: ``sequence``, ``action``, ``subject``, ``occlusion``, ...
    """

    key: str
    image: Path | None = None
    box: Tensor | None = None
    joints: Tensor | None = None
    joint_set: str | None = None
    visible: Tensor | None = None
    keypoints: Tensor | None = None
    pose: Tensor | None = None
    betas: Tensor | None = None
    gender: str | None = None
    translation: Tensor | None = None
    intrinsics: Tensor | None = None
    groups: Mapping[str, str] = field(default_factory=dict)


def box_in_crop(centre: Tensor, side: Tensor) -> Tensor:
    """The box (4,) of somebody of whom only the published square crop is known: centre (2,) and side () pixels.

    It is as high as the crop without SPIN's margin of 1.2, and as wide as CLIFF, whose crop is 3 to 4 with a margin of
    1.1, may find it without making its own crop any higher than the published one.
    """
    half = side * torch.tensor(BOX) / 2
    return torch.cat([centre - half, centre + half])


def part_of(found: int, published: int) -> str:
    """``20 of 24 sequences``, or nothing where all are there."""
    return f"{found} of {published} sequences" if found < published else ""


class Dataset(Protocol):
    """Lazy: constructing one reads an index at most, ``__getitem__`` reads one record, and no images.

    ``diagonal``, where a dataset has it and it is true: labels are of whole pictures' cameras whose focal length is the
    picture's diagonal, so that records need no ``intrinsics`` to tell where a person is seen from.  ``cut``, as well:
    its pictures were drawn or cut around a person, so that no estimator is told where in one somebody stands.
    ``incomplete``, as well: which part of the published split is there, as ``part_of`` says it, or nothing.
    """

    name: str
    split: str

    def __len__(self) -> int: ...

    def __getitem__(self, index: int) -> Record: ...

    def __iter__(self) -> Iterator[Record]: ...
