"""The method and its fine-tuning on blobs: the smallest real parts, for the tests of what stands around them."""

from __future__ import annotations

from functools import cache
from typing import Any

import torch
from posegen_discriminators.parts import Parts
from posegen_priors.priors import Normal
from posegen_starter.body import OpenBody
from torch import Tensor, nn

from posegen.appearance import Appearance
from posegen.banks import Bank, labelled
from posegen.body import Body
from posegen.datasets.generated import Samples, concatenate
from posegen.datasets.poses import RealPoses
from posegen.finetune import Finetuning
from posegen.generate import render_samples
from posegen.loop import PoseGen
from posegen.pace import Pace
from posegen.protocols import PoseEstimator
from posegen.settings import AppearanceSettings, CameraSettings, FinetuneSettings, RetainSettings, Settings
from posegen.testing.blobs import BlobEstimator, BlobRenderer
from posegen.types import Clip, Estimate

PLAIN = AppearanceSettings(**dict.fromkeys(AppearanceSettings.model_fields, 0.0) | {"backgrounds": 1.0, "wall": "any"})
"""An appearance without chance, if there is one background and it is its own mirror image."""


def rng(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


@cache
def body() -> Body:
    return OpenBody(OpenBody.Options()).body()


def appearance(settings: AppearanceSettings = PLAIN) -> Appearance:
    return Appearance(settings, torch.full((1, 3, 24, 24), 0.5))


def method(seed: int = 4, **sections: dict[str, Any]) -> PoseGen:
    settings = {
        "camera": {"size": 24},
        "generator": {"width": 16},
        "loop": {"warmup": 2, "batch": 8},
        "feedback": {"every": 2, "samples": 4},
        "appearance": PLAIN.model_dump(),
    }
    poses = 0.2 * torch.randn(40, 24, 3, generator=rng(1))
    return PoseGen(
        renderer=BlobRenderer(body()),
        estimator=BlobEstimator(rng(2)),
        prior=Normal(Normal.Options()),
        discriminator=Parts(Parts.Options(width=16, out_width=16), generator=rng(seed + 1)),
        real_poses=RealPoses([Clip("c", "train", poses, torch.zeros(40, 3), 30.0)]),
        appearance=appearance(),
        settings=Settings.model_validate(settings | sections),
        rng=rng(seed),
    )


def samples(n: int, seed: int = 11, size: int = 24) -> Samples:
    random = rng(seed)
    theta, view = 0.2 * torch.randn(n, 23, 3, generator=random), torch.randn(n, 3, generator=random)
    return concatenate(
        render_samples(
            theta,
            view,
            renderer=BlobRenderer(body()),
            estimator=BlobEstimator(rng(2)),
            appearance=appearance(),
            camera=CameraSettings(size=size),
            rng=random,
        )
    )


def bank(n: int, seed: int = 11, copies: int = 0, varied: AppearanceSettings = PLAIN) -> Bank:
    return labelled(samples(n, seed), BlobEstimator(rng(2)), appearance(varied), copies, rng(seed))


class Filters(BlobEstimator):
    """A network with filters, of which Muon steps the second, and a matrix between features, which it steps too."""

    pace: Pace

    def __init__(self) -> None:
        super().__init__(rng(2))
        with torch.random.fork_rng():
            torch.manual_seed(0)
            self.module = nn.Sequential(
                nn.Conv2d(3, 16, 4, 4),
                nn.ReLU(),
                nn.Conv2d(16, 16, 3, padding=1),
                nn.Flatten(),
                nn.Linear(256, 128),
                nn.Linear(128, 72),
            )
        self.module.requires_grad_(False)

    def predict(self, crop: Tensor) -> Estimate:
        assert self.module is not None
        return Estimate(self.module(crop).unflatten(1, (24, 3)))


def finetuning(
    *,
    estimator: PoseEstimator | None = None,
    replay: Bank | None = None,
    recall: list[tuple[float, Bank]] | None = None,
    retain: dict[str, Any] | None = None,
    **settings: Any,
) -> Finetuning:
    return Finetuning(
        estimator or BlobEstimator(rng(2)),
        body().joint_set("smpl24"),
        replay=replay,
        recall=recall or [],
        settings=FinetuneSettings(**{"d": 10.0, "epochs": 2, "batch": 4, "mirror": 0.0} | settings),
        retain=RetainSettings(**retain or {}),
    )
