"""Real poses from the user's own motion files, in place of the starter's clips: ``amass`` or ``bvh:PATH``."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

from torch import Tensor

from posegen.datasets.amass import Amass
from posegen.datasets.bvh import Bvh
from posegen.datasets.registry import known, parse
from posegen.errors import UsageError, nearest
from posegen.types import Clip

MOTION = ("amass", "bvh")
MOST_POSES = 500_000  # 144 MB: frames are left out evenly beyond that


def read_motion(source: str, rest: Tensor) -> list[Clip]:
    """``amass``, ``amass:PATH`` or ``bvh:PATH`` -> clips, with at most about ``MOST_POSES`` frames.

    rest: (24,3) rest joints of the body that will take the poses. Raises UsageError for another source; AssetError,
    naming file and key, for files that cannot be used.
    """
    from posegen import assets

    if source.partition(":")[0] not in MOTION:
        name = source.partition(":")[0]
        hint = nearest(name, MOTION) or "give amass, amass:PATH or bvh:PATH"
        raise UsageError(f"real_poses = '{source}' names no motion data", hint)
    name, root = parse(source)
    if root is None:
        if not known(name).asset:
            raise UsageError(f"real_poses = '{source}' does not say where the files are", f"give {name}:PATH")
        root = assets.find(known(name).asset)
    dataset: Any = Amass(root) if name == "amass" else Bvh(root, rest=rest)
    stride = max(1, math.ceil(len(dataset) / MOST_POSES))
    return [_thinned(clip, stride) for clip in dataset.clips()]


def _thinned(clip: Clip, stride: int) -> Clip:
    """Every ``stride``-th frame, in memory of its own."""
    return replace(
        clip,
        poses=clip.poses[::stride].clone(),
        root_translation=clip.root_translation[::stride].clone(),
        fps=clip.fps / stride,
    )
