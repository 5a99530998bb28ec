"""Photographs: crops of two filmed people, and images to stand behind a rendered person."""

from __future__ import annotations

import io
import itertools
from functools import cache
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch import Tensor

import posegen
from posegen.errors import UsageError, nearest
from posegen_starter import files

PERSON = {"train": 0, "test": 1}
"""Two people, so that what is kept of the one is checked on the other."""

BACKGROUNDS = {
    "train": (
        "hdri_apartment",
        "hdri_city",
        "hdri_esplanade",
        "hdri_forest",
        "hdri_lobby",
        "hdri_warehouse",
        "room_grass",
        "room_planks",
    ),
    "test": ("hdri_hall", "hdri_park", "room_brick", "room_tiles"),
}
"""Both splits hold photographed panoramas (hdri) and drawn rooms, indoors and outdoors."""

SIZE = 256


class StarterPhotos:
    """101 crops with the joints that BlazePose heavy sees in them (there is no measured truth), and 12 backgrounds."""

    class Options(posegen.Options):
        """No options."""

    def __init__(self, options: Options, *, device: torch.device | str = "cpu") -> None:
        self._device = torch.device(device)

    def people(self, split: str) -> Tensor:
        """(N,3,256,256) float32 RGB in [0,1]; ``train`` is the walking woman (49), ``test`` the jumping man (52).

        Raises UsageError for another split and AssetError for a damaged file, as the two methods below.
        """
        return _images(_people(files.DATA)[0][_check(split)]).to(self._device)

    def people_joints(self, split: str) -> tuple[str, Tensor]:
        """``("blazepose33", (N,33,3))``: metres, camera axes, origin between the hips."""
        return "blazepose33", torch.tensor(_people(files.DATA)[1][_check(split)], device=self._device)

    def backgrounds(self, split: str) -> Tensor:
        """(N,3,256,256) float32 RGB in [0,1] without people: 8 in ``train``, 4 in ``test``."""
        return _images(_backgrounds(_check(split), files.DATA)).to(self._device)


def _check(split: str) -> str:
    if split not in PERSON:
        raise UsageError(f"there is no split '{split}'", nearest(split, tuple(PERSON)) or "splits: train, test")
    return split


def _images(stored: np.ndarray) -> Tensor:
    return torch.from_numpy(stored).permute(0, 3, 1, 2).float() / 255


def _decode(content: bytes) -> np.ndarray:
    with Image.open(io.BytesIO(content)) as image:
        rgb = image.convert("RGB")
        return np.asarray(rgb if rgb.size == (SIZE, SIZE) else rgb.resize((SIZE, SIZE), Image.Resampling.LANCZOS))


@cache
def _people(folder: Path) -> tuple[dict[str, np.ndarray], dict[str, np.ndarray]]:
    """Crops (N,256,256,3) uint8 and teacher joints (N,33,3) float32, by split."""
    with np.load(io.BytesIO(files.read("real/people.npz")), allow_pickle=False) as data:
        stream, ends, person, joints = data["webp"], data["offset"], data["person"], data["teacher_world"]
    crops = np.stack([_decode(stream[a:b].tobytes()) for a, b in itertools.pairwise(ends)])
    rows = {split: person == who for split, who in PERSON.items()}
    return {s: crops[r] for s, r in rows.items()}, {s: joints[r] for s, r in rows.items()}


@cache
def _backgrounds(split: str, folder: Path) -> np.ndarray:
    return np.stack([_decode(files.read(f"backgrounds/{name}.webp")) for name in BACKGROUNDS[split]])
