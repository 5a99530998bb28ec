"""From what the network saw to a skeleton in metres and the rotations that reach it."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from posegen.body import forward_kinematics
from posegen_hybrik import ik, official_ik
from posegen_hybrik.lifting import Lifted, depth_by_size, depth_of, lift, lift_known, refined_scale, scale_at
from posegen_hybrik.network import HybrikNet, Seen
from posegen_hybrik.rotations import from_quaternion
from posegen_hybrik.skeleton import JOINTS


@dataclass(frozen=True, slots=True)
class Known:
    """A known camera and pelvis. to_image: (N,2,3), the crop's pixels to the picture's.  inverse_intrinsics: (N,3,3).

    root: (N,3), the pelvis in the camera's frame, metres.
    """

    to_image: Tensor
    inverse_intrinsics: Tensor
    root: Tensor


@dataclass(frozen=True, slots=True)
class Solved:
    """What HybrIK says of N people. Metres, camera axes (x right, y down, z forward).

    skeleton: (N,J,3), 24 joints and the leaves, the pelvis at the origin.  rotations: (N,24,3,3), local, the root's
    from the body's axes to the camera's.  rest: (N,J,3), rest joints of its shape.  scale: (N,), one over the crop's
    side at the pelvis.  root: (N,3), the pelvis in the camera's frame.
    """

    seen: Seen
    skeleton: Tensor
    rotations: Tensor
    rest: Tensor
    scale: Tensor
    root: Tensor


def solve(
    network: HybrikNet, seen: Seen, *, official: bool, centre: Tensor | None = None, known: Known | None = None
) -> Solved:
    """official: the published inverse kinematics instead of the differentiable.

    centre: (N,2), where the crop's middle is as seen from the picture's, in sides of the crop; None: the picture is
    the crop.  A network without a camera head needs ``known``, as upstream gives it in evaluations; without it, the
    pelvis is at the depth where the skeleton is as large as the body.
    """
    rest = network.smpl.rest(seen.betas)
    ends = None if seen.ends is None else from_quaternion(seen.ends)
    factor = network.variant.depth_factor

    def kinematics(skeleton: Tensor, naive: bool = False) -> Tensor:
        if not official:
            return ik.solve(skeleton, rest, seen.phi, ends)
        # upstream's training path has no 24-joint variant
        return official_ik.solve(skeleton, rest, seen.phi, ends, naive=(naive or network.training) and ends is None)

    if seen.camera is None and known is not None:
        places = (known.to_image, known.inverse_intrinsics, known.root)
        lifted = Lifted(lift_known(seen.uvd, *places, factor), known.root)
        scale = scale_at(known.root[:, 2])
        return Solved(seen, lifted.skeleton, kinematics(lifted.skeleton), rest, scale, lifted.root)
    scale = scale_at(depth_by_size(seen.uvd, rest, factor, centre)) if seen.camera is None else seen.camera[:, 0]
    lifted = lift(seen.uvd, depth_of(scale), factor, centre)
    if network.variant.backbone == "hrnet" and seen.sigma is not None and not network.training:
        solved = kinematics(lifted.skeleton, naive=True)
        joints = forward_kinematics(solved, rest[:, :JOINTS] - rest[:, :1])[..., :3, 3]
        scale = refined_scale(seen.uvd, scale, joints, seen.sigma, lifted, centre)
        lifted = lift(seen.uvd, depth_of(scale), factor, centre)
    root = lifted.root
    if seen.camera is not None and seen.camera.shape[1] == 3 and centre is None:
        root = root - torch.nn.functional.pad(seen.camera[:, 1:], (0, 1))
    return Solved(seen, lifted.skeleton, kinematics(lifted.skeleton), rest, scale, root)
