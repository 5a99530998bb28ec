"""SPIN as a PoseGen estimator: SMPL's parameters, and the joints that they pose, from one square crop."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Literal

import torch
from posegen_starter import files
from posegen_starter.body import OpenBody
from pydantic import Field
from torch import Tensor

from posegen import looks
from posegen.body import Skeleton
from posegen.errors import UsageError
from posegen.geometry import resample, square
from posegen.looks import Looks
from posegen.nn.checkpoint import Checkpoint, load_exact, read
from posegen.nn.imagenet import standardise
from posegen.nn.integer_crop import integer_crop
from posegen.nn.precision import Precision, autocast
from posegen.nn.smpl import (
    COMPACT_LR,
    COMPACT_PACE,
    PUBLISHED_LR,
    PUBLISHED_PACE,
    PinnedSkeleton,
    Weights,
    pinned,
    published,
    published_skeleton,
    to_estimate,
    weights_file,
)
from posegen.options import Options as BaseOptions
from posegen.types import Estimate
from posegen_spin.network import COMPACT, OFFICIAL, SpinNet

OPEN_COMPACT = "estimators/spin-open-compact.safetensors"


class Spin:
    """Estimator ``spin`` (Kolotouros et al. 2019), the published network or a small one of the same kind.

    weights: what it runs with, as every result names it: ``official`` (and a fixed skeleton, where SMPL's is not
    there), ``open-compact`` or ``untrained``. Raises AssetError if a weight file is missing, damaged or of another
    network.
    """

    joint_set = "smpl24"
    differentiable = True

    class Options(BaseOptions):
        checkpoint: Path | None = None
        """Weights instead: the published file, one that posegen wrote, or open-compact ones fine-tuned."""
        weights: Annotated[Weights, pinned("spin")] = Field("auto", validate_default=True)
        """official (asset spin-checkpoint), open-compact (small and free, shipped; not the published model), untrained
        (for training it); auto is official where that is registered."""
        skeleton: PinnedSkeleton = Field("auto", validate_default=True)
        """Bones under official weights: smpl (asset smpl-neutral) or fixed (one for everybody, as PoseGen's published
        script has it); auto is smpl where that is registered."""
        lr: float | None = Field(None, gt=0)
        """Learning rate of fine-tuning; none is 5e-5 for published weights, as PoseGen's script has it, and 7e-4 for
        the small network."""
        freeze: tuple[str, ...] = ()
        """Patterns of the names of parameters that fine-tuning leaves as they are."""
        scale: float = Field(1.2, gt=0, le=1.5)
        """Side of the crop over the longer side of the person's box."""
        crop: Literal["smooth", "official"] = "smooth"
        """Corners of the crop: exact, or cut to whole pixels as the published evaluation does."""
        looks: Looks = 1
        """2 looks at people who lean a second time, at the picture turned so that they, as first seen, stand upright in
        it. Fine-tuning then turns half of such pictures upright by what is known of them."""
        precision: Precision = "auto"
        """Arithmetic of the convolutions; auto is bfloat16 where the machine has it."""

    def __init__(self, options: Options, *, device: torch.device | str = "cpu") -> None:
        self.options, self.frozen, self.looks = options, options.freeze, options.looks
        file = weights_file("spin", options.weights, options.checkpoint, _open_compact)
        checkpoint = None if file is None else read(file)
        self.architecture = COMPACT if checkpoint is None or _is_compact(checkpoint) else OFFICIAL
        self.input_size = self.architecture.size
        module = SpinNet(self.architecture)
        if checkpoint is not None:
            load_exact(module, checkpoint, "spin")
        self.module = module.to(device).to(memory_format=torch.channels_last).eval()  # type: ignore[call-overload]
        self.skeleton = self._skeleton().to(device)
        if self.architecture == OFFICIAL:
            self.weights, self.pace, lr = published(self.skeleton), PUBLISHED_PACE, PUBLISHED_LR
        else:
            self.weights = "untrained" if file is None else "open-compact"
            self.pace, lr = COMPACT_PACE, COMPACT_LR
        self.lr = options.lr or lr

    def square(self, box: Tensor) -> tuple[Tensor, Tensor]:
        """Boxes (N,4) -> centre (N,2) and side (N,) of the crop, pixels."""
        return square(box, self.options.scale)

    def crop(self, image: Tensor, box: Tensor) -> Tensor:
        """image (N,3,H,W) and boxes (N,4) x0,y0,x1,y1 pixels -> (N,3,S,S), the box made square and scaled.

        Differentiable with respect to the image.
        """
        centre, side = self.square(box)
        if self.options.crop == "official":
            return integer_crop(image, centre, side, (self.input_size,) * 2, "truncated", antialias=True)
        return resample(image, centre, side, self.input_size)

    def predict(self, crop: Tensor) -> Estimate:
        """crop (N,3,S,S) -> joints smpl24 (N,24,3) metres, camera axes, the pelvis at the origin; SMPL's parameters.

        ``camera`` (N,3) is weak perspective in the crop: s, tx, ty.
        """
        return looks.look(self, self._look, crop)

    def _look(self, crop: Tensor, context: Tensor | None = None) -> Estimate:
        image = standardise(crop).contiguous(memory_format=torch.channels_last)
        with autocast(self.options.precision, image.device):
            features = self.module.pooled(image)
        return to_estimate(self.module.regress(features), self.skeleton, of_smpl=self.architecture == OFFICIAL)

    def official_checkpoint(self) -> dict[str, Any]:
        """What the published training script saves, for the published demo and evaluation to load.

        Raises UsageError for the small network, which they do not know.
        """
        if self.architecture != OFFICIAL:
            raise UsageError(
                f"spin's {self.weights} weights are of a small network, which the published code cannot load",
                "fine-tune the published weights: posegen assets set spin-checkpoint PATH",
            )
        return {"model": {name: value.detach().cpu().contiguous() for name, value in self.module.state_dict().items()}}

    def _skeleton(self) -> Skeleton:
        if self.architecture == OFFICIAL:
            return published_skeleton(self.options.skeleton)
        return Skeleton.of(OpenBody(OpenBody.Options()).body().arrays)


def _open_compact() -> Path:
    files.read(OPEN_COMPACT)
    return files.DATA / OPEN_COMPACT


def _is_compact(checkpoint: Checkpoint) -> bool:
    first = checkpoint.state.get("conv1.weight")
    return first is not None and first.shape[:1] == (COMPACT.width,)
