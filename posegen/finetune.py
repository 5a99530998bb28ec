"""Stage 2: fine-tune the estimator on generated samples (Eq 13), with what keeps it from forgetting.

Every batch holds generated samples, a share of in-distribution renders (replay), and photographs of real people, and
renders, on which the network must go on saying what the original network said (distillation).
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from fnmatch import fnmatchcase as fnmatch
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from posegen import looks, losses
from posegen.banks import Bank
from posegen.labels import Labels, concatenate
from posegen.low_rank import LowRank
from posegen.nn.device import device_of
from posegen.nn.muon import Muon
from posegen.nn.precision import lowers
from posegen.pace import Pace, paced
from posegen.seeding import stream
from posegen.types import JointSet

if TYPE_CHECKING:
    from posegen.protocols import PoseEstimator
    from posegen.settings import FinetuneSettings, RetainSettings

WARMUP = 0.05  # share of a round in which the learning rate rises
BETAS = (0.9, 0.99)  # of Adam: a round has hundreds of steps, and too few for the usual 0.999
CHANNELS = 16  # a filter sees at least, for Muon: the first one sees colours, and some see one channel each
SIDE = 128  # of a matrix at least, for Muon: a narrower one is a network's output, or is fed numbers, not features


@dataclass(frozen=True, slots=True)
class Progress:
    """One step's losses, still on the device. loss: Eq 13.  recalled: the sum over what is distilled.  kept: share of
    the generated samples that d leaves in."""

    loss: Tensor
    recalled: Tensor
    kept: Tensor


class Finetuning:
    """Fine-tunes ``estimator.module`` in place; batch-norm statistics stay frozen, as in the published script.

    replay: labelled in-distribution renders.  recall: banks of what the original network saw, with their weights.
    seed: the run's, from which low-rank factors start.
    """

    def __init__(
        self,
        estimator: PoseEstimator,
        joint_set: JointSet,
        *,
        replay: Bank | None,
        recall: list[tuple[float, Bank]],
        settings: FinetuneSettings,
        retain: RetainSettings,
        seed: int = 0,
    ) -> None:
        self.estimator, self.joint_set = estimator, joint_set
        self.replay, self.recall = replay, recall
        self.settings, self.retain = settings, retain
        assert estimator.module is not None
        self.module: nn.Module = estimator.module
        self.original = {name: p.detach().clone() for name, p in self.module.named_parameters()}
        self.lr = settings.lr or estimator.lr
        self.pace: Pace = paced(settings, retain, estimator)
        if replay is None:
            self.pace = self.pace._replace(replay=0.0)
        self.low_rank: LowRank | None = None
        if settings.rank:
            self.low_rank = LowRank(self.module.parameters(), settings.rank, stream(seed, "low rank"))
        self.device = device_of(self.module)
        self.optimizers = self._optimizers(self.pace.optimizer)
        self.epochs = 0

    def steps(self, samples: int) -> int:
        """Steps in one epoch over so many samples."""
        return math.ceil(samples / self.pace.fresh)

    def epoch(self, pool: Bank, rng: torch.Generator) -> Iterator[Progress]:
        """One pass over the generated samples, with its share of the round's learning-rate schedule."""
        self._unfreeze()
        steps, again = self.steps(len(pool)), self.pace.replayed
        known = [] if self.replay is None or not again else torch.split(self.replay.order(steps * again, rng), again)
        for i, chosen in enumerate(torch.split(pool.order(len(pool), rng), self.pace.fresh)):
            self._schedule((self.epochs % self.pace.epochs + i / steps) / self.pace.epochs)
            labelled = [pool.draw(chosen, rng)]
            if self.replay is not None and known:
                labelled.append(self.replay.draw(known[i], rng))
            yield self.step(labelled, rng)
        self.module.eval().requires_grad_(False)
        self.epochs += 1

    def step(self, labelled: list[tuple[Tensor, Labels]], rng: torch.Generator) -> Progress:
        """One step on labelled crops, generated samples first, and on what is recalled."""
        recalled = [bank.pick(self.pace.recalled, rng) for _, bank in self.recall]
        pictures, known = zip(*labelled, *recalled, strict=True)
        crops, labels = torch.cat(pictures).to(self.device), concatenate(known).to(self.device)
        crops, labels = self._right_some(*self._mirror_some(crops, labels, rng))
        fresh = len(labelled[0][1])
        moved, moved_labels = self._moved(crops[:fresh], labels[:fresh], rng)  # ordinary people stay as they are known
        crops, labels = torch.cat([moved, crops[fresh:]]), concatenate([moved_labels, labels[fresh:]])
        estimate = self.estimator.predict(crops)
        joints, start = estimate.joints, sum(len(part) for _, part in labelled)
        s = self.settings
        loss, kept = losses.finetune(
            joints[:start],
            labels.joints[:start],
            self.joint_set,
            d=s.d,
            over_d=s.over_d,
            scale_aligned=s.scale_aligned,
            joints=s.joints,
        )
        total, distilled = loss, loss.new_zeros(())
        if self.pace.rotations:
            total = total + self.pace.rotations * losses.rotations(estimate, labels)
        if self.pace.heatmaps:
            total = total + self.pace.heatmaps * losses.heatmaps(estimate, labels, self.joint_set)
        for weight, _ in self.recall:
            part = slice(start, start + self.pace.recalled)
            said, was = (losses.centred(side[part], self.joint_set) for side in (joints, labels.joints))
            distance = (said - was).norm(dim=-1).mean()
            total, distilled, start = total + weight * distance, distilled + distance, start + self.pace.recalled
        if self.retain.weights:
            total = total + self.retain.weights * self._distance()
        for optimizer in self.optimizers.values():
            optimizer.zero_grad(set_to_none=True)
        total.backward()
        if self.low_rank is not None:
            self.low_rank.pull()
        for optimizer in self.optimizers.values():
            optimizer.step()
        if self.low_rank is not None:
            self.low_rank.push()
        return Progress(loss.detach(), distilled.detach(), kept[:fresh].float().mean())

    @torch.no_grad()
    def average(self) -> None:
        """Mix the original weights in (Wortsman et al. 2022)."""
        for name, p in self.module.named_parameters():
            p.lerp_(self.original[name], 1 - self.pace.average)

    def _mirror_some(self, crops: Tensor, labels: Labels, rng: torch.Generator) -> tuple[Tensor, Labels]:
        """Random ones of crops (n,3,H,W) are flipped left to right."""
        if not self.joint_set.left_right:
            return crops, labels
        flip = (torch.rand(len(crops), generator=rng) < self.settings.mirror).to(self.device)
        crops = torch.where(flip[:, None, None, None], crops.flip(-1), crops)
        return crops, labels.mirrored(self.joint_set).where(flip, labels)

    def _right_some(self, crops: Tensor, labels: Labels) -> tuple[Tensor, Labels]:
        """Every other one of crops (n,3,H,W) is turned upright, for an estimator that looks twice."""
        if looks.of(self.estimator) == 1:
            return crops, labels
        angle = looks.tilt(labels.joints, self.joint_set)
        angle[::2] = 0
        (index,) = angle.nonzero(as_tuple=True)
        crops = crops.index_copy(0, index, looks.upright(crops[index], angle[index]))
        return crops, labels.moved(-angle, torch.ones_like(angle), angle.new_zeros(len(angle), 2))

    def _moved(self, crops: Tensor, labels: Labels, rng: torch.Generator) -> tuple[Tensor, Labels]:
        """crops (n,3,H,W) are turned, zoomed and shifted at random."""
        s = self.pace
        if not (s.turn or s.zoom or s.shift):
            return crops, labels
        draw = (2 * torch.rand(len(crops), 4, generator=rng) - 1).to(crops)
        angle, away, shift = math.radians(s.turn) * draw[:, 0], 1 + s.zoom * draw[:, 1], s.shift * draw[:, 2:]
        cos, sin = angle.cos(), angle.sin()
        wide = crops.shape[-1] / crops.shape[-2]
        back = torch.stack([cos, sin / wide, -sin * wide, cos], dim=-1).reshape(-1, 2, 2) * away[:, None, None]
        place = F.affine_grid(torch.cat([back, shift[..., None]], dim=-1), list(crops.shape), False)  # halves of sides
        crops = F.grid_sample(crops, place, padding_mode="border", align_corners=False)
        return crops, labels.moved(angle, 1 / away, -shift * shift.new_tensor([wide, 1.0]) / 2)

    def _optimizers(self, name: str) -> dict[str, torch.optim.Optimizer]:
        """Muon for the filters and for the large matrices, if it is chosen, and Adam for the rest."""
        trained = self._trained()
        turned = [p for p in trained if name == "muon" and self.low_rank is None and _turns(p)]
        others = [p for p in trained if all(p is not q for q in turned)]
        found: dict[str, torch.optim.Optimizer] = {
            "adam": torch.optim.Adam(others, lr=self.lr, betas=BETAS, fused=True)
        }
        if turned:
            found["muon"] = Muon(turned, lr=self.lr, bf16=lowers("auto", self.device))
        return found

    def _trained(self) -> list[nn.Parameter]:
        """What the optimiser steps: everything, or biases and factors."""
        if self.low_rank is None:
            return list(self.module.parameters())
        return [*self.low_rank.factors, *(p for p in self.module.parameters() if p.dim() <= 1)]

    def _unfreeze(self) -> None:
        """Training mode, but for batch norm and for the layers that the estimator wants left alone."""
        self.module.train()
        for name, p in self.module.named_parameters():
            p.requires_grad_(not any(fnmatch(name, pattern) for pattern in self.estimator.frozen))
        for module in self.module.modules():
            if isinstance(module, nn.modules.batchnorm._BatchNorm):
                module.eval()

    def _schedule(self, share: float) -> None:
        """``share`` of a round is over: warm up, then go linearly to zero, where the network settles."""
        for group in (group for optimizer in self.optimizers.values() for group in optimizer.param_groups):
            group["lr"] = self.lr * min(1.0, (share + 1e-3) / WARMUP) * (1 - share)

    def _distance(self) -> Tensor:
        return torch.stack([(p - self.original[n]).square().sum() for n, p in self.module.named_parameters()]).sum()


def _turns(p: Tensor) -> bool:
    """Muon is for it: it maps many features to many."""
    return (p.dim() == 4 and p.shape[1] >= CHANNELS) or (p.dim() == 2 and min(p.shape) >= SIDE)
