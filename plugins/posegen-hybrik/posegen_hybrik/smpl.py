"""The body inside a HybrIK network: what inverse kinematics needs of it, and SMPL's arrays in official checkpoints."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from posegen.body import Body, BodyArrays
from posegen_hybrik.skeleton import CHILDREN, END, JOINTS, OFFICIAL_CHILDREN_24, PARENTS

VERTICES, FACES = 6890, 13776
LEAF_VERTICES = [411, 2445, 5905, 3216, 6617]
"""SMPL's vertices at the five leaves."""


class RestJoints(nn.Module):
    """The rest joints of a shape, without a surface and without a place in the state dict."""

    template: Tensor
    shape: Tensor

    def __init__(self, template: Tensor, shape: Tensor) -> None:
        """template: (J,3) metres, +Y up.  shape: (J,3,10), what each beta moves."""
        super().__init__()
        self.register_buffer("template", template, persistent=False)
        self.register_buffer("shape", shape, persistent=False)

    def rest(self, betas: Tensor) -> Tensor:
        """betas (N,10) -> joints (N,J,3) of the rest pose."""
        rest: Tensor = self.template + (self.shape @ betas[:, None, :, None])[..., 0]
        return rest


class Smpl(nn.Module):
    """SMPL's arrays under the names and in the shapes of an official checkpoint (``smpl.*``)."""

    v_template: Tensor
    shapedirs: Tensor
    posedirs: Tensor
    J_regressor: Tensor
    J_regressor_h36m: Tensor
    lbs_weights: Tensor
    faces_tensor: Tensor

    def __init__(self, joints: int) -> None:
        super().__init__()
        self.joints = joints
        shapes = {
            "v_template": (VERTICES, 3),
            "shapedirs": (VERTICES, 3, 10),
            "posedirs": (207, VERTICES * 3),
            "J_regressor": (JOINTS, VERTICES),
            "J_regressor_h36m": (17, VERTICES),
            "lbs_weights": (VERTICES, JOINTS),
        }
        for name, size in shapes.items():
            self.register_buffer(name, torch.zeros(size))
        children = [*CHILDREN, *[END] * (joints - JOINTS)] if joints > JOINTS else OFFICIAL_CHILDREN_24
        self.register_buffer("faces_tensor", torch.zeros(FACES, 3, dtype=torch.int64))
        self.register_buffer("children_map", torch.tensor(children))
        self.register_buffer("parents", torch.tensor(PARENTS[:joints]))

    def rest(self, betas: Tensor) -> Tensor:
        """betas (N,10) -> joints (N,J,3) of the rest pose, metres, +Y up."""
        template = self._joints(self.v_template)
        shape = self._joints(self.shapedirs.flatten(1)).reshape(-1, 3, 10)
        rest: Tensor = template + (shape @ betas[:, None, :, None])[..., 0]
        return rest

    def _joints(self, surface: Tensor) -> Tensor:
        skeleton = self.J_regressor @ surface
        return skeleton if self.joints == JOINTS else torch.cat([skeleton, surface[LEAF_VERTICES]])

    def body(self, betas: Any = None) -> Body:
        """The body of these arrays (SMPL's licence applies to it), with Human3.6M's 17 joints."""
        a = {name: buffer.detach().cpu().numpy() for name, buffer in self.named_buffers()}
        arrays = BodyArrays(
            v_template=a["v_template"],
            shapedirs=a["shapedirs"],
            posedirs=a["posedirs"].T.reshape(VERTICES, 3, 207),
            weights=a["lbs_weights"],
            J_regressor=a["J_regressor"],
            faces=a["faces_tensor"],
            parents=a["parents"][:JOINTS].astype(np.int64),
            source="the body in the HybrIK checkpoint",
        )
        return Body.from_arrays(arrays, betas, regressors={"h36m17": a["J_regressor_h36m"]})
