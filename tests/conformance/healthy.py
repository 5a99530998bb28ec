"""A small component of every kind that passes the kit. ``test_kit.py`` breaks each in one way at a time."""

from __future__ import annotations

import torch
from posegen_starter.body import OpenBody
from torch import Generator, Tensor, nn

import posegen
from posegen.errors import UsageError
from posegen.testing.blobs import BlobEstimator, BlobRenderer
from posegen.types import Clip


class Options(posegen.Options):
    size: int = 1
    """Nothing: an option to be checked."""


class Prior:
    Options = Options

    def __init__(self, options: Options, *, device: torch.device | str = "cpu") -> None:
        self.options = options

    def sample(self, n: int, dim: int, generator: Generator) -> Tensor:
        return torch.randn(n, dim, generator=generator, device=generator.device)


class Discriminator(nn.Module):
    Options = Options

    def __init__(self, options: Options, *, device: torch.device | str = "cpu") -> None:
        super().__init__()
        self.judge = nn.Sequential(nn.Linear(69, 16), nn.LeakyReLU(), nn.Linear(16, 2))

    def scores(self, pose: Tensor) -> Tensor:
        return self.judge(pose.flatten(1))


class Estimator(BlobEstimator):
    Options = Options

    def __init__(self, options: Options, *, device: torch.device | str = "cpu") -> None:
        super().__init__(torch.Generator().manual_seed(0))


class Renderer(BlobRenderer):
    Options = Options

    def __init__(self, options: Options, *, device: torch.device | str = "cpu") -> None:
        super().__init__(OpenBody(OpenBody.Options()).body(), radius=0.08)


class Body(OpenBody):
    pass


class Motion:
    Options = Options

    def __init__(self, options: Options, *, device: torch.device | str = "cpu") -> None:
        self.options = options

    def clips(self, split: str) -> list[Clip]:
        if split not in ("train", "validation", "test"):
            raise UsageError(f"there is no split '{split}'")
        return [Clip(f"{split}_walk", split, torch.full((5, 24, 3), 0.1), torch.zeros(5, 3), 30.0)]


class Photos:
    Options = Options

    def __init__(self, options: Options, *, device: torch.device | str = "cpu") -> None:
        self.options = options

    def people(self, split: str) -> Tensor:
        return self.images({"train": 0, "test": 1}, split)

    def people_joints(self, split: str) -> tuple[str, Tensor]:
        n = len(self.people(split))
        return "smpl24", OpenBody(OpenBody.Options()).body().joints(torch.zeros(n, 23, 3))

    def backgrounds(self, split: str) -> Tensor:
        return self.images({"train": 2, "test": 3}, split)

    def images(self, seeds: dict[str, int], split: str) -> Tensor:
        if split not in seeds:
            raise UsageError(f"there is no split '{split}'")
        return torch.rand(2, 3, 256, 256, generator=torch.Generator().manual_seed(seeds[split]))
