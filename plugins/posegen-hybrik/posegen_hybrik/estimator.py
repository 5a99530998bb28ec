"""HybrIK as a PoseGen estimator: SMPL's 24 joints in metres, and the rotations that reach them."""

from __future__ import annotations

from collections import OrderedDict
from pathlib import Path
from typing import Annotated, Any, Literal

import torch
from pydantic import Field
from torch import Tensor

from posegen import looks
from posegen.body import Body
from posegen.errors import UsageError
from posegen.geometry import resample, rotmat_to_rotvec, square
from posegen.looks import Looks
from posegen.nn.precision import Precision
from posegen.nn.smpl import COMPACT_PACE, PUBLISHED_LR, PUBLISHED_PACE, Weights, pinned, weights_file
from posegen.options import Options as BaseOptions
from posegen.types import Estimate, Marginals
from posegen_hybrik import weights
from posegen_hybrik.lifting import EXTENT
from posegen_hybrik.smpl import Smpl
from posegen_hybrik.solve import Solved, solve

# told in its heatmaps where joints are, it learns sooner and forgets less; rotations follow from the joints
COMPACT = COMPACT_PACE._replace(epochs=4, rotations=0.0, heatmaps=0.05, replay=0.625, photos=1.0, average=0.96)


class Hybrik:
    """Estimator ``hybrik`` (Li et al. 2021, https://github.com/jeffffffli/HybrIK), any variant, or a small network.

    weights: what it runs with, as every result names it: ``official``, ``open-compact``, ``untrained``. Raises
    AssetError if a weight file is missing, damaged or of another network.
    """

    joint_set = "smpl24"
    differentiable = True

    class Options(BaseOptions):
        checkpoint: Path | None = None
        """Weights instead: a published file, whose variant is recognised, or one that posegen wrote."""
        weights: Annotated[Weights, pinned("hybrik")] = Field("auto", validate_default=True)
        """official (asset hybrik-checkpoint), open-compact (small and free, shipped; not the published model),
        untrained (for training it); auto is official where that is registered."""
        ik: Literal["differentiable", "official"] = "differentiable"
        """How rotations follow from the skeleton: ``official`` is the published evaluation, and its gradients stop at
        the skeleton."""
        flip_test: bool = True
        """Average with what is seen in the mirrored crop, as published evaluations do, where no gradient is asked for;
        twice the time."""
        lr: float | None = Field(None, gt=0)
        """Learning rate of fine-tuning; none is 5e-5 for published weights, as PoseGen's script has it, and 6e-4 for
        the small network."""
        freeze: tuple[str, ...] = ()
        """Patterns of the names of parameters that fine-tuning leaves as they are."""
        scale: float = Field(1.25, gt=0, le=1.5)
        """Side of the crop over the longer side of the person's box."""
        looks: Looks = 1
        """2 looks at people who lean a second time, at the picture turned so that they, as first seen, stand upright in
        it. Fine-tuning then turns half of such pictures upright by what is known of them."""
        precision: Precision = "auto"
        """Arithmetic of the convolutions; auto is bfloat16 where the machine has it."""

    def __init__(self, options: Options, *, device: torch.device | str = "cpu") -> None:
        self.options, self.frozen, self.looks = options, options.freeze, options.looks
        file = weights_file("hybrik", options.weights, options.checkpoint, weights.open_compact)
        network = weights.untrained() if file is None else weights.load(file)
        if network.variant.smpl:
            self.weights, self.pace, lr = "official", PUBLISHED_PACE, PUBLISHED_LR
        else:
            self.weights, self.pace, lr = "untrained" if file is None else "open-compact", COMPACT, 6e-4
        self.lr = options.lr or lr
        self.input_size = network.variant.size
        self.module = network.to(device).to(memory_format=torch.channels_last).eval()  # type: ignore[call-overload]

    def square(self, box: Tensor) -> tuple[Tensor, Tensor]:
        """Boxes (N,4) -> centre (N,2) and side (N,) of the crop, pixels, but for the half pixel that ``crop`` adds."""
        return square(box, self.options.scale)

    def crop(self, image: Tensor, box: Tensor) -> Tensor:
        """image (N,3,H,W) and boxes (N,4) x0,y0,x1,y1 pixels -> (N,3,S,S), the box made square and scaled.

        Upstream's rule, which counts pixels from their centres: half a pixel of the crop aside from ``resample``'s.
        Where a crop shrinks the image it is smoothed first, and upstream's is not. Differentiable in the image.
        """
        centre, side = self.square(box)
        shift = 0.5 - 0.5 * side / self.input_size
        return resample(image, centre + shift[:, None], side, self.input_size)

    def context(self, picture: Tensor, box: Tensor, intrinsics: Tensor | None = None) -> Tensor:
        """Width and height (N,2) of whole pictures, boxes (N,4) in them and, where known, intrinsics (N,3,3) -> (N,2).

        Where the crop's middle is as seen from the picture's, in sides of the crop, as the published evaluation has it;
        for the small network, with intrinsics, such that it is seen at the camera's true angle.
        """
        centre, side = self.square(box)
        if intrinsics is None or self.module.variant.smpl:
            return (centre - picture / 2) / side[:, None]
        focal = intrinsics[:, [0, 1], [0, 1]]
        return (centre - intrinsics[:, :2, 2]) / focal / EXTENT

    def predict(self, crop: Tensor, context: Tensor | None = None) -> Estimate:
        """crop (N,3,S,S) -> joints smpl24 (N,24,3) metres, camera axes, the pelvis at the origin; SMPL's parameters.

        The joints are the skeleton that the network saw, before inverse kinematics: their gradient is the whole one.
        context (N,2) is what ``context`` gave; without, the crop is the picture.  ``camera`` (N,3) is weak perspective
        in the crop: s, tx, ty.
        """
        return looks.look(self, self._look, crop, context)

    def _look(self, crop: Tensor, context: Tensor | None) -> Estimate:
        solved = self.solve(crop, context)
        shift = solved.seen.uvd[:, 0, :2] / solved.scale[:, None]
        return Estimate(
            joints=solved.skeleton[:, :24],
            body_pose=rotmat_to_rotvec(solved.rotations[:, 1:]),
            global_orient=rotmat_to_rotvec(solved.rotations[:, 0]),
            betas=solved.seen.betas,
            camera=torch.cat([2 * solved.scale[:, None], shift], dim=1),
            visibility=None if solved.seen.sigma is None else 1 - solved.seen.sigma[:, :24],
            marginals=self._marginals(solved.seen.along),
            of_smpl=self.module.variant.smpl,
        )

    def _marginals(self, along: tuple[Tensor, Tensor, Tensor] | None) -> Marginals | None:
        if along is None:
            return None
        across, down, away = (p[:, :24] for p in along)
        return Marginals(across, down, away, self.module.variant.depth_factor)

    def solve(self, crop: Tensor, context: Tensor | None = None) -> Solved:
        """crop (N,3,S,S) -> all that HybrIK says, leaves and rotation matrices included."""
        options = self.options
        flip = options.flip_test and not torch.is_grad_enabled()
        seen = self.module(crop, flip=flip, precision=options.precision)
        return solve(self.module, seen, official=options.ik == "official", centre=context)

    @property
    def smpl(self) -> Body | None:
        """The body model that an official checkpoint carries (SMPL's licence); None for the small network."""
        return self.module.smpl.body() if isinstance(self.module.smpl, Smpl) else None

    def official_checkpoint(self) -> dict[str, Any]:
        """What the published scripts load. Raises UsageError for the small network, which they do not know."""
        if not self.module.variant.smpl:
            raise UsageError(
                f"hybrik's {self.weights} weights are of a small network, which the published code cannot load",
                "fine-tune the published weights: posegen assets set hybrik-checkpoint PATH",
            )
        # it looks for the network under 'model' in a plain dictionary, and takes an ordered one for the network itself
        return OrderedDict((name, value.detach().cpu()) for name, value in self.module.state_dict().items())
