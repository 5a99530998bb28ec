"""HybrIK as a PoseGen estimator: SMPL's 24 joints in metres, and the rotations that reach them."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

import torch
from pydantic import Field
from torch import Tensor

from posegen import assets
from posegen.errors import AssetError
from posegen.geometry import resample, rotmat_to_rotvec, square
from posegen.nn.precision import Precision
from posegen.options import Options as BaseOptions
from posegen.types import Estimate
from posegen_hybrik import weights
from posegen_hybrik.network import HybrikNet
from posegen_hybrik.solve import Solved, solve

ASSET = "hybrik-checkpoint"


class Hybrik:
    """Estimator ``hybrik`` (Li et al. 2021, https://github.com/jeffffffli/HybrIK).

    ``module`` is the network with float32 parameters; its variant follows from the checkpoint. Raises AssetError for a
    checkpoint that is missing, damaged or of another network.
    """

    joint_set = "smpl24"
    differentiable = True

    class Options(BaseOptions):
        checkpoint: Path | None = None
        """An official checkpoint (.pth), or fine-tuned weights (safetensors); its variant is recognised."""
        weights: Literal["auto", "official", "open-compact", "random"] = "auto"
        """Without a checkpoint: ``official`` is the asset hybrik-checkpoint, ``open-compact`` the small open network,
        ``auto`` the former where it is registered. ``random`` is the small network before training."""
        ik: Literal["differentiable", "official"] = "differentiable"
        """How rotations follow from the skeleton: ``official`` is upstream's evaluation, whose gradients stop at it."""
        flip_test: bool = False
        """Average with what is seen in the mirrored crop, as upstream's evaluations do; twice the time."""
        lr: float = Field(5e-5, gt=0)
        """Learning rate of fine-tuning."""
        freeze: tuple[str, ...] = ()
        """Patterns of the names of parameters that fine-tuning leaves as they are."""
        precision: Precision = "auto"
        """Arithmetic of the convolutions; ``auto`` is bfloat16 where the device computes with it."""
        scale: float = Field(1.25, gt=0)
        """Side of the crop over the longer side of the person's box."""

    def __init__(self, options: Options, *, device: torch.device | str = "cpu") -> None:
        self.options, self.lr, self.frozen, self.scale = options, options.lr, options.freeze, options.scale
        network, self.weights = _network(options)
        self.input_size = network.variant.size
        # channels last is as exact and, on CPUs, faster
        self.module = network.to(device).to(memory_format=torch.channels_last).eval()  # type: ignore[call-overload]

    def crop(self, image: Tensor, box: Tensor) -> Tensor:
        """image (N,3,H,W) and boxes (N,4) x0,y0,x1,y1 pixels -> (N,3,S,S), the box made square and scaled.

        Upstream's rule, which counts pixels from their centres: half a pixel of the crop aside from ``resample``'s.
        Where a crop shrinks the image it is smoothed first, and upstream's is not. Differentiable in the image.
        """
        centre, side = square(box, self.scale)
        shift = 0.5 - 0.5 * side / self.input_size
        return resample(image, centre + shift[:, None], side, self.input_size)

    def predict(self, crop: Tensor) -> Estimate:
        """crop (N,3,S,S) -> joints (N,24,3) metres, camera axes, the pelvis at the origin; pose, betas, camera.

        The joints are the skeleton that the network saw, before inverse kinematics: their gradient is the whole one.
        """
        solved = self.solve(crop)
        return Estimate(
            joints=solved.skeleton[:, :24],
            body_pose=rotmat_to_rotvec(solved.rotations[:, 1:]),
            global_orient=rotmat_to_rotvec(solved.rotations[:, 0]),
            betas=solved.seen.betas,
            camera=torch.cat([2 * solved.scale[:, None], solved.root[:, :2]], dim=1),
            visibility=None if solved.seen.sigma is None else 1 - solved.seen.sigma[:, :24],
        )

    def solve(self, crop: Tensor) -> Solved:
        """crop (N,3,S,S) -> all that HybrIK says, leaves and rotation matrices included."""
        options = self.options
        seen = self.module(crop, flip=options.flip_test, precision=options.precision)
        return solve(self.module, seen, official=options.ik == "official")


def _network(options: Hybrik.Options) -> tuple[HybrikNet, str]:
    """The network, and what its weights are called."""
    if options.checkpoint is not None:
        network = weights.load(options.checkpoint)
        return network, "official" if network.variant.smpl else "open-compact"
    if options.weights == "random":
        return weights.random(), "random"
    if options.weights != "open-compact":
        try:
            return weights.load(assets.find(ASSET)), "official"
        except AssetError:
            if options.weights == "official" or ASSET in assets.registered():
                raise
    return weights.open_compact(), "open-compact"
