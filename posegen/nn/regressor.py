"""The iterative regressor of HMR (Kanazawa et al. 2018), which SPIN and CLIFF share, with their published names."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor, nn

from posegen.geometry import rot6d_to_rotmat

POSE, SHAPE, CAMERA = 144, 10, 3
ITERATIONS = 3
DROPOUT = 0.5


class Regressed(NamedTuple):
    """rotations: (N,24,3,3), root first, body to camera axes.  betas: (N,10).  camera: (N,3) weak perspective s, tx,
    ty."""

    rotations: Tensor
    betas: Tensor
    camera: Tensor


class Regressor(nn.Module):
    """A base of networks whose features become SMPL's parameters; ``add_heads`` makes the layers.

    It starts from ``init_pose``, ``init_shape`` and ``init_cam``, which weights files carry, and corrects its own
    guess a few times. There is no nonlinearity between the two hidden layers, as published.
    """

    init_pose: Tensor
    init_shape: Tensor
    init_cam: Tensor

    def add_heads(self, features: int, hidden: int, context: int = 0, dropout: float = DROPOUT) -> None:
        """features: width of the pooled backbone.  context: numbers beside them, such as CLIFF's three of the box."""
        self.fc1 = nn.Linear(features + context + POSE + SHAPE + CAMERA, hidden)
        with torch.no_grad():
            self.fc1.weight[:, features : features + context] = 0  # pretraining gives no context: it then says nothing
        self.drop1 = nn.Dropout(dropout)
        self.fc2 = nn.Linear(hidden, hidden)
        self.drop2 = nn.Dropout(dropout)
        self.decpose = nn.Linear(hidden, POSE)
        self.decshape = nn.Linear(hidden, SHAPE)
        self.deccam = nn.Linear(hidden, CAMERA)
        for head in (self.decpose, self.decshape, self.deccam):
            nn.init.xavier_uniform_(head.weight, gain=0.01)  # an untrained network says the mean person
            nn.init.zeros_(head.bias)
        facing = torch.tensor([1.0, 0, 0, 1, 0, 0]).repeat(24)
        facing[3] = -1.0  # the root turns the body's +Y up into the camera's y down: upright, face to the camera
        self.register_buffer("init_pose", facing[None])
        self.register_buffer("init_shape", torch.zeros(1, SHAPE))
        self.register_buffer("init_cam", torch.tensor([[0.9, 0.0, 0.0]]))

    def regress(self, features: Tensor, context: Tensor | None = None, iterations: int = ITERATIONS) -> Regressed:
        """Pooled features (N,C) and context (N,k) -> SMPL's parameters."""
        n = len(features)
        given = features if context is None else torch.cat([features, context], dim=1)
        pose, shape, camera = (mean.expand(n, -1) for mean in (self.init_pose, self.init_shape, self.init_cam))
        for _ in range(iterations):
            x = self.drop1(self.fc1(torch.cat([given, pose, shape, camera], dim=1)))
            x = self.drop2(self.fc2(x))
            pose, shape, camera = pose + self.decpose(x), shape + self.decshape(x), camera + self.deccam(x)
        return Regressed(rot6d_to_rotmat(pose.reshape(n, 24, 6)), shape, camera)
