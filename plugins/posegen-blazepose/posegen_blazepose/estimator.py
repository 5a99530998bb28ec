"""BlazePose GHUM as a PoseGen estimator: 33 landmarks in metres from one square crop."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

import torch
from posegen_starter.files import weights_path
from pydantic import Field
from torch import Tensor

from posegen import looks
from posegen.geometry.crop import resample, square
from posegen.looks import Looks
from posegen.nn.checkpoint import Checkpoint, load_exact, read
from posegen.options import Options as BaseOptions
from posegen.pace import Pace
from posegen.types import Estimate
from posegen_blazepose.network import SIZE, VARIANTS, BlazePoseNet
from posegen_blazepose.weights import load_published

LANDMARKS = 33


class BlazePose:
    """Estimator ``blazepose`` (Bazarevsky et al. 2020; weights: MediaPipe Pose 0.5, Apache-2.0).

    ``module`` is the network with trainable float32 parameters. Raises AssetError if a weight file is missing,
    damaged or of another variant.
    """

    joint_set = "blazepose33"
    input_size = SIZE
    differentiable = True
    pace = Pace(epochs=1, batch=16, optimizer="muon", replay=0.5, share=0.5, average=0.75)

    class Options(BaseOptions):
        variant: Literal["lite", "full"] = "lite"
        """Size of the network: lite (1.3 M parameters) or full (3.1 M); a checkpoint's own counts before it."""
        lr: float = Field(5e-5, gt=0)
        """Learning rate of fine-tuning, with Muon; small, as the weights have batch norm folded in."""
        freeze: tuple[str, ...] = ("*.bias", "world.*", "screen.*", "person.*")
        """Patterns of the names of parameters that fine-tuning leaves as they are. With biases and the last layer free,
        the network learns first that people without a visible face turn their back, and unlearns real photographs."""
        looks: Looks = 1
        """2 looks at people who lean a second time, at the picture turned so that they, as first seen, stand upright in
        it. Fine-tuning then turns half of such pictures upright by what is known of them. The published pipeline turns
        a picture by what it saw a frame before."""
        scale: float = Field(1.25, gt=0, le=1.5)
        """Side of the crop over the longer side of the person's box."""
        checkpoint: Path | None = None
        """Fine-tuned weights (safetensors, as ``module.state_dict()`` names them) instead of the published ones."""

    def __init__(self, options: Options, *, device: torch.device | str = "cpu") -> None:
        self.options, self.lr, self.looks = options, options.lr, options.looks
        self.frozen = options.freeze
        if options.checkpoint is not None:
            checkpoint = read(options.checkpoint)
            module = BlazePoseNet(_variant(checkpoint) or options.variant)
            load_exact(module, checkpoint, "blazepose")
        else:
            module = BlazePoseNet(options.variant)
            weights = weights_path(f"blazepose_{options.variant}")
            load_published(module, weights.with_suffix(".json"), weights)
        # channels last is as exact and, on CPUs, twice as fast
        self.module = module.to(device).to(memory_format=torch.channels_last).eval()  # type: ignore[call-overload]

    def crop(self, image: Tensor, box: Tensor, angle: Tensor | None = None) -> Tensor:
        """image (N,3,H,W) and boxes (N,4) x0,y0,x1,y1 pixels -> (N,3,256,256), the box made square and scaled.

        ``angle`` (N,) radians, as ``looks.lean`` gives it, turns the crop so that the person stands upright in it, as
        the published pipeline does; give the same angle to ``predict``. Differentiable with respect to the image.
        """
        centre, side = square(box, self.options.scale)
        return resample(image, centre, side, SIZE, angle=angle)

    def predict(self, crop: Tensor, angle: Tensor | None = None) -> Estimate:
        """crop (N,3,256,256) -> joints (N,33,3) metres, camera axes, origin between the hips; visibility (N,33).

        ``angle`` (N,) is the one that the crop was turned by: the joints are turned back.
        """
        seen = looks.look(self, self._look, crop)
        return seen if angle is None else looks.turned(seen, angle)

    def _look(self, crop: Tensor, context: Tensor | None = None) -> Estimate:
        points = self.module(crop.contiguous(memory_format=torch.channels_last))
        return Estimate(joints=points.world[:, :LANDMARKS], visibility=points.screen[:, :LANDMARKS, 3].sigmoid())


def _variant(checkpoint: Checkpoint) -> str | None:
    """Whose names these are."""
    with torch.device("meta"):
        return next((v for v in VARIANTS if BlazePoseNet(v).state_dict().keys() == checkpoint.state.keys()), None)
