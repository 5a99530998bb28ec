"""Images of a field, and their gradient to pose and camera: ``FastMarch(...)(skts, camera)``."""

from __future__ import annotations

import threading
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from posegen.nn.precision import lowers
from posegen.types import Camera, Render
from posegen_anerf.fast import dense
from posegen_anerf.fast.backward import backward
from posegen_anerf.fast.capsules import capsules
from posegen_anerf.fast.march import Encoder, Floats, Marched, Rays, march
from posegen_anerf.fast.scene import frames, strips
from posegen_anerf.fast.threads import each
from posegen_anerf.fast.weights import Network
from posegen_anerf.subject import NerfSubject

_Strip = tuple[int, NDArray[np.int64], Rays]


@dataclass(frozen=True, slots=True)
class Settings:
    """How a fast march is done.

    precision: of the matrix products; auto is bf16 where the machine has it.  step: depth between nodes, NeRF units.
    cut: where there is density they are so many times as close.  stop: a ray ends once less than this share of its
    light is left.  gradient_step, gradient_cut, gradient_stop: the same in a picture that a gradient is asked of.
    fraction: share of the rays that gradients are computed through, on average; the rest is made up for, so that the
    mean is exact.  threads: strips drawn at once, None is as many as torch uses.  frame: whose frame code colours, None
    is the mean.
    """

    precision: Literal["auto", "bf16", "fp32"] = "auto"
    step: float = 0.017
    cut: int = 1
    stop: float = 3e-3
    gradient_step: float = 0.0095
    gradient_cut: int = 2
    gradient_stop: float = 1e-3
    fraction: float = 1.0
    threads: int | None = None
    frame: int | None = None


class FastMarch:
    """One subject, ready to be drawn. The same bits for any number of threads and any batch size."""

    def __init__(self, subject: NerfSubject, settings: Settings, device: torch.device, kernels: bool = True) -> None:
        """kernels: False draws in torch alone."""
        self.settings, self.device = settings, device
        self._kernels = kernels and device.type == "cpu"
        bf16 = lowers("auto", device) if settings.precision == "auto" else settings.precision == "bf16"
        dtype = torch.bfloat16 if bf16 else torch.float32
        self.network = Network(subject.fine.to(device), dtype, settings.frame, self._kernels)
        self.capsules = capsules(subject.rest_joints, subject.margins)
        self.cutoff, self.tau = subject.fine.cutoff_dist, float(subject.fine.tau)
        self._own = threading.local()
        self.samples = 0
        """Trunk evaluations of the last call: what time is spent on."""

    def __call__(self, skts: Tensor, camera: Camera) -> Render:
        """skts (N,24,4,4) and N cameras -> N images, premultiplied over black, and their alpha, float32."""
        into = frames(skts, camera)
        if self._kernels:
            seen: Tensor = _Draw.apply(into, self, camera.width, camera.height)  # type: ignore[no-untyped-call]
        else:
            seen = dense.draw(self, into, camera.width, camera.height)
            if seen.requires_grad and self.settings.fraction < 1:
                seen.register_hook(self.chosen)
        image = seen.reshape(len(skts), camera.height, camera.width, 4).permute(0, 3, 1, 2)
        return Render(image[:, :3].contiguous(), image[:, 3:].contiguous())

    def strips(self, into: Tensor, width: int, height: int) -> list[_Strip]:
        """frames (N,3,4,24) -> (image, pixels, rays) of all that may see the person."""
        exact = into.detach().cpu().contiguous().numpy()
        settings = self.settings
        how = settings.step, settings.cut, settings.stop
        if into.requires_grad:
            how = settings.gradient_step, settings.gradient_cut, settings.gradient_stop
        found: list[list[_Strip]] = each(
            lambda n: [(n, *s) for s in strips(exact[n], self.capsules, width, height, *how)],
            range(len(exact)),
            self.threads,
        )
        return [strip for image in found for strip in image]

    def chosen(self, g_seen: Tensor) -> Tensor:
        """dL/dimage (...,4) -> the same at a random share of the pixels, scaled so that its mean stays; 0 elsewhere.

        They are drawn from torch's own generator, which a run seeds anew at every checkpoint.
        """
        size = g_seen.norm(dim=-1, keepdim=True)
        share = (self.settings.fraction * (size > 0).sum() * size / size.sum().clamp(min=1e-30)).clamp(max=1)
        drawn = torch.rand(share.shape).to(share.device) < share
        return torch.where(drawn, g_seen / share.clamp(min=1e-12), torch.zeros_like(g_seen))

    @property
    def threads(self) -> int:
        """How many threads draw."""
        return self.settings.threads or torch.get_num_threads()

    def encoder(self) -> Encoder:
        """The calling thread's own."""
        if not hasattr(self._own, "encoder"):
            self._own.encoder = Encoder(self.network, self.cutoff, self.tau)
        encoder: Encoder = self._own.encoder
        return encoder

    def march(self, strip: _Strip) -> Marched:
        """What one strip of rays sees."""
        return march(self.encoder(), strip[2])


class _Draw(torch.autograd.Function):
    """frames (N,3,4,24) -> (N,H*W,4): rgb over black, and alpha."""

    @staticmethod
    def forward(ctx: Any, into: Tensor, fast: FastMarch, width: int, height: int) -> Tensor:
        found = fast.strips(into, width, height)
        seen = each(fast.march, found, fast.threads)
        out = np.zeros((len(into), height * width, 4), np.float32)
        for (n, index, _), marched in zip(found, seen, strict=True):
            out[n, index, :3] = marched.rgb
            out[n, index, 3] = 1 - marched.passed
        fast.samples = sum(marched.samples for marched in seen)
        if into.requires_grad:
            ctx.drawn = fast, found, seen, into.shape
        return torch.from_numpy(out)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:
        fast, found, seen, shape = ctx.drawn
        g_seen = gradients[0] if fast.settings.fraction >= 1 else fast.chosen(gradients[0])
        flow: Floats = g_seen.contiguous().numpy()

        def one(drawn: tuple[_Strip, Marched]) -> NDArray[np.float64]:
            (n, index, rays), marched = drawn
            g = flow[n, index]
            return backward(fast.encoder(), rays, marched, np.ascontiguousarray(g[:, :3]), -g[:, 3])

        out = np.zeros(shape)
        shares = each(one, zip(found, seen, strict=True), fast.threads)
        for (n, _, _), share in zip(found, shares, strict=True):
            out[n] += share
        return torch.from_numpy(out).float(), None, None, None
