"""What every stage of a run works with: live components, settings, the run's directory, and its random streams."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

import torch

from posegen.appearance import Appearance
from posegen.assemble import Parts
from posegen.datasets import open
from posegen.datasets.motion import read_motion
from posegen.datasets.poses import RealPoses
from posegen.rundir import RunDirectory
from posegen.seeding import seed_torch, stream
from posegen.track import Track

if TYPE_CHECKING:
    from posegen.settings import Settings
    from posegen.types import Clip


@dataclass
class Context:
    """One run in memory. Raises UsageError, before hours have passed, for a split that does not exist."""

    parts: Parts
    settings: Settings
    directory: RunDirectory
    track: Track

    def __post_init__(self) -> None:
        open.check(self.settings.evaluate.splits)
        self.estimator = self.parts.estimator
        self.joint_set = self.parts.renderer.body.joint_set(self.estimator.joint_set)
        self.appearance = Appearance(self.settings.appearance, self.parts.photos.backgrounds("train"))

    @cached_property
    def clips(self) -> list[Clip]:
        """Read when they are asked for first: a run that is complete needs none."""
        source, body = self.settings.real_poses, self.parts.renderer.body
        return read_motion(source, body.rest_joints) if source else self.parts.motion.clips("train")

    @cached_property
    def real_poses(self) -> RealPoses:
        return RealPoses(self.clips, device=self.settings.device)

    def folder(self, round_: int) -> Path:
        """The samples of one round."""
        return self.directory.dataset / f"round-{round_}"

    def stream(self, *names: str | int) -> torch.Generator:
        """A generator of its own for what the names say."""
        return stream(self.settings.seed, *names)

    def seed_torch(self, *names: str | int) -> None:
        seed_torch(self.settings.seed, *names)

    def say(self, text: str) -> None:
        self.track.console.print(text, markup=False, highlight=False)
