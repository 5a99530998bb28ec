"""The open body: CC0, in SMPL's format, with landmarks on face, hands and feet."""

from __future__ import annotations

import json
from collections.abc import Sequence
from functools import cache
from pathlib import Path

import numpy as np
import torch
from safetensors.numpy import load
from torch import Tensor

import posegen
from posegen.body import Body, BodyArrays
from posegen_starter import files


class OpenBody:
    """A body of 13,380 vertices, 24 joints and 10 betas; pose does not deform it beyond skinning (posedirs are zero).

    Zero betas are a man of 1.83 m. b0 is mostly height, b1 separates women (+) from men (-).
    """

    class Options(posegen.Options):
        """No options."""

    def __init__(self, options: Options, *, device: torch.device | str = "cpu") -> None:
        self._device = torch.device(device)

    def body(self, betas: Sequence[float] | Tensor | None = None) -> Body:
        """The body with these 10 betas, the mean shape by default. Raises AssetError for a damaged file."""
        arrays, landmarks = _load(files.DATA)
        return Body.from_arrays(arrays, betas=betas, landmarks=landmarks).to(self._device)


@cache
def _load(folder: Path) -> tuple[BodyArrays, dict[str, list[int]]]:
    data = load(files.read("body.safetensors"))
    template = data["v_template"]
    weights = np.zeros((len(template), 24), np.float32)
    np.put_along_axis(weights, data["weights_index"].astype(np.int64), data["weights_value"].astype(np.float32), axis=1)
    regressor = np.zeros((24, len(template)), np.float32)
    joint, vertex = data["J_regressor_index"].T
    regressor[joint, vertex] = data["J_regressor_value"]
    arrays = BodyArrays(
        v_template=template,
        shapedirs=data["shapedirs"].astype(np.float32),
        posedirs=None,
        weights=weights / weights.sum(axis=1, keepdims=True),  # they are stored as float16
        J_regressor=regressor,
        faces=data["faces"].astype(np.int64),
        parents=data["parents"].astype(np.int64),
        source=str(folder / "body.safetensors"),
    )
    return arrays, json.loads(files.read("body_landmarks.json"))["points"]
