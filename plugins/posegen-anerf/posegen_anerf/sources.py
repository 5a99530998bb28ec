"""Where a subject is found: shipped, registered, or a file of the user's."""

from __future__ import annotations

import os
import warnings
from pathlib import Path

from posegen_starter import files
from posegen_starter.subjects import NAMES

from posegen.assets import cache_dir, find
from posegen.errors import AssetError, UsageError, nearest
from posegen_anerf.checkpoint import convert
from posegen_anerf.subject import NerfSubject

SHIPPED = ("s0",)
REGISTERED = "anerf-checkpoint"


def open_subject(name: str, rest_pose: Path | None = None, calibrated: bool = False) -> NerfSubject:
    """``s0``, the asset ``anerf-checkpoint``, or the path of a .safetensors or an official .tar -> the subject.

    rest_pose: see ``checkpoint.convert``.  calibrated: with margins; where the file has none they are found, which
    takes up to a minute, and kept with a converted checkpoint; a .safetensors of the user's stays as it is, and has
    none where a fit that was cut short left fog.
    Raises UsageError for another name, AssetError for what cannot be used.
    """
    path = subject_file(name, rest_pose)
    subject = NerfSubject.load(path)
    if calibrated and subject.margins is None:
        from posegen_anerf.fast.calibrate import calibrate

        converted = path.is_relative_to(cache_dir())  # a file of the user's is left as it is
        try:
            subject.margins = calibrate(subject)
        except AssetError as error:
            if converted:
                raise
            warnings.warn(f"{path}: {error.message}: it is drawn, slowly, all the same", stacklevel=2)
        if converted:
            subject.save(path)
    return subject


def subject_file(name: str, rest_pose: Path | None = None) -> Path:
    """The .safetensors of a subject; an official checkpoint is converted when it is first asked for."""
    path = find(REGISTERED) if name == REGISTERED else Path(os.path.expanduser(name))  # noqa: PTH111
    if path.suffix == ".tar":
        return convert(path, None if rest_pose is None else rest_pose.expanduser())
    if rest_pose is not None:
        raise UsageError(f"rest_pose is for official .tar checkpoints; subject '{name}' has its own", "leave it out")
    if name in SHIPPED:
        files.read(f"nerf/{name}.safetensors")  # damaged files are never used
        return files.DATA / "nerf" / f"{name}.safetensors"
    if path.suffix == ".safetensors":
        return path
    if path.exists():
        raise AssetError(f"{path} is no subject", "give a fitted .safetensors or an official .tar")
    if name in NAMES:
        fit = f"posegen fit anerf --subject {name} --out {name}.safetensors"
        raise UsageError(f"nobody fitted a NeRF of '{name}' yet", f"{fit}, or a mesh: --renderer mesh")
    hint = nearest(name, [*SHIPPED, REGISTERED]) or f"give {', '.join(SHIPPED)}, or the path of a .safetensors or .tar"
    raise UsageError(f"there is no subject '{name}'", hint)
