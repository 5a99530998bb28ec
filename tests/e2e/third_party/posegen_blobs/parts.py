"""What a third party may bring: right, and wrong where ``fault`` says so."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

import torch
from posegen_starter.body import OpenBody
from safetensors.torch import load_model
from torch import Tensor, nn

import posegen
from posegen.geometry import resample, square
from posegen.testing.blobs import BlobRenderer
from posegen.types import Camera, Estimate, Render


class Blobs(BlobRenderer):
    class Options(posegen.Options):
        fault: Literal["", "nan", "nobody", "some", "crash"] = ""
        """nan: colours.  nobody: nothing is drawn.  some: every other picture is empty.  crash: no picture comes."""

    def __init__(self, options: Options, *, device: torch.device | str = "cpu") -> None:
        super().__init__(OpenBody(OpenBody.Options(), device=device).body())
        self.options = options

    def render(self, pose: Tensor, camera: Camera) -> Render:
        if self.options.fault == "crash":
            raise RuntimeError("out of paint")
        render = super().render(pose, camera)
        if self.options.fault == "nan":
            return Render(render.image * torch.nan, render.alpha)
        seen = torch.ones(len(pose), 1, 1, 1)
        if self.options.fault == "nobody":
            seen[:] = 0
        if self.options.fault == "some":
            seen[::2] = 0
        return Render(render.image * seen, render.alpha * seen)


class Tiny:
    """Trainable. Its dropout draws from torch's own generator, its two middle layers share their weights."""

    joint_set, input_size, frozen = "smpl24", 16, ()

    class Options(posegen.Options):
        lr: float = 1e-3
        differentiable: bool = True
        joint_set: str = "smpl24"
        nan_after: int | None = None
        """Estimates are NaN after this many calls."""
        checkpoint: Path | None = None
        """Its weights."""

    def __init__(self, options: Options, *, device: torch.device | str = "cpu") -> None:
        self.options, self.lr = options, options.lr
        self.differentiable, self.joint_set = options.differentiable, options.joint_set
        middle = nn.Linear(32, 32)
        self.module: nn.Module | None = nn.Sequential(
            nn.Flatten(), nn.Linear(768, 32), nn.Tanh(), middle, nn.Dropout(0.2), middle, nn.Linear(32, 72)
        ).to(device)
        if options.checkpoint is not None:
            load_model(self.module, options.checkpoint)
        self.calls = 0

    def crop(self, image: Tensor, box: Tensor) -> Tensor:
        return resample(image, *square(box, 1.25), self.input_size)

    def predict(self, crop: Tensor) -> Estimate:
        joints = self.module(crop).unflatten(1, (24, 3))
        self.calls += 1
        broken = self.options.nan_after is not None and self.calls > self.options.nan_after
        return Estimate(joints * torch.nan if broken else joints)


class Opaque(Tiny):
    """A black box: its network is nobody's business."""

    def __init__(self, options: Tiny.Options, *, device: torch.device | str = "cpu") -> None:
        super().__init__(options.model_copy(update={"differentiable": False}), device=device)
        self._hidden, self.module = self.module.eval(), None

    @torch.no_grad()
    def predict(self, crop: Tensor) -> Estimate:
        return Estimate(self._hidden(crop).unflatten(1, (24, 3)))


class _Plain:
    class Options(posegen.Options):
        """No options."""

    def __init__(self, options: Options, *, device: torch.device | str = "cpu") -> None:
        pass


class Constant(_Plain):
    def sample(self, n: int, dim: int, generator: torch.Generator) -> Tensor:
        return torch.ones(n, dim)


class NoMotion(_Plain):
    def clips(self, split: str) -> list:
        return []
