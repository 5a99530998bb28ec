"""Real poses from the user's own motion files, in place of the starter's clips: ``amass`` or ``bvh:PATH``."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

from torch import Tensor

from posegen.datasets.amass import Amass
from posegen.datasets.bvh import Bvh
from posegen.datasets.sources import Source, parse
from posegen.errors import UsageError, nearest
from posegen.types import Clip

MOTION = ("amass", "bvh")
MOST_POSES = 500_000  # 144 MB: frames are left out evenly beyond that


def read_motion(source: str, rest: Tensor) -> list[Clip]:
    """``amass``, ``amass:PATH`` or ``bvh:PATH`` -> clips, with at most about ``MOST_POSES`` frames.

    rest: (24,3) rest joints of the body that will take the poses. Raises UsageError for another source; AssetError,
    naming file and key, for files that cannot be used.
    """
    found = named(source)
    root = found.place()
    dataset: Any = Amass(root, **found.options) if found.name == "amass" else Bvh(root, rest=rest, **found.options)
    stride = max(1, math.ceil(len(dataset) / MOST_POSES))
    return [_thinned(clip, stride) for clip in dataset.clips()]


def named(source: str) -> Source:
    """What the text names; no file is looked for. Raises UsageError for another source or an unknown option of one."""
    name = source.partition(":")[0].partition("?")[0]
    if name not in MOTION:
        hint = nearest(name, MOTION) or "give amass, amass:PATH or bvh:PATH"
        raise UsageError(f"'{source}' names no motion data", hint)
    return parse(source)


def _thinned(clip: Clip, stride: int) -> Clip:
    """Every ``stride``-th frame, in memory of its own."""
    return replace(
        clip,
        poses=clip.poses[::stride].clone(),
        root_translation=clip.root_translation[::stride].clone(),
        fps=clip.fps / stride,
    )
