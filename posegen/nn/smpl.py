"""What estimators of SMPL's parameters share: the skeleton under published weights, and the estimate they give."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Literal

from pydantic import AfterValidator, ValidationInfo

from posegen import assets
from posegen.body import Skeleton, read_smpl
from posegen.geometry import rotmat_to_rotvec
from posegen.nn.regressor import Regressed
from posegen.pace import Pace
from posegen.types import Estimate

Weights = Literal["auto", "official", "open-compact", "untrained"]
SkeletonName = Literal["auto", "smpl", "fixed"]
BODY = "smpl-neutral"

# How fine-tuning suits published weights, its learning rate that of PoseGen's script, and the small, fast networks.
PUBLISHED_LR, COMPACT_LR = 5e-5, 7e-4
PUBLISHED_PACE = Pace(epochs=1, batch=16, replay=0.5, share=0.5)
COMPACT_PACE = Pace(
    epochs=7,
    batch=64,
    optimizer="muon",
    rotations=0.1,
    turn=15.0,
    zoom=0.1,
    shift=0.05,
    replay=0.5,
    repeats=5.0,
    photos=0.0,  # of which they know next to nothing
    average=0.92,
)


def pinned(estimator: str) -> AfterValidator:
    """Turns ``auto`` into the weights that it means now: run.toml says those, and an asset that is registered later
    changes no run. It stays where a checkpoint, an earlier field, takes their place."""

    def now(weights: Weights, info: ValidationInfo) -> Weights:
        if weights != "auto" or info.data.get("checkpoint") is not None:
            return weights
        return "official" if f"{estimator}-checkpoint" in assets.registered() else "open-compact"

    return AfterValidator(now)


def _skeleton_now(name: SkeletonName) -> SkeletonName:
    if name != "auto":
        return name
    return "smpl" if BODY in assets.registered() else "fixed"


PinnedSkeleton = Annotated[SkeletonName, AfterValidator(_skeleton_now)]
"""``auto`` is SMPL's where its file is registered, else the fixed one of PoseGen's published script; see ``pinned``."""


def weights_file(estimator: str, weights: Weights, checkpoint: Path | None, compact: Callable[[], Path]) -> Path | None:
    """Where the weights are, None for none: a checkpoint, or else what ``weights``, pinned, says.

    Raises AssetError, with the command that registers it, for official weights that are not there.
    """
    if checkpoint is not None:
        return checkpoint
    if weights == "untrained":
        return None
    return assets.find(f"{estimator}-checkpoint") if weights == "official" else compact()


def published_skeleton(name: SkeletonName) -> Skeleton:
    """The bones that published weights expect, SMPL's, which follow the betas, or the fixed ones, which do not.

    Raises AssetError for ``smpl`` where its file is not registered.
    """
    return Skeleton.of(read_smpl(assets.find(BODY))) if name == "smpl" else Skeleton.fixed()


def published(skeleton: Skeleton) -> str:
    """What published weights on these bones are called: results must tell when it is not SMPL that they stand on."""
    return "official" if skeleton.directions.any() else "official, fixed skeleton"


def to_estimate(regressed: Regressed, skeleton: Skeleton, of_smpl: bool) -> Estimate:
    """The parameters and the joints that they pose, in the camera axes that the root rotation leads to.

    of_smpl: whether they are SMPL's, or the open body's.
    """
    rotations = rotmat_to_rotvec(regressed.rotations)
    return Estimate(
        joints=skeleton(regressed.rotations, regressed.betas),
        body_pose=rotations[:, 1:],
        global_orient=rotations[:, 0],
        betas=regressed.betas,
        camera=regressed.camera,
        of_smpl=of_smpl,
    )
