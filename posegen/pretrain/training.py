"""Training: from random weights, over a bank, epoch by epoch."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from posegen import losses
from posegen.labels import Labels
from posegen.losses import centred, joint_error
from posegen.nn.device import device_of
from posegen.pretrain.bank import Bank
from posegen.pretrain.settings import Pretraining
from posegen.pretrain.truth import Truth, mirror_some
from posegen.protocols import PoseEstimator
from posegen.seeding import seed_torch, stream
from posegen.types import Estimate, JointSet

WARMUP = 0.03  # share of all steps in which the learning rate rises
CLIP = 1.0  # largest norm of the gradient

Square = Callable[[Tensor], tuple[Tensor, Tensor]]
"""Boxes (n,4) -> centre (n,2) and height (n,) of the crops that an estimator cuts, pixels."""


@dataclass(frozen=True, slots=True)
class Progress:
    """One step's losses, still on the device. joints: metres."""

    loss: Tensor
    joints: Tensor


class Training:
    """Trains ``estimator.module`` in place; ``epochs`` are over.

    square: what the estimator's camera refers to; None leaves the loss of the camera out.
    """

    def __init__(
        self,
        estimator: PoseEstimator,
        joint_set: JointSet,
        bank: Bank,
        truth: Truth,
        settings: Pretraining,
        square: Square | None,
    ) -> None:
        assert estimator.module is not None
        self.module: nn.Module = estimator.module.requires_grad_(True)
        self.estimator, self.joint_set, self.settings = estimator, joint_set, settings
        self.bank, self.truth, self.square, self.epochs = bank, truth, square, 0
        self.device = device_of(self.module)
        decayed = [p for p in self.module.parameters() if p.dim() > 1]
        free = [p for p in self.module.parameters() if p.dim() <= 1]
        self.adam = torch.optim.AdamW(
            [{"params": decayed, "weight_decay": settings.weight_decay}, {"params": free, "weight_decay": 0.0}],
            lr=settings.lr,
            fused=True,
        )
        self.steps = max(1, len(bank) // settings.batch)  # in an epoch: batch norm wants whole batches

    def epoch(self) -> Iterator[Progress]:
        """One pass over the bank, in a new order. Its random numbers depend on seed and epoch alone."""
        rng = stream(self.settings.seed, "pretrain", self.epochs)
        seed_torch(self.settings.seed, "pretrain", "layers", self.epochs)
        self.module.train()
        order = torch.randperm(len(self.bank), generator=rng)
        for i in range(self.steps):
            share = (self.epochs * self.steps + i) / (self.settings.epochs * self.steps)
            self._schedule(share)
            chosen = order[i * self.settings.batch : (i + 1) * self.settings.batch]
            yield self.step(chosen, rng, coarse=share < self.settings.coarse)
        self.module.eval()
        self.epochs += 1

    def step(self, index: Tensor, rng: torch.Generator, *, coarse: bool = False) -> Progress:
        flip = torch.rand(len(index), generator=rng) < 0.5
        picture, truth = mirror_some(self.bank.pictures(index), self.truth[index], flip, self.joint_set)
        box = self._jittered(truth.box, rng)
        crop = self.estimator.crop(picture.to(self.device).float() / 255, box.to(self.device))
        estimate = self.estimator.predict(F.avg_pool2d(crop, 2) if coarse else crop)
        loss, joints = self.loss(estimate, truth, box)
        self.adam.zero_grad(set_to_none=True)
        loss.backward()
        nn.utils.clip_grad_norm_(self.module.parameters(), CLIP)
        self.adam.step()
        return Progress(loss.detach(), joints.detach())

    def loss(self, estimate: Estimate, truth: Truth, box: Tensor) -> tuple[Tensor, Tensor]:
        """-> the weighted sum of what this estimator says, and the joints' mean distance in metres."""
        w = self.settings.loss
        difference = centred(estimate.joints, self.joint_set) - centred(truth.joints.to(self.device), self.joint_set)
        joints = difference.norm(dim=-1).mean()
        total = w.joints * joints
        labels = self._labels(truth, box).to(self.device)
        if w.rotations:
            total = total + w.rotations * losses.rotations(estimate, labels)
        if w.betas and estimate.betas is not None:
            total = total + w.betas * (estimate.betas - truth.betas.to(self.device)).square().mean()
        if w.points and estimate.camera is not None and self.square is not None:
            said = estimate.camera[:, None, :1] * (estimate.joints[..., :2] + estimate.camera[:, None, 1:])
            total = total + w.points * (said - 2 * labels.place).norm(dim=-1).mean()
        if w.heatmaps:
            total = total + w.heatmaps * losses.heatmaps(estimate, labels, self.joint_set)
        return total, joints

    def _labels(self, truth: Truth, box: Tensor) -> Labels:
        """What is true of the crops that are cut around these boxes (n,4)."""
        labels = replace(Labels.of_joints(truth.joints), rotations=truth.rotations())
        if self.square is None:
            return labels
        centre, side = self.square(box)
        return replace(labels, place=(truth.points - centre[:, None]) / side[:, None, None])

    def _jittered(self, box: Tensor, rng: torch.Generator) -> Tensor:
        """Boxes (n,4) a little beside, and larger or smaller than, the person."""
        draw = 2 * torch.rand(len(box), 3, generator=rng) - 1
        low, high = box[:, :2], box[:, 2:]
        side = (high - low).amax(1, keepdim=True)
        centre = (low + high) / 2 + self.settings.shift * side * draw[:, :2]
        half = (high - low) / 2 * (1 + self.settings.zoom * draw[:, 2:])
        return torch.cat([centre - half, centre + half], dim=1)

    def _schedule(self, share: float) -> None:
        rate = min(1.0, (share + 1e-4) / WARMUP) * 0.5 * (1 + math.cos(math.pi * share))
        for group in self.adam.param_groups:
            group["lr"] = self.settings.lr * rate


@torch.inference_mode()
def validate(estimator: PoseEstimator, joint_set: JointSet, bank: Bank, truth: Truth, batch: int = 50) -> float:
    """The mean error of the limb joints (as the open benchmark measures it) in millimetres."""
    assert estimator.module is not None
    device = device_of(estimator.module)
    errors = []
    for index in torch.split(torch.arange(len(bank)), batch):
        crop = estimator.crop(bank.pictures(index).to(device).float() / 255, truth.box[index].to(device))
        joints = estimator.predict(crop).joints.float().cpu()
        errors.append(1000 * joint_error(joints, truth.joints[index], joint_set))
    return float(torch.cat(errors).mean())
