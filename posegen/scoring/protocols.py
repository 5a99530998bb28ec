"""The evaluation protocols by name: each one fixes joints, root, alignment, selection and rounding.

A protocol's ``score`` compares two sides, which hold the same people in the same order, and gives one figure a person
for every metric that both sides have the means for.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from torch import Tensor

from posegen import metrics
from posegen.body.joints import FROM_H36M, JOINT_SETS, LIMBS, TO_H36M
from posegen.datasets.records import FRONTAL, Record
from posegen.errors import UsageError, nearest
from posegen.geometry import align


@dataclass(frozen=True, slots=True)
class Side:
    """N people as the truth, or an estimator, has them: metres, camera axes, any origin.

    joints: (N,J,3) of the protocol's joint set.  vertices: (N,V,3), and rotations: (N,24,3,3) global, bones to camera,
    where there are any.
    """

    joints: Tensor
    vertices: Tensor | None = None
    rotations: Tensor | None = None


@dataclass(frozen=True, slots=True)
class Metric:
    """One column of a report. digits: how many decimals are printed; nothing is rounded before the mean."""

    title: str
    unit: str = "mm"
    digits: int = 1


Scores = dict[str, Tensor]
METRICS: dict[str, Metric] = {
    "mpjpe": Metric("MPJPE"),
    "pa_mpjpe": Metric("PA-MPJPE"),
    "n_mpjpe": Metric("N-MPJPE"),
    "pve": Metric("PVE"),
    "mve": Metric("MVE"),
    "mve_full": Metric("MVE of all vertices"),
    "pck": Metric("PCK@150", "%"),
    "pa_pck": Metric("PA-PCK@150", "%"),
    "auc": Metric("AUC", "%"),
    "pck50": Metric("PCK@50", "%"),
    "auc_3dpw": Metric("AUC", "0 to 1", 3),
    "mpjae": Metric("MPJAE", "degrees"),
    "mpjae_pa": Metric("MPJAE-PA", "degrees"),
    "mpjpe_limbs": Metric("MPJPE of 12 limbs"),
    "pa_mpjpe_limbs": Metric("PA-MPJPE of 12 limbs"),
    "mpjpe_14": Metric("MPJPE of 14"),
    "pa_mpjpe_14": Metric("PA-MPJPE of 14"),
    "acceleration": Metric("acceleration error", "mm/frame²"),
}


@dataclass(frozen=True, slots=True)
class EvaluationProtocol:
    """How one published number is computed.

    joint_set: what both sides are compared in; empty for the 12 limbs of whatever set each side has.
    truth: ``joints`` of the dataset, or the ``mesh`` of its SMPL parameters with the body of the person's gender, or
    their ``neutral mesh``.  vertices: whether a metric wants them.  keep: which records are judged, None for all.
    part: what ``keep`` leaves, in the words of a dataset that has no more (its ``incomplete``).  moving: the joints
    whose acceleration is compared, given those of ``joint_set``.  matched: people are matched in each image by AGORA's
    rules.  definition: one sentence, printed with every report.
    """

    name: str
    definition: str
    joint_set: str
    score: Callable[[Side, Side], Scores]
    truth: Literal["joints", "mesh", "neutral mesh"] = "joints"
    vertices: bool = False
    keep: Callable[[Record], bool] | None = None
    part: str = ""
    moving: Callable[[Tensor], Tensor] | None = None
    matched: bool = False


def find(name: str) -> EvaluationProtocol:
    """The protocol of that name. Raises UsageError with the nearest name."""
    if name not in PROTOCOLS:
        raise UsageError(
            f"there is no protocol '{name}'",
            nearest(name, tuple(PROTOCOLS)) or f"choose among {', '.join(sorted(PROTOCOLS))}",
        )
    return PROTOCOLS[name]


def _indices(joint_set: str, names: tuple[str, ...]) -> list[int]:
    joints = JOINT_SETS[joint_set].joints
    return [joints.index(name) for name in names]


def _about(points: Tensor, joints: Tensor, root: list[int]) -> Tensor:
    """Points (N,P,3) with the mean of some joints at the origin, in float64."""
    return (points - joints[:, root].mean(dim=1, keepdim=True)).double()


LSP14 = list(FROM_H36M["lsp14"])
LSP14_OF_VP3D = [TO_H36M["vp3d17"][row] for row in LSP14]
PELVIS = [0]
HIPS_OF_LSP14 = [2, 3]
HIPS_OF_SMPL = [1, 2]
PELVIS_OF_3DHP = [14]
PCK_OF_3DHP = list(range(14))  # head top, neck, arms, legs; pelvis, spine and head are the last three
LIMBS_OF_SMPL = _indices("smpl24", LIMBS)
LIMBS_OF_SKI = _indices("ski17", LIMBS)
SKI14 = _indices("ski17", (*LIMBS, "neck", "head_top"))
"""The joints by which the paper's script judges SKI-Pose: limbs, neck and head top."""
HIPS_OF_LIMBS = [LIMBS.index("left_hip"), LIMBS.index("right_hip")]
ANGLES = [0, 1, 2, 4, 5, 16, 17, 18, 19]
"""The joints of smpl24 whose rotations the 3DPW challenge compares: pelvis, hips, knees, shoulders, elbows."""


def _errors(predicted: Tensor, true: Tensor) -> Scores:
    return {"mpjpe": metrics.mpjpe(predicted, true), "pa_mpjpe": metrics.pa_mpjpe(predicted, true)}


def _vertices(name: str, predicted: Side, true: Side, root: list[int]) -> Scores:
    if predicted.vertices is None or true.vertices is None:
        return {}
    a, b = (_about(side.vertices, side.joints, root) for side in (predicted, true) if side.vertices is not None)
    return {name: metrics.pve(a, b)}


def spin_3dpw(predicted: Side, true: Side) -> Scores:
    """h36m17 -> the 14 joints about the pelvis; vertices about the same pelvis."""
    a, b = (_about(side.joints, side.joints, PELVIS)[:, LSP14] for side in (predicted, true))
    return _errors(a, b) | _vertices("pve", predicted, true, PELVIS)


def vibe_3dpw(predicted: Side, true: Side) -> Scores:
    """h36m17 -> the 14 joints about the middle of the hips."""
    return _errors(lsp14_about_hips(predicted.joints), lsp14_about_hips(true.joints))


def lsp14_about_hips(joints: Tensor) -> Tensor:
    """h36m17 (N,17,3) -> 14 joints (N,14,3), float64."""
    few = joints[:, LSP14]
    return _about(few, few, HIPS_OF_LSP14)


def challenge_3dpw(predicted: Side, true: Side) -> Scores:
    """smpl24 about the pelvis; PCK and AUC over the 12 limbs; angles of 9 global rotations."""
    a, b = (_about(side.joints, side.joints, PELVIS) for side in (predicted, true))
    limbs = a[:, LIMBS_OF_SMPL], b[:, LIMBS_OF_SMPL]
    scores = _errors(a, b) | {
        "pck50": metrics.pck(*limbs, threshold_mm=50.0, inclusive=True),
        "auc_3dpw": metrics.auc_3dpw(*limbs),
    }
    if predicted.rotations is not None and true.rotations is not None:
        turned, still = predicted.rotations[:, ANGLES].double(), true.rotations[:, ANGLES].double()
        scores["mpjae"] = metrics.mpjae(turned, still)
        scores["mpjae_pa"] = metrics.mpjae(metrics.turn_onto(turned, a, b), still)
    return scores


def agora(predicted: Side, true: Side) -> Scores:
    """smpl24, and vertices, about the middle of the hips."""
    a, b = (_about(side.joints, side.joints, HIPS_OF_SMPL) for side in (predicted, true))
    return _errors(a, b) | _vertices("mve", predicted, true, HIPS_OF_SMPL)


def official_3dhp(predicted: Side, true: Side) -> Scores:
    """3dhp17 about the pelvis; PCK and AUC over 14 of the joints."""
    a, b = (_about(side.joints, side.joints, PELVIS_OF_3DHP) for side in (predicted, true))
    few = a[:, PCK_OF_3DHP], b[:, PCK_OF_3DHP]
    return _errors(a, b) | {
        "pck": metrics.pck(*few),
        "auc": metrics.auc(*few),
        "pa_pck": metrics.pck(align(*few), few[1]),
    }


def spin_3dhp(predicted: Side, true: Side) -> Scores:
    """3dhp17 about the pelvis."""
    a, b = (_about(side.joints, side.joints, PELVIS_OF_3DHP) for side in (predicted, true))
    return _errors(a, b)


def ski(predicted: Side, true: Side) -> Scores:
    """ski17 about the pelvis, scaled and not; the paper's 14 of them; the 12 limbs, defined most as in other sets."""
    a, b = (_about(side.joints, side.joints, PELVIS) for side in (predicted, true))
    limbs, few = ((a[:, joints], b[:, joints]) for joints in (LIMBS_OF_SKI, SKI14))
    return _errors(a, b) | {
        "n_mpjpe": metrics.n_mpjpe(a, b),
        "mpjpe_14": metrics.mpjpe(*few),
        "pa_mpjpe_14": metrics.pa_mpjpe(*few),
        "mpjpe_limbs": metrics.mpjpe(*limbs),
        "pa_mpjpe_limbs": metrics.pa_mpjpe(*limbs),
    }


def h36m(predicted: Side, true: Side) -> Scores:
    """vp3d17 -> the 14 joints about the pelvis."""
    a, b = (_about(side.joints, side.joints, PELVIS)[:, LSP14_OF_VP3D] for side in (predicted, true))
    return _errors(a, b)


def videopose3d(predicted: Side, true: Side) -> Scores:
    """vp3d17 about the pelvis, scaled and not."""
    a, b = (_about(side.joints, side.joints, PELVIS) for side in (predicted, true))
    return _errors(a, b) | {"n_mpjpe": metrics.n_mpjpe(a, b)}


def limbs(predicted: Side, true: Side) -> Scores:
    """12 limbs about the middle of the hips."""
    a, b = (_about(side.joints, side.joints, HIPS_OF_LIMBS) for side in (predicted, true))
    return _errors(a, b) | {"n_mpjpe": metrics.n_mpjpe(a, b), "pck": metrics.pck(a, b)}


def whole_in_image(record: Record) -> bool:
    """SPIN leaves out people of MPI-INF-3DHP of whom a joint lies outside the image; the loader marks them."""
    return record.groups.get("inside", "yes") == "yes"


def frontal(record: Record) -> bool:
    """Human3.6M's camera 60457274. Raises UsageError where the dataset does not say which camera it was."""
    camera = record.groups.get("camera")
    if camera is None:
        raise UsageError(f"h36m/p2 is of one camera, and {record.key} does not say which took it", "use h36m/p1")
    return camera == "60457274"


_SPIN_TRUTH = "truth: the mesh of the SMPL body of the person's gender; prediction: the neutral SMPL mesh"
_SPIN_JOINTS = "14 joints of SPIN's J_regressor_h36m (ankles, knees, hips, wrists, elbows, shoulders, neck, head top)"
_3DHP_JOINTS = "17 joints of the universal skeleton (of the real one in training data and with skeleton=real)"
_LIMBS = (
    "not an official number: the 12 limb joints (ankles, knees, hips, wrists, elbows, shoulders) that the estimator's "
    "own joint set and the dataset's have in common by name, though not by definition; both about the middle of the "
    "hips; PCK: nearer than 150 mm; mean over people"
)
_LIMB_SETS = ("3dpw", "agora", "agora-smplx", "ski", "3dhp", "h36m", "npz", "generated")
_OPEN = "12 limb joints of the estimator's own joint set, both about that set's root; mean over images"

PROTOCOLS: dict[str, EvaluationProtocol] = {
    p.name: p
    for p in (
        EvaluationProtocol(
            "3dpw/spin",
            f"{_SPIN_JOINTS}, both about their own pelvis; PVE of both meshes about the same pelvis; {_SPIN_TRUTH}; "
            "mean over people (Kolotouros et al. 2019)",
            "h36m17",
            spin_3dpw,
            truth="mesh",
            vertices=True,
        ),
        EvaluationProtocol(
            "3dpw/vibe",
            f"{_SPIN_JOINTS}, both about the middle of their own hips and of the neutral SMPL mesh, whatever the "
            "person's gender; acceleration error over frames in a row, per frame squared; mean over people (Kocabas et "
            "al. 2020)",
            "h36m17",
            vibe_3dpw,
            truth="neutral mesh",
            moving=lsp14_about_hips,
        ),
        EvaluationProtocol(
            "3dpw/challenge",
            "all 24 SMPL joints, both about the pelvis; PCK: at most 50 mm, AUC: area under PCK over 0 to 199 mm, both "
            "of the 12 limb joints; MPJAE: global rotations of 9 joints; mean over people of the split, where the "
            "challenge has those of all three (3DPW challenge 2020)",
            "smpl24",
            challenge_3dpw,
        ),
        EvaluationProtocol(
            "agora/official",
            "AGORA's matching of people in each image (greedy, by the first 24 joints in 2D; boxes overlap by 0.1); 24 "
            "SMPL joints, and vertices, about the middle of the hips, over matched people; F1 of two decimals divides "
            "MPJPE and MVE of one decimal (Patel et al. 2021). People are given to the estimator by their boxes",
            "smpl24",
            agora,
            vertices=True,
            matched=True,
        ),
        EvaluationProtocol(
            "agora/crops",
            "24 SMPL joints, and vertices, about the middle of the hips; each person's crop is judged against that "
            "person, so F1 is 1 by construction; mean over people",
            "smpl24",
            agora,
            vertices=True,
        ),
        EvaluationProtocol(
            "3dhp/official",
            f"{_3DHP_JOINTS}, both about the pelvis; PCK: nearer than 150 mm, AUC: mean PCK over 0, 5, ..., 150 mm, "
            "both of 14 joints (no pelvis, spine, head); PA-PCK after alignment of those 14; all frames of all "
            "sequences pooled (Mehta et al. 2017)",
            "3dhp17",
            official_3dhp,
        ),
        EvaluationProtocol(
            "3dhp/spin",
            f"{_3DHP_JOINTS}, both about the pelvis; people with a joint outside the image are left out; mean over "
            "people (Kolotouros et al. 2019)",
            "3dhp17",
            spin_3dhp,
            keep=whole_in_image,
        ),
        EvaluationProtocol(
            "ski/ptz",
            "17 joints of SKI-Pose PTZ, both about the pelvis; the same scaled (N-MPJPE: what Rhodin et al. 2018 and "
            "CanonPose are understood to report) and aligned; 14 of them, without pelvis, spine and head (as the "
            "script of PoseGen's paper); the 12 limb joints; mean over images",
            "ski17",
            ski,
        ),
        EvaluationProtocol(
            "h36m/p1",
            "the 14 joints of SPIN's evaluation, both about the pelvis; every camera; mean over images "
            "(Kanazawa et al. 2018)",
            "vp3d17",
            h36m,
        ),
        EvaluationProtocol(
            "h36m/p2",
            "as h36m/p1, of the frontal camera 60457274 alone; its usual number is PA-MPJPE (Kanazawa et al. 2018)",
            "vp3d17",
            h36m,
            keep=frontal,
            part=FRONTAL,
        ),
        EvaluationProtocol(
            "h36m/videopose3d",
            "17 joints, both about the pelvis; every camera; MPJPE is VideoPose3D's protocol 1, PA-MPJPE its protocol "
            "2, N-MPJPE its protocol 3; mean over images (Pavllo et al. 2019)",
            "vp3d17",
            videopose3d,
        ),
        *(EvaluationProtocol(f"{name}/limbs", _LIMBS, "", limbs) for name in _LIMB_SETS),
    )
}

OPEN: dict[str, str] = {
    **{f"open/{split}": _OPEN for split in ("ind", "usd", "ood_people", "ood_action", "validation")},
    "open/real": f"{_OPEN}; a distance to a stronger network's joints, not an error",
}
"""Protocols of the open benchmark, one a split, with their definitions (posegen.evaluate measures them)."""
