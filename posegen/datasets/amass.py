"""AMASS (Mahmood et al., ICCV 2019): motion capture of many laboratories as SMPL-H or SMPL-X poses; no images.

::

    ROOT/SUBSET/SUBJECT/SEQUENCE_poses.npz       SMPL-H
    ROOT/SUBSET/SUBJECT/SEQUENCE_stageii.npz     SMPL-X; the shapes beside them (shape.npz, *_stagei.npz) are no motion

The splits are those of AMASS's and VPoser's own code; sub-datasets that came later (BMLmovi, GRAB, SOMA, ...) are in no
list and belong to ``all`` alone. The body's shape is not used: SMPL-X's betas are not SMPL's.

AMASS's world has z up; here poses and translations are turned so that y is. Translations are SMPL's ``trans``, which
is a constant away from the pelvis: the pelvis of the rest body, which needs the body model.

About 5,000 files have another frame rate in one release than in the other, and SSM is marked 120 Hz in some and 60 in
others. Which is right is not known: a file's own rate is believed.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from posegen.datasets.amass_files import RELEASES, SUBSETS, Release, describe, motion, split_of, twins
from posegen.datasets.checked import Array
from posegen.datasets.index import indexed
from posegen.datasets.recent import Recent
from posegen.datasets.records import Record
from posegen.errors import AssetError, UsageError, nearest
from posegen.geometry import rotmat_to_rotvec, rotvec_to_rotmat
from posegen.types import Clip

SPLITS = ("all", *SUBSETS)
HANDS = ("zero", "index1")
Z_UP_TO_Y_UP = np.array([[1.0, 0, 0], [0, 0, 1], [0, -1, 0]])


class Amass:
    """One split: a scan of the files' headers is kept between runs, and one file is held at a time.

    fps: frames a second at least; by whole strides as in VIBE, so that 120 gives 30 for 25. None keeps all of them.
    trim: the share of frames dropped at either end, often calibration poses; 0.1 in AMASS's own preparation.
    hands: SMPL's hand joints are ``zero``, or ``index1``: the index fingers' first joints, as VIBE has it.
    release: ``smplh`` or ``smplx``; needed where a folder holds both.
    progress: called with the number of files that were scanned and of all files.
    damaged: path -> what is wrong, for files that cannot be read; they are left out with a warning.

    Records have no image and no camera: ``pose``'s root is body to world, y up. Raises UsageError for an unknown
    value; AssetError for a folder without motion, or one that holds a sub-dataset twice.
    """

    name = "amass"

    def __init__(
        self,
        root: Path,
        split: str = "all",
        *,
        fps: float | None = 25.0,
        trim: float = 0.1,
        hands: str = "zero",
        release: str | None = None,
        progress: Callable[[int, int], None] | None = None,
    ) -> None:
        if split not in SPLITS:
            raise UsageError(f"AMASS has no split '{split}'", nearest(split, SPLITS) or f"splits: {', '.join(SPLITS)}")
        if hands not in HANDS:
            raise UsageError(f"hands: '{hands}' is unknown", nearest(hands, HANDS) or f"one of {', '.join(HANDS)}")
        if not 0 <= trim < 0.5 or (fps is not None and not fps > 0):
            raise UsageError("trim is at least 0 and below 0.5, fps above 0", f"trim is {trim}, fps is {fps}")
        self.split, self._root, self._hands = split, Path(root), hands == "index1"
        self._fps, self._trim = fps, trim
        self._release, files = _files(self._root, split, release)

        def look(path: Path) -> Any:
            try:
                return describe(path, self._release)
            except AssetError as error:  # one bad file among thousands
                return 0, error.message

        def scan() -> list[Any]:
            found = []
            for i, path in enumerate(files):
                found.append(look(path))
                if progress:
                    progress(i + 1, len(files))
            return found

        scanned = zip(files, indexed("amass-1", files, scan), strict=True)
        found = {path: about if about[0] else look(path) for path, about in scanned}  # a disk may fail only once
        self.damaged = {path: about[1] for path, about in found.items() if not about[0]}
        self.files = [path for path in files if path not in self.damaged]
        if not self.files:
            raise AssetError(f"no motion file can be read: {next(iter(self.damaged.values()))}", "download it again")
        if self.damaged:
            warnings.warn(
                f"AMASS: {len(self.damaged)} of {len(files)} files are left out; {next(iter(self.damaged.values()))}",
                stacklevel=2,
            )
        self._rows = {path: self._kept(*found[path]) for path in self.files}
        self._rates = {path: float(found[path][1]) for path in self.files}
        self._ends = np.cumsum([len(self._rows[path]) for path in self.files])
        self._clips = Recent(self.clip, 1)

    def clips(self) -> Iterator[Clip]:
        """Every file as a clip, one at a time. One that turns out to be damaged is put in ``damaged`` and skipped."""
        for path in self.files:
            try:
                yield self.clip(path)
            except AssetError as error:
                self.damaged[path] = error.message
                warnings.warn(f"AMASS: left out: {error.message}", stacklevel=2)

    def clip(self, path: Path) -> Clip:
        """One of ``files``. Raises AssetError naming file and key."""
        rows = self._rows[path]
        poses, trans = motion(path, self._release, slice(rows.start, rows.stop, rows.step), self._hands)
        name = path.relative_to(self._root).as_posix().removesuffix(".npz")
        return Clip(
            name=name,
            split=split_of(name.split("/")[0]),
            poses=y_up(poses),
            root_translation=torch.from_numpy(trans @ Z_UP_TO_Y_UP.T).float(),
            fps=self._rates[path] / rows.step,
        )

    def __len__(self) -> int:
        return int(self._ends[-1])

    def __getitem__(self, index: int) -> Record:
        index = range(len(self))[index]
        which = int(np.searchsorted(self._ends, index, side="right"))
        path = self.files[which]
        row = index - int(self._ends[which]) + len(self._rows[path])
        clip = self._clips[path]
        return Record(
            key=f"{clip.name}/{self._rows[path][row]:06d}/0",
            pose=clip.poses[row],
            translation=clip.root_translation[row],
            groups={"sequence": clip.name, "subset": clip.name.split("/")[0], "split": clip.split},
        )

    def __iter__(self) -> Iterator[Record]:
        return (self[i] for i in range(len(self)))

    def _kept(self, frames: int, rate: float) -> range:
        cut = int(frames * self._trim)
        stride = max(1, int(rate // self._fps)) if self._fps else 1  # a file below fps is kept whole
        return range(cut, frames - cut, stride)


def _files(root: Path, split: str, release: str | None) -> tuple[Release, list[Path]]:
    wanted = [r for r in RELEASES if release in (None, r.name)]
    if not wanted:
        raise UsageError(f"AMASS has no release '{release}'", f"one of {', '.join(r.name for r in RELEASES)}")
    found = {r: sorted(root.glob(f"*/*/*{r.ending}")) for r in wanted}
    held = [r for r in wanted if found[r]]
    if not held:
        endings = " or ".join(f"SUBSET/SUBJECT/*{r.ending}" for r in wanted)
        raise AssetError(
            f"{root} holds no {endings}", "posegen assets set amass PATH, the folder that holds CMU, KIT, ..."
        )
    if len(held) > 1:
        raise AssetError(
            f"{root} holds both SMPL-H and SMPL-X files: which are meant? Their motions are the same",
            "keep them in two folders, or say which: amass:PATH?release=smplh",
        )
    subsets = sorted({path.relative_to(root).parts[0] for path in found[held[0]]})
    if same := twins(subsets):
        raise AssetError(f"{root} holds one sub-dataset twice: {' and '.join(same)}", "move one of them away")
    files = [p for p in found[held[0]] if split in ("all", split_of(p.relative_to(root).parts[0]))]
    if not files:
        names = ", ".join(names[0] for names in SUBSETS[split])
        raise AssetError(
            f"{root} has no sub-dataset of the split '{split}'; it has {', '.join(subsets)}", f"get {names}"
        )
    return held[0], files


def y_up(poses: Array) -> Tensor:
    """(T,24,3) with the world's z up -> the same with its y up: the world turns on the left of the root."""
    out = torch.from_numpy(poses)
    out[:, 0] = rotmat_to_rotvec(torch.from_numpy(Z_UP_TO_Y_UP) @ rotvec_to_rotmat(out[:, 0]))
    return out.float()
