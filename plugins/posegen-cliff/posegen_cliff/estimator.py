"""CLIFF as a PoseGen estimator: SMPL's parameters from a crop, and from where it lies in the whole picture."""

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
from posegen.geometry import resample
from posegen.looks import Looks
from posegen.nn.checkpoint import Checkpoint, load_exact, read
from posegen.nn.imagenet import standardise
from posegen.nn.integer_crop import integer_crop
from posegen.nn.precision import Precision, autocast
from posegen.nn.smpl import (
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
from posegen_cliff.camera import box_info, default_focal
from posegen_cliff.network import FIRST, VARIANTS, WHERE, CliffNet

OPEN_COMPACT = "estimators/cliff-open-compact.safetensors"
COMPACT = COMPACT_PACE._replace(epochs=5, replay=0.7)  # with less replay it forgets more


class Cliff:
    """Estimator ``cliff`` (Li et al. 2022), ResNet-50 or HRNet-W48 as the weights have it, or a small network.

    weights: what it runs with, as every result names it: ``official`` (and a fixed skeleton, where SMPL's is not
    there), ``open-compact`` or ``untrained``. Raises AssetError if a weight file is missing, damaged or of another
    network.
    """

    joint_set = "smpl24"
    differentiable = True

    class Options(BaseOptions):
        checkpoint: Path | None = None
        """Weights instead: a published file, one that posegen wrote, or open-compact ones fine-tuned."""
        weights: Annotated[Weights, pinned("cliff")] = Field("auto", validate_default=True)
        """official (asset cliff-checkpoint), open-compact (small and free, shipped; not the published model), untrained
        (for training it); auto is official where that is registered."""
        skeleton: PinnedSkeleton = Field("auto", validate_default=True)
        """Bones under official weights: smpl (asset smpl-neutral) or fixed (one for everybody, as PoseGen's published
        script has it); auto is smpl where that is registered."""
        lr: float | None = Field(None, gt=0)
        """Learning rate of fine-tuning; none is 5e-5 for published weights, as PoseGen's script has it, and 6e-4 for
        the small network."""
        freeze: tuple[str, ...] = ()
        """Patterns of the names of parameters that fine-tuning leaves as they are."""
        scale: float = Field(1.1, gt=0, le=1.5)
        """Height of the crop over that of the person's box, made 4:3."""
        crop: Literal["smooth", "official"] = "smooth"
        """Corners of the crop: exact, or rounded to whole pixels as the published evaluation does."""
        looks: Looks = 1
        """2 looks at people who lean a second time, at the picture turned so that they, as first seen, stand upright in
        it. Fine-tuning then turns half of such pictures upright by what is known of them."""
        precision: Precision = "auto"
        """Arithmetic of the convolutions; auto is bfloat16 where the machine has it."""

    def __init__(self, options: Options, *, device: torch.device | str = "cpu") -> None:
        self.options, self.frozen, self.looks = options, options.freeze, options.looks
        file = weights_file("cliff", options.weights, options.checkpoint, _open_compact)
        checkpoint = None if file is None else read(file)
        self.variant = "compact" if checkpoint is None else _variant(checkpoint)
        self.input_size = VARIANTS[self.variant].size
        module = CliffNet(self.variant)
        if checkpoint is not None:
            load_exact(module, checkpoint, "cliff")
        self.module = module.to(device).to(memory_format=torch.channels_last).eval()  # type: ignore[call-overload]
        self.skeleton = self._skeleton().to(device)
        if self.variant == "compact":
            self.weights = "untrained" if file is None else "open-compact"
            self.pace, lr = COMPACT, 6e-4
        else:
            self.weights, self.pace, lr = published(self.skeleton), PUBLISHED_PACE, PUBLISHED_LR
        self.lr = options.lr or lr

    def square(self, box: Tensor) -> tuple[Tensor, Tensor]:
        """Boxes (N,4) -> centre (N,2) and height (N,) of the crop, pixels."""
        low, high = box[:, :2], box[:, 2:]
        width, height = (high - low).unbind(1)
        rows, columns = self.input_size
        return (low + high) / 2, torch.maximum(width * rows / columns, height) * self.options.scale

    def crop(self, image: Tensor, box: Tensor) -> Tensor:
        """image (N,3,H,W) and boxes (N,4) x0,y0,x1,y1 pixels -> (N,3,256,192), or (N,3,128,96) for the small network.

        Differentiable with respect to the image.
        """
        centre, height = self.square(box)
        if self.options.crop == "official":
            return integer_crop(image, centre, height, self.input_size, "rounded")
        return resample(image, centre, height, self.input_size)

    def context(self, picture: Tensor, box: Tensor, intrinsics: Tensor | None = None) -> Tensor:
        """Width and height (N,2) of whole pictures, boxes (N,4) in them and, where known, intrinsics (N,3,3) -> (N,3).

        Without intrinsics the focal length is the picture's diagonal, as published.
        """
        focal = default_focal(picture) if intrinsics is None else (intrinsics[:, 0, 0] + intrinsics[:, 1, 1]) / 2
        return box_info(*self.square(box), picture, focal)

    def predict(self, crop: Tensor, context: Tensor | None = None) -> Estimate:
        """crop (N,3,H,W) -> joints smpl24 (N,24,3) metres, camera axes, the pelvis at the origin; SMPL's parameters.

        context (N,3) is what ``context`` gave; without, the person is of ordinary size in the middle of the picture.
        ``camera`` (N,3) is weak perspective in the crop: s, tx, ty.
        """
        return looks.look(self, self._look, crop, context)

    def _look(self, crop: Tensor, context: Tensor | None) -> Estimate:
        image = standardise(crop).contiguous(memory_format=torch.channels_last)
        with autocast(self.options.precision, image.device):
            features = self.module.pooled(image)
        where = features.new_zeros(len(features), WHERE) if context is None else context.to(features)
        return to_estimate(self.module.regress(features, where), self.skeleton, of_smpl=self.variant != "compact")

    def official_checkpoint(self) -> dict[str, Any]:
        """What the published demo and evaluation load. Raises UsageError for the small network: they do not know it."""
        if self.variant == "compact":
            raise UsageError(
                f"cliff's {self.weights} weights are of a small network, which the published code cannot load",
                "fine-tune the published weights: posegen assets set cliff-checkpoint PATH",
            )
        return {"model": {name: value.detach().cpu().contiguous() for name, value in self.module.state_dict().items()}}

    def _skeleton(self) -> Skeleton:
        if self.variant != "compact":
            return published_skeleton(self.options.skeleton)
        return Skeleton.of(OpenBody(OpenBody.Options()).body().arrays)


def _open_compact() -> Path:
    files.read(OPEN_COMPACT)
    return files.DATA / OPEN_COMPACT


def _variant(checkpoint: Checkpoint) -> str:
    """By the first layer; where there is none, the comparison with any variant tells what is missing."""
    first = checkpoint.state.get("encoder.conv1.weight")
    return "res50" if first is None else FIRST.get(tuple(first.shape), "res50")
