"""Stage 2: fine-tune the estimator on generated samples (Eq 13), with what keeps it from forgetting.

Every batch holds generated samples, a share of in-distribution renders (replay), and photographs of real people on
which the network must go on saying what the original network said (distillation).
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

from posegen import losses
from posegen.appearance import Appearance
from posegen.datasets.generated import Samples
from posegen.datasets.photos import photo_box
from posegen.geometry import resample
from posegen.types import JointSet

if TYPE_CHECKING:
    from posegen.protocols import PoseEstimator
    from posegen.settings import FinetuneSettings, RetainSettings

PHOTO_SHARE = 0.25  # photographs in a batch, as a share of the rendered samples
WARMUP = 0.05  # share of a round in which the learning rate rises
PHOTO_COPIES = 6  # times that every photograph is cut out anew


@dataclass(frozen=True, slots=True)
class Progress:
    """One step's losses, still on the device. kept: share of the samples below d."""

    loss: Tensor
    photos: Tensor
    kept: Tensor


@dataclass(frozen=True, slots=True)
class Anchors:
    """Photographs (P,3,H,W) in [0,1] and what the original network sees there: joints (P,J,3), metres."""

    image: Tensor
    joints: Tensor


@torch.no_grad()
def anchors(photos: Tensor, estimator: PoseEstimator, rng: torch.Generator) -> Anchors:
    """Photographs (N,3,H,W), each cut out ``PHOTO_COPIES`` times (mirrored, turned, shifted), and what is seen."""
    image = photos.repeat(PHOTO_COPIES, 1, 1, 1)
    n, size = len(image), image.shape[-1]
    noise = 2 * torch.rand(n, 4, generator=rng, device=rng.device).to(image) - 1
    image = torch.where((noise[:, 0] > 0)[:, None, None, None], image.flip(-1), image)
    centre = size / 2 + noise[:, 1:3] * 0.06 * size
    side = size * (1 + 0.15 * noise[:, 3])
    angle = 0.2 * (2 * torch.rand(n, generator=rng, device=rng.device).to(image) - 1)
    image = torch.cat([resample(p, c, s, size, a) for p, c, s, a in _chunks(image, centre, side, angle)])
    joints = [
        estimator.predict(estimator.crop(part, photo_box(part))).joints.cpu()
        for (part,) in _chunks(image.to(_device(estimator)))
    ]
    return Anchors(image, torch.cat(joints))


class Finetuning:
    """Fine-tunes ``estimator.module`` in place; batch-norm statistics stay frozen, as in the published script."""

    def __init__(
        self,
        estimator: PoseEstimator,
        joint_set: JointSet,
        *,
        replay: Samples | None,
        photos: Anchors | None,
        appearance: Appearance,
        settings: FinetuneSettings,
        retain: RetainSettings,
    ) -> None:
        self.estimator, self.joint_set = estimator, joint_set
        self.replay, self.photos = replay, photos
        self.appearance, self.settings, self.retain = appearance, settings, retain
        assert estimator.module is not None
        self.module: nn.Module = estimator.module
        self.original = {name: p.detach().clone() for name, p in self.module.named_parameters()}
        self.lr = settings.lr or estimator.lr
        self.adam = torch.optim.Adam(self.module.parameters(), lr=self.lr)
        self.device = next(self.module.parameters()).device
        self.epochs = 0
        self.replayed = round(settings.batch * retain.replay) if replay is not None else 0
        self.fresh = max(1, settings.batch - self.replayed)

    def steps(self, pool: Samples) -> int:
        """Steps in one epoch over this pool."""
        return math.ceil(len(pool) / self.fresh)

    def epoch(self, pool: Samples, rng: torch.Generator) -> Iterator[Progress]:
        """One pass over the generated samples, with its share of the round's learning-rate schedule."""
        self._unfreeze()
        order = torch.randperm(len(pool), generator=rng, device=rng.device).cpu()
        for i, chosen in enumerate(torch.split(order, self.fresh)):
            self._schedule((self.epochs % self.settings.epochs + i / self.steps(pool)) / self.settings.epochs)
            batch = [pool[chosen]]
            if self.replay is not None and self.replayed:
                batch.append(self.replay[_pick(len(self.replay), self.replayed, rng)])
            yield self.step(batch, rng)
        self.module.eval().requires_grad_(False)
        self.epochs += 1

    def step(self, batch: list[Samples], rng: torch.Generator) -> Progress:
        batch = [s.to(self.device) for s in batch]
        render = [self.estimator.crop(self.appearance.compose(s.render(), rng), s.box) for s in batch]
        truth = torch.cat([s.truth for s in batch])
        crops, target = torch.cat(render), None
        if self.photos is not None and self.retain.photos:
            chosen = _pick(len(self.photos.image), max(1, round(PHOTO_SHARE * len(crops))), rng)
            photo, target = self.photos.image[chosen].to(self.device), self.photos.joints[chosen].to(self.device)
            photo = self.appearance.photograph(photo, rng)
            crops = torch.cat([crops, self.estimator.crop(photo, photo_box(photo))])

        joints = self.estimator.predict(crops).joints
        s = self.settings
        loss, kept = losses.finetune(
            joints[: len(truth)], truth, self.joint_set, d=s.d, over_d=s.over_d, scale_aligned=s.scale_aligned
        )
        distilled = loss.new_zeros(())
        if target is not None:
            distilled = (joints[len(truth) :] - target).norm(dim=-1).mean()
        total = loss + self.retain.photos * distilled
        if self.retain.weights:
            total = total + self.retain.weights * self._distance()
        self.adam.zero_grad(set_to_none=True)
        total.backward()  # type: ignore[no-untyped-call]
        self.adam.step()
        return Progress(loss.detach(), distilled.detach(), kept.float().mean())

    @torch.no_grad()
    def average(self) -> None:
        """Mix the original weights in: ``retain.average`` is the fine-tuned share (Wortsman et al. 2022)."""
        for name, p in self.module.named_parameters():
            p.lerp_(self.original[name], 1 - self.retain.average)

    def _unfreeze(self) -> None:
        """Training mode, but for batch norm and for the layers that the estimator wants left alone."""
        self.module.train()
        for name, p in self.module.named_parameters():
            p.requires_grad_(not name.startswith(self.estimator.frozen))
        for module in self.module.modules():
            if isinstance(module, nn.modules.batchnorm._BatchNorm):
                module.eval()

    def _schedule(self, share: float) -> None:
        """``share`` of a round is over: warm up, then go linearly to zero, where the network settles."""
        for group in self.adam.param_groups:
            group["lr"] = self.lr * min(1.0, (share + 1e-3) / WARMUP) * (1 - share)

    def _distance(self) -> Tensor:
        return torch.stack([(p - self.original[n]).square().sum() for n, p in self.module.named_parameters()]).sum()


def _pick(n: int, k: int, rng: torch.Generator) -> Tensor:
    return torch.randint(n, (k,), generator=rng, device=rng.device).cpu()


def _chunks(*tensors: Tensor, size: int = 32) -> Iterator[tuple[Tensor, ...]]:
    return zip(*(torch.split(t, size) for t in tensors), strict=True)


def _device(estimator: PoseEstimator) -> torch.device:
    return next(estimator.module.parameters()).device if estimator.module is not None else torch.device("cpu")
