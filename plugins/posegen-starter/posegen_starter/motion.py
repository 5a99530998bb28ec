"""Real motion: DeepMimic's clips as SMPL poses, in three splits that share no clip."""

from __future__ import annotations

import json
from dataclasses import replace
from functools import cache
from pathlib import Path

import torch
from safetensors.torch import load

import posegen
from posegen.errors import UsageError, nearest
from posegen.types import Clip
from posegen_starter import files

SPLITS = ("train", "validation", "test")


class StarterMotion:
    """20 clips. Root translations are those of DeepMimic's figure: its feet are not where this body's feet are."""

    class Options(posegen.Options):
        """No options."""

    def __init__(self, options: Options, *, device: torch.device | str = "cpu") -> None:
        self._device = torch.device(device)

    def clips(self, split: str) -> list[Clip]:
        """The clips of ``train``, ``validation`` or ``test``, float32 on this device.

        Raises UsageError for another split and AssetError for a damaged file.
        """
        if split not in SPLITS:
            raise UsageError(f"there is no split '{split}'", nearest(split, SPLITS) or f"splits: {', '.join(SPLITS)}")
        return [
            replace(
                clip,
                poses=clip.poses.to(self._device, copy=True),
                root_translation=clip.root_translation.to(self._device, copy=True),
            )
            for clip in _load(files.DATA)
            if clip.split == split
        ]


@cache
def _load(folder: Path) -> tuple[Clip, ...]:
    tensors = load(files.read("motion.safetensors"))
    clips = json.loads(files.read("motion.json"))["clips"]
    return tuple(
        Clip(
            name=clip["name"],
            split=clip["split"],
            poses=tensors[f"{clip['name']}.poses"].float().view(-1, 24, 3),
            root_translation=tensors[f"{clip['name']}.trans"].float(),
            fps=float(clip["fps"]),
        )
        for clip in clips
    )
