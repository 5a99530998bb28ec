"""The loop: rays of a few images, drawn, compared (Eq 11), stepped."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Generator, Tensor

from posegen.errors import AssetError, PosegenError, UsageError
from posegen.nn.checkpoint import save_arrays
from posegen.nn.muon import Muon
from posegen.nn.precision import lowers
from posegen.types import Views
from posegen_anerf.config import PRESETS, FieldConfig
from posegen_anerf.fast.calibrate import calibrate
from posegen_anerf.field import Field
from posegen_anerf.fit import losses, network
from posegen_anerf.fit.draw import March, draw
from posegen_anerf.fit.hull import Hull
from posegen_anerf.fit.measure import Quality, measure
from posegen_anerf.fit.options import FitOptions
from posegen_anerf.fit.pixels import Pixels, rays_of
from posegen_anerf.fit.poses import Poses
from posegen_anerf.fit.radii import radii_of
from posegen_anerf.fit.seen import check_cameras
from posegen_anerf.fit.start import start_of
from posegen_anerf.fit.state import check_state, load_state, poses_of, save_state, state_of
from posegen_anerf.skeleton import bones_to_world
from posegen_anerf.subject import NerfSubject

Progress = Callable[[int, int, Mapping[str, float]], None]
"""Iterations done, iterations in all, figures of the last measurement."""

_BEND = 0.5  # radians
_SURE = 0.6  # share of the iterations after which nothing may be left far from the bones
_WARMUP = 100  # iterations until the learning rate is reached
_MEASURED = 4  # held-out images looked at while fitting, every second pixel of each axis


@dataclass(frozen=True, slots=True)
class Fitted:
    """A finished fit. quality: on all held-out images, or None where there are none.  iterations: done in all."""

    subject: NerfSubject
    quality: Quality | None
    iterations: int

    @property
    def figures(self) -> dict[str, float]:
        """The quality by name."""
        return {} if self.quality is None else asdict(self.quality)


class Fit:
    """A field, the poses, and what it takes to make one more step."""

    def __init__(self, views: Views, options: FitOptions) -> None:
        """Raises UsageError for ``smooth`` without video, AssetError for cameras that see the person elsewhere than the
        masks do, and what ``start_of`` does."""
        if options.smooth and not losses.between(views.clip).any():
            raise UsageError(
                "smooth is for video, and no three of these poses follow each other in one clip",
                "--set smooth=0, or give a folder with a 'clip', or an .h5 in which each image has a pose of its own",
            )
        self.views, self.options = views, options
        self.rng = Generator().manual_seed(options.seed)
        config = FieldConfig(
            width=options.width,
            depth=options.depth,
            skip=options.skip,
            view_width=options.view_width,
            multires=options.multires,
            multires_views=options.multires_views,
            cutoff=options.cutoff,
            framecode_size=options.framecode,
            framecodes=len(views) if options.framecode else 0,
            single=True,
            samples=PRESETS["surreal_single"].samples,
            importance=PRESETS["surreal_single"].importance,
        )
        self.field, start = Field(config).initialise(self.rng), start_of(options)
        if start is None:
            _sharpen(self.field, options.direction)
        else:
            network.restart(self.field, start)
        self.poses = Poses(views.poses, views.rest_joints, views.clip).requires_grad_(options.poses)
        self.skts = self.poses.skts().detach()
        check_cameras(views, self.skts)
        self.radii = radii_of(views, self.skts, options.margin, self.rng)
        self.pixels, self.hull = Pixels(views), Hull(views)
        self.bf16 = lowers("auto", torch.device("cpu")) if options.bf16 is None else options.bf16
        hidden = [layer.weight for layer in network.hidden(self.field)]
        others = [p for p in self.field.parameters() if all(p is not weight for weight in hidden)]
        self.optimisers: dict[str, torch.optim.Optimizer] = {
            "muon": Muon(hidden, options.lr, bf16=self.bf16),
            "adam": torch.optim.Adam(others, options.adam_lr, betas=(0.9, 0.99), fused=True),
        }
        self.pose_optimiser = torch.optim.Adam(self.poses.parameters(), lr=options.pose_lr)
        self.done, self.best, self.stale = 0, -math.inf, 0

    def iterate(self) -> None:
        """One step. Raises PosegenError when the loss is no longer a number."""
        options, share = self.options, self.done / self.options.iterations
        rate = options.lr_end**share * min(1.0, (self.done + 1) / _WARMUP)
        for optimiser in self.optimisers.values():
            for group in optimiser.param_groups:
                group["lr"] = optimiser.defaults["lr"] * rate
        first, last = options.tau if options.start is None else options.tau[1:] * 2
        self.field.tau.fill_(first * (last / first) ** share)
        image, place = self.pixels.draw(options.images, options.rays, self.rng)
        shown = self.views.pose_index[image]
        skts = self.poses.skts(shown) if options.poses else self.skts[shown]
        rays = rays_of(self.views, image, place, skts, codes=bool(options.framecode))
        wanted, person = self.pixels.target(image, place)
        rays = replace(rays, person=person)
        noise = options.noise * max(0.0, 1 - 2 * share)
        march = self.march(options.threshold if self.done > _WARMUP else 0.0, noise, self.hull)
        drawn = draw(self.field, rays, march, self.rng)
        rgb, alpha = drawn.rgb, drawn.alpha
        behind = torch.rand(len(rgb), 3, generator=self.rng)  # a new colour for each ray: only opacity hides it
        difference = rgb - wanted + (person - alpha)[:, None] * behind
        loss = losses.image(options.loss, difference) + options.mask * (alpha - person).square().mean()
        if options.empty:
            loss = loss + options.empty * losses.emptiness(
                self.field, skts, self._strange(shown), self.radii, drawn, share > _SURE, self.bf16, self.rng
            )
        if options.poses:
            loss = loss + self.poses.regulariser(
                shown.unique(), options.pose_weight, options.pose_tolerance, options.smooth
            )
        if not bool(torch.isfinite(loss)):
            raise PosegenError(f"the fit diverged at iteration {self.done}", f"--set lr={options.lr / 2:g}")
        for optimiser in self.optimisers.values():
            optimiser.zero_grad(set_to_none=True)
        loss.backward()
        for optimiser in self.optimisers.values():
            optimiser.step()
        self.done += 1
        if options.poses and self.done % options.pose_every == 0:
            self.pose_optimiser.step()
            self.pose_optimiser.zero_grad(set_to_none=True)
            self.skts = self.poses.skts().detach()

    def march(self, threshold: float = 0.0, noise: float = 0.0, hull: Hull | None = None) -> March:
        """How rays are sampled."""
        return March(self.radii, self.options.step, threshold, noise, self.bf16, hull)

    def look(self, images: Tensor, stride: int = 1) -> Quality:
        """How well the field shows these images."""
        return measure(
            self.field, self.views, images, self.skts, self.march(), stride, codes=bool(self.options.framecode)
        )

    def subject(self, quality: Quality | None) -> NerfSubject:
        """The person as it is now."""
        views = self.views
        source = {
            "made by": "posegen fit anerf",
            "images": str(int((~views.held_out).sum())),
            "poses": str(len(views.pose_index[~views.held_out].unique())),
            "pixels": f"{views.masks.shape[2]} x {views.masks.shape[1]}",
            "iterations": str(self.done),
            "options": self.options.model_dump_json(exclude_defaults=True),
        }
        if quality is not None:
            source["held out"] = json.dumps({key: round(value, 3) for key, value in asdict(quality).items()})
        field = network.finished(self.field)
        body: Literal["open", "skeleton"] = "open" if views.body == "open" else "skeleton"
        return NerfSubject(field.config, field, None, views.rest_joints, body, views.betas, None, source)

    def refined(self) -> dict[str, NDArray[Any]]:
        """The poses as they are now, which of them have been learned from, and which of them each image shows."""
        views, (poses, pelvis) = self.views, self.poses.theta()
        refined = torch.zeros(len(poses), dtype=torch.bool)
        refined[views.pose_index[~views.held_out]] = True
        tensors = {"poses": poses, "pelvis": pelvis, "refined": refined, "pose_index": views.pose_index}
        return {key: value.numpy() for key, value in tensors.items()} | {"names": np.array(views.names)}

    def save(self, path: Path) -> None:
        """Write what ``resume`` reads."""
        extra = {
            "done": torch.tensor(self.done),
            "best": torch.tensor(self.best, dtype=torch.float64),
            "stale": torch.tensor(self.stale),
            "rng": self.rng.get_state(),
            "pose_gradients": torch.cat([_gradient(p).flatten() for p in self.poses.parameters()]),
        }
        save_state(path, self._modules(), self._optimisers(), extra, self.options, self.views)

    def resume(self, path: Path) -> None:
        """Go on as if never interrupted. Raises as ``load_state`` does."""
        extra = load_state(path, self._modules(), self._optimisers(), self.options, self.views)
        self.done, self.best, self.stale = int(extra["done"]), float(extra["best"]), int(extra["stale"])
        self.rng.set_state(extra["rng"])
        self.skts = self.poses.skts().detach()
        if self.options.poses:
            start = 0
            for parameter in self.poses.parameters():
                flat = extra["pose_gradients"][start : start + parameter.numel()]
                parameter.grad, start = flat.view_as(parameter).clone(), start + parameter.numel()

    def _strange(self, poses: Tensor) -> Tensor:
        """World to bone transforms of these poses, bent at random: it will be drawn in poses it was never seen in."""
        theta = self.views.poses[poses]
        bend = _BEND * torch.rand(len(theta), 1, 1, generator=self.rng) * torch.randn(theta.shape, generator=self.rng)
        return bones_to_world(theta + bend, self.views.rest_joints)

    def _modules(self) -> dict[str, torch.nn.Module]:
        return {"field": self.field, "poses": self.poses}

    def _optimisers(self) -> dict[str, torch.optim.Optimizer]:
        return {**self.optimisers, "pose_optimiser": self.pose_optimiser}


def fit(
    views: Views, options: FitOptions, out: Path, *, resume: bool = False, progress: Progress | None = None
) -> Fitted:
    """Learn a field from views, and write it to ``out``, a ``.safetensors``, again at every measurement.

    Beside it lies ``out`` + ``.fit``, from which ``resume`` goes on, to the same bits as without interruption, or from
    the start where neither is there. Once poses have been refined, ``.poses.npz`` holds them: poses (P,24,3), pelvis
    (P,3), against the given roots, and refined (P,), pose_index and names (N,). Raises PosegenError for a fit that
    diverges, UsageError and AssetError as ``check_state``, ``load_state`` and ``Fit`` do.
    """
    check_state(out, options, resume)
    state, run = state_of(out), Fit(views, options)
    if state.exists():
        run.resume(state)
    unseen = (views.held_out & (views.masks.flatten(1).amax(1) > 127)).nonzero()[:, 0]  # of nobody there is no figure
    some = unseen[:: max(1, len(unseen) // _MEASURED)][:_MEASURED]
    figures: dict[str, float] = {}
    tell = progress or (lambda *_: None)
    tell(run.done, options.iterations, figures)
    while run.done < options.iterations and not (options.patience and run.stale >= options.patience):
        run.iterate()
        if run.done % options.every == 0:
            quality = run.look(some, stride=2) if len(some) else None
            if quality is not None:
                figures = {"psnr": quality.psnr, "box": quality.box_psnr}
                stale = quality.box_psnr <= run.best
                run.best, run.stale = max(run.best, quality.box_psnr), run.stale + 1 if stale else 0
            run.save(state)
            run.subject(quality).save(out)
        tell(run.done, options.iterations, figures)
    quality = run.look(unseen) if len(unseen) else None
    subject = run.subject(quality)
    if options.calibration:
        with suppress(AssetError):  # a fit cut short is fog, which has no end: it can still be looked at
            subject.margins = calibrate(subject, views.poses, options.calibration, options.seed)
    subject.save(out, half=True)
    if options.poses:
        save_arrays(poses_of(out), run.refined())
    state.unlink(missing_ok=True)
    return Fitted(subject, quality, run.done)


@torch.no_grad()
def _sharpen(field: Field, factor: float) -> None:
    """Larger first weights of the directions to the joints, wherever the trunk sees them."""
    end, trunk = field.config.point_size, network.hidden(field)[: field.config.depth]
    for i, layer in enumerate(trunk):
        if i in (0, field.config.skip + 1):
            layer.weight[:, end - 72 : end] *= factor
    trunk[0].bias.mul_(factor)


def _gradient(parameter: Tensor) -> Tensor:
    return torch.zeros_like(parameter) if parameter.grad is None else parameter.grad
