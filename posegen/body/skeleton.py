"""A skeleton whose bones follow the betas, of many people at once: what estimators of SMPL's parameters stand on."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from posegen.body.arrays import BodyArrays
from posegen.body.kinematics import forward_kinematics

# SMPL's rest joints as A-NeRF (Su et al. 2021, MIT) prints them, times the 0.4 with which PoseGen's script makes them
# metres; +Y up, facing +Z, left = +X, the pelvis at the origin.
FIXED = (
    (0.0, 0.0, 0.0), (0.06553, -0.08696, -0.01157), (-0.06314, -0.0859, -0.00839), (-0.00282, 0.10018, -0.01647),
    (0.09681, -0.43532, -0.0126), (-0.09888, -0.44286, -0.01228), (0.00158, 0.23794, -0.01615),
    (0.08507, -0.79753, -0.05173), (-0.08434, -0.80488, -0.0492), (0.00376, 0.28768, 0.00828),
    (0.10535, -0.84889, 0.05871), (-0.1008, -0.84861, 0.06418), (0.00154, 0.49037, -0.03915),
    (0.07648, 0.40154, -0.02488), (-0.07086, 0.39849, -0.03022), (0.00674, 0.55479, 0.00976),
    (0.16079, 0.43171, -0.02991), (-0.15953, 0.43009, -0.03985), (0.40095, 0.42087, -0.05405),
    (-0.39469, 0.41806, -0.05609), (0.62658, 0.42785, -0.05494), (-0.62779, 0.42374, -0.06156),
    (0.70113, 0.41873, -0.06729), (-0.70303, 0.41702, -0.07111),
)  # fmt: skip


class Skeleton(nn.Module):
    """rest: (24,3) joints of the mean shape.  directions: (24,3,10) metres a beta, zero where shape is ignored.

    Neither is a parameter or part of a state dict.
    """

    rest: Tensor
    directions: Tensor

    def __init__(self, rest: Tensor, directions: Tensor) -> None:
        super().__init__()
        self.register_buffer("rest", rest - rest[:1], persistent=False)
        self.register_buffer("directions", directions - directions[:1], persistent=False)

    @classmethod
    def of(cls, arrays: BodyArrays) -> Skeleton:
        """The skeleton of a body model, float32."""
        regressor, template, shapes = (
            torch.as_tensor(a, dtype=torch.float64) for a in (arrays.J_regressor, arrays.v_template, arrays.shapedirs)
        )
        directions = torch.einsum("jv,vcb->jcb", regressor, shapes[..., :10])
        return cls((regressor @ template).float(), directions.float())

    @classmethod
    def fixed(cls) -> Skeleton:
        """The one skeleton of PoseGen's published script, whatever the betas: it needs no body model."""
        return cls(torch.tensor(FIXED), torch.zeros(24, 3, 10))

    def forward(self, rotations: Tensor, betas: Tensor) -> Tensor:
        """Local rotations (N,24,3,3), root first, and betas (N,10) -> joints smpl24 (N,24,3), metres, pelvis at 0.

        They are in the axes that the root rotation leads to.
        """
        rest = self.rest + torch.einsum("jcb,nb->njc", self.directions, betas)
        return forward_kinematics(rotations, rest)[..., :3, 3]
