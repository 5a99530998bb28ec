"""What a source of motion must hold to."""

from __future__ import annotations

from posegen.errors import UsageError
from posegen.testing.expect import require, tensor
from posegen.testing.kit import Case
from posegen.types import Clip

SPLITS = ("train", "validation", "test")


def clips_have_the_shape(case: Case) -> None:
    """Every split has clips: poses (T,24,3) radians, root first, and root translation (T,3) metres."""
    for split in SPLITS:
        clips = case.part.clips(split)
        require(bool(clips), f"there must be clips in '{split}'")
        for clip in clips:
            require(isinstance(clip, Clip), f"clips must be posegen.types.Clip, not {type(clip).__name__}")
            require(clip.split == split, f"clip '{clip.name}' of '{split}' says that it is of '{clip.split}'")
            poses = tensor(case, clip.poses, f"poses of '{clip.name}'", (None, 24, 3))
            tensor(case, clip.root_translation, f"root_translation of '{clip.name}'", (len(poses), 3))
            require(len(poses) > 0 and clip.fps > 0, f"clip '{clip.name}' must have frames and a frame rate")
            turn = float(poses[:, 1:].norm(dim=-1).max())
            require(turn < 6.3, f"poses must be radians: a joint of '{clip.name}' turns by {turn:.3g}")


def splits_share_no_clip(case: Case) -> None:
    """No clip is in two splits, or twice in one."""
    names = [clip.name for split in SPLITS for clip in case.part.clips(split)]
    twice = sorted({name for name in names if names.count(name) > 1})
    require(not twice, f"no clip may be listed twice: {', '.join(twice)}")


def unknown_splits_are_refused(case: Case) -> None:
    """Another split is a UsageError."""
    try:
        case.part.clips("no_such_split")
    except UsageError:
        return
    require(False, "clips('no_such_split') must raise posegen.UsageError")


CHECKS = (clips_have_the_shape, splits_share_no_clip, unknown_splits_are_refused)
