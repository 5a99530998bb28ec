"""What estimators of SMPL's parameters share: the skeleton under published weights, and the estimate they give."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Literal

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


def weights_file(estimator: str, weights: Weights, checkpoint: Path | None, compact: Callable[[], Path]) -> Path | None:
    """Where the weights are, None for none: a checkpoint, else the registered asset, else the open-compact ones.

    Raises AssetError, with the command that registers it, for official weights that are not there.
    """
    if checkpoint is not None:
        return checkpoint
    if weights == "untrained":
        return None
    asset = f"{estimator}-checkpoint"
    if weights == "official" or (weights == "auto" and asset in assets.registered()):
        return assets.find(asset)
    return compact()


def published_skeleton(name: SkeletonName) -> Skeleton:
    """The bones that published weights expect: SMPL's, which follow the betas, where its file is registered.

    Without it, ``auto`` takes the fixed skeleton of PoseGen's published script, which ignores the betas. Raises
    AssetError for ``smpl`` where the file is not registered.
    """
    if name == "smpl" or (name == "auto" and BODY in assets.registered()):
        return Skeleton.of(read_smpl(assets.find(BODY)))
    return Skeleton.fixed()


def published(skeleton: Skeleton) -> str:
    """What published weights on these bones are called: results must tell when it is not SMPL that they stand on."""
    return "official" if skeleton.directions.any() else "official, fixed skeleton"


def to_estimate(regressed: Regressed, skeleton: Skeleton) -> Estimate:
    """SMPL's parameters and the joints that they pose, in the camera axes that the root rotation leads to."""
    rotations = rotmat_to_rotvec(regressed.rotations)
    return Estimate(
        joints=skeleton(regressed.rotations, regressed.betas),
        body_pose=rotations[:, 1:],
        global_orient=rotations[:, 0],
        betas=regressed.betas,
        camera=regressed.camera,
    )
