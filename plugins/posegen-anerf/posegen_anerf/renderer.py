"""Renderer ``anerf``: a person learned from images, differentiable to the pose and the camera."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Literal, TypeAlias

import torch
from pydantic import Field
from torch import Tensor
from torch.nn import functional as F

import posegen
from posegen.errors import UsageError
from posegen.options import Person
from posegen.types import Camera, Render, Views
from posegen_anerf import reference
from posegen_anerf.body import body_of
from posegen_anerf.fast.draw import FastMarch, Settings
from posegen_anerf.fit import options as fit_options
from posegen_anerf.skeleton import bones_to_world
from posegen_anerf.sources import open_subject


class AnerfRenderer:
    """Draws one subject's A-NeRF (Su et al. 2021): one shipped here, fitted by you, or an official checkpoint."""

    class Options(posegen.Options):
        """Who is drawn, and how."""

        subject: Person = "s0"
        """Who is drawn: s0, or the path of a fitted .safetensors or of an official .tar."""
        rest_pose: Path | None = None
        """For an official .tar without refined poses: the .h5 it was trained on, or a .npz with its rest_pose. Without
        it SURREAL's rest pose is taken."""
        frame: int | None = Field(default=None, ge=0)
        """Whose frame's code is used, for subjects that have them; None: their mean."""
        march: Literal["fast", "reference"] = "fast"
        """How rays are sampled: fast, or as published (hundreds of times slower)."""
        chunk: int = Field(default=1024, ge=1)
        """Rays at once in the reference march: memory grows with it, nothing else changes."""
        precision: Literal["auto", "bf16", "fp32"] = "auto"
        """Of the fast march's matrix products; auto: bf16 where the machine has it."""
        step: float = Field(default=0.017, gt=0, le=0.2)
        """Depth between the fast march's samples, NeRF units (0.56 m each)."""
        cut: int = Field(default=1, ge=1, le=16)
        """Where there is density, ``step`` is divided by this."""
        stop: float = Field(default=3e-3, ge=0, lt=1)
        """A ray of the fast march ends once less than this share of its light is left."""
        gradient_step: float = Field(default=0.0095, gt=0, le=0.2)
        """``step`` of pictures that a gradient is asked of: a gradient misses more than a picture does."""
        gradient_cut: int = Field(default=2, ge=1, le=16)
        """``cut`` of pictures that a gradient is asked of."""
        gradient_stop: float = Field(default=1e-3, ge=0, lt=1)
        """``stop`` of pictures that a gradient is asked of."""
        fraction: float = Field(default=1.0, gt=0, le=1)
        """Share of the rays that the fast march computes gradients through, drawn at random, without bias."""
        side: int | None = Field(default=None, ge=16)
        """Larger pictures are drawn with so many pixels on their longer side, and enlarged: with half of them nearly
        four times faster, and softer. None: all are drawn as they are."""
        threads: int | None = Field(default=None, ge=1)
        """Threads of the fast march, which all draw parts of images; None: as many as torch uses."""

    FitOptions: TypeAlias = fit_options.FitOptions

    differentiable = True
    of_subject = ("rest_pose", "frame")

    def __init__(self, options: Options, *, device: torch.device | str = "cpu") -> None:
        """Raises UsageError for an unknown subject or frame, AssetError for a file that cannot be used."""
        self._options = options
        self._device = torch.device(device)
        self.subject = open_subject(options.subject, options.rest_pose, options.march == "fast").to(self._device)
        _check_frame(options, self.subject.config.framecodes)
        self.body = body_of(self.subject, options.subject, self._device)
        self._rest = self.body.rest_joints
        self.fast = (  # also tells how many samples the last call took
            FastMarch(self.subject, _settings(options), self._device) if options.march == "fast" else None
        )

    def render(self, pose: Tensor, camera: Camera) -> Render:
        """theta (N,23,3) and N cameras -> N images, premultiplied over black, and their alpha, float32.

        Gradients reach the pose and the camera. Nothing behind a camera is drawn. Raises UsageError for shapes that do
        not fit or values that are not finite.
        """
        _check(pose, camera)
        skts = bones_to_world(pose.to(self._device, torch.float32), self._rest)
        camera = Camera(
            rotation=camera.rotation.to(self._device, torch.float32),
            translation=camera.translation.to(self._device, torch.float32),
            intrinsics=camera.intrinsics.to(self._device, torch.float32),
            width=camera.width,
            height=camera.height,
        )
        size, side = (camera.height, camera.width), self._options.side
        if side is None or side >= max(size):
            drawn = self._draw(skts, camera)
        else:
            drawn = self._draw(skts, _smaller(camera, side / max(size)))
            drawn = Render(*(F.interpolate(x, size, mode="bilinear") for x in (drawn.image, drawn.alpha)))
        return Render(drawn.image.clamp(0, 1), drawn.alpha)

    def _draw(self, skts: Tensor, camera: Camera) -> Render:
        if self.fast is not None:
            return self.fast(skts, camera)
        return Render(*reference.draw(self.subject, skts, camera, self._options.chunk, self._options.frame))

    @classmethod
    def fit(
        cls,
        views: Views,
        options: FitOptions,
        out: Path,
        *,
        resume: bool = False,
        progress: Callable[[int, int, Mapping[str, float]], None] | None = None,
    ) -> Mapping[str, float]:
        """Learn a person from images -> figures on those held out; see ``posegen_anerf.fit.fit``."""
        from posegen_anerf.fit.fit import fit

        return fit(views, options, out, resume=resume, progress=progress).figures

    @staticmethod
    def check_fit(options: FitOptions, out: Path, resume: bool) -> None:
        """Raises what ``fit`` would for ``start`` and for the files of an interrupted fit, before there are views."""
        from posegen_anerf.fit.start import start_of
        from posegen_anerf.fit.state import check_state

        check_state(out, options, resume)
        start_of(options)

    @staticmethod
    def read_views(path: Path) -> Views:
        """An official training file; see ``posegen_anerf.h5``."""
        from posegen_anerf import h5

        return h5.read_views(path)

    @staticmethod
    def write_views(path: Path, views: Views) -> None:
        """An official training file; see ``posegen_anerf.h5``."""
        from posegen_anerf import h5

        h5.write_views(path, views)


def _settings(options: AnerfRenderer.Options) -> Settings:
    return Settings(
        precision=options.precision,
        step=options.step,
        cut=options.cut,
        stop=options.stop,
        gradient_step=options.gradient_step,
        gradient_cut=options.gradient_cut,
        gradient_stop=options.gradient_stop,
        fraction=options.fraction,
        threads=options.threads,
        frame=options.frame,
    )


def _smaller(camera: Camera, share: float) -> Camera:
    """The same view in fewer, larger pixels."""
    width, height = (max(1, round(share * side)) for side in (camera.width, camera.height))
    scale = camera.intrinsics.new_tensor([width / camera.width, height / camera.height, 1.0])
    return Camera(camera.rotation, camera.translation, camera.intrinsics * scale[:, None], width, height)


def _check_frame(options: AnerfRenderer.Options, frames: int) -> None:
    if options.frame is not None and options.frame >= frames:
        known = f"0 to {frames - 1}" if frames else "it has no frame codes: leave frame out"
        raise UsageError(f"subject '{options.subject}' has no frame {options.frame}", known)


def _check(pose: Tensor, camera: Camera) -> None:
    n = pose.shape[0] if pose.ndim else 0
    shapes = {
        "pose": (pose, (n, 23, 3)),
        "camera rotation": (camera.rotation, (n, 3, 3)),
        "camera translation": (camera.translation, (n, 3)),
        "camera intrinsics": (camera.intrinsics, (n, 3, 3)),
    }
    for name, (tensor, shape) in shapes.items():
        if tuple(tensor.shape) != shape:
            raise UsageError(
                f"{name} has shape {tuple(tensor.shape)}, where {shape} is needed",
                "pose is (N,23,3) axis-angle without the root; give one camera for each pose",
            )
        if not bool(torch.isfinite(tensor).all()):
            raise UsageError(f"{name} holds values that are not finite", "a NaN here often comes from a diverged run")
    if camera.width < 1 or camera.height < 1:
        raise UsageError(f"an image of {camera.width} x {camera.height} pixels cannot be drawn", "use 1 x 1 or more")
    if bool((camera.intrinsics.diagonal(dim1=1, dim2=2) <= 0).any()):
        raise UsageError("a camera's focal length is not positive", "intrinsics are [[f,0,cx],[0,f,cy],[0,0,1]] pixels")
