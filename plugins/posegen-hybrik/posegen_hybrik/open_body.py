"""The skeleton of the open body: what the open-compact network solves for."""

from __future__ import annotations

import json

import torch
from posegen_starter import files
from posegen_starter.body import OpenBody
from torch import Tensor

from posegen_hybrik.skeleton import LEAVES


def open_skeleton() -> tuple[Tensor, Tensor]:
    """Rest joints with leaves (29,3) and what each of the 10 betas moves (29,3,10), metres, +Y up.

    Raises AssetError for a damaged file of posegen-starter.
    """
    arrays = OpenBody(OpenBody.Options()).body().arrays
    points = json.loads(files.read("body_landmarks.json"))["points"]
    regressor = torch.as_tensor(arrays.J_regressor, dtype=torch.float64)
    leaves = torch.zeros(len(LEAVES), regressor.shape[1], dtype=torch.float64)
    for row, name in zip(leaves, LEAVES, strict=True):
        row[points[name]] = 1 / len(points[name])
    rows = torch.cat([regressor, leaves])
    template = rows @ torch.as_tensor(arrays.v_template, dtype=torch.float64)
    shape = rows @ torch.as_tensor(arrays.shapedirs[..., :10], dtype=torch.float64).flatten(1)
    return template.float(), shape.reshape(-1, 3, 10).float()
