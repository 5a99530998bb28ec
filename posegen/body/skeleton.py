"""A skeleton whose bones follow the betas, of many people at once: what estimators of SMPL's parameters stand on."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from posegen.body.arrays import BodyArrays
from posegen.body.kinematics import forward_kinematics

# SMPL's rest joints as A-NeRF (Su et al. 2021, MIT) prints them, times the 0.4 with which PoseGen's script makes them
# metres; +Y up, facing +Z, left = +X, the pelvis at the origin.
FIXED = (
    (0.0, 0.0, 0.0), (0.0655330, -0.0869564, -0.0115671), (-0.0631422, -0.0859047, -0.0083857),
    (-0.0028180, 0.1001803, -0.0164735), (0.0968084, -0.4353203, -0.0125985), (-0.0988826, -0.4428620, -0.0122788),
    (0.0015805, 0.2379396, -0.0161502), (0.0850722, -0.7975294, -0.0517310), (-0.0843430, -0.8048752, -0.0492010),
    (0.0037579, 0.2876818, 0.0082773), (0.1053541, -0.8488899, 0.0587102), (-0.1007882, -0.8486123, 0.0641802),
    (0.0015351, 0.4903698, -0.0391535), (0.0764807, 0.4015439, -0.0248786), (-0.0708582, 0.3984915, -0.0302217),
    (0.0067393, 0.5547931, 0.0097619), (0.1607941, 0.4317137, -0.0299062), (-0.1595302, 0.4300955, -0.0398534),
    (0.4009478, 0.4208689, -0.0540519), (-0.3946914, 0.4180602, -0.0560940), (0.6265849, 0.4278476, -0.0549354),
    (-0.6277859, 0.4237437, -0.0615623), (0.7011284, 0.4187320, -0.0672924), (-0.7030328, 0.4170203, -0.0711094),
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
            torch.tensor(a, dtype=torch.float64) for a in (arrays.J_regressor, arrays.v_template, arrays.shapedirs)
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
