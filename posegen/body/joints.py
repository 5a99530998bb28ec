"""The joint sets, by name. An index list of joints stands elsewhere only where a published format counts its own.

Every set measures errors on the same twelve limb joints, in this order: left then right of ankle, knee, hip, wrist,
elbow, shoulder. So ``limbs[4]`` is the left hip whatever the estimator. ``left_`` and ``right_`` in the names say
which joints a mirror image exchanges.
"""

from __future__ import annotations

from posegen.types import JointSet

LIMBS = tuple(f"{side}_{part}" for part in ("ankle", "knee", "hip", "wrist", "elbow", "shoulder")
              for side in ("left", "right"))  # fmt: skip
HIPS = ("left_hip", "right_hip")

PARENTS = (-1, 0, 0, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 9, 9, 12, 13, 14, 16, 17, 18, 19, 20, 21)
"""Parent of each joint of ``smpl24``; a parent always comes before its children."""


def _joint_set(name: str, joints: str, root: tuple[str, ...]) -> JointSet:
    names = tuple(joints.split())
    place = {joint: i for i, joint in enumerate(names)}
    pairs = tuple(
        (i, place[joint.replace("left_", "right_", 1)]) for joint, i in place.items() if joint.startswith("left_")
    )
    return JointSet(name, names, tuple(place[j] for j in root), tuple(place[j] for j in LIMBS), left_right=pairs)


# SMPL's kinematic tree (Loper et al. 2015).
_SMPL24 = _joint_set(
    "smpl24",
    """pelvis left_hip right_hip spine1 left_knee right_knee spine2 left_ankle right_ankle spine3 left_foot right_foot
    neck left_collar right_collar head left_shoulder right_shoulder left_elbow right_elbow left_wrist right_wrist
    left_hand right_hand""",
    root=("pelvis",),
)

# MediaPipe's 33 landmarks (Bazarevsky et al. 2020); MediaPipe writes mouth_left where we write left_mouth.
_BLAZEPOSE33 = _joint_set(
    "blazepose33",
    """nose left_eye_inner left_eye left_eye_outer right_eye_inner right_eye right_eye_outer left_ear right_ear
    left_mouth right_mouth left_shoulder right_shoulder left_elbow right_elbow left_wrist right_wrist
    left_pinky right_pinky left_index right_index left_thumb right_thumb left_hip right_hip left_knee right_knee
    left_ankle right_ankle left_heel right_heel left_foot_index right_foot_index""",
    root=HIPS,
)  # fmt: skip

# COCO key points (Lin et al. 2014).
_COCO17 = _joint_set(
    "coco17",
    """nose left_eye right_eye left_ear right_ear left_shoulder right_shoulder left_elbow right_elbow left_wrist
    right_wrist left_hip right_hip left_knee right_knee left_ankle right_ankle""",
    root=HIPS,
)  # fmt: skip

# Leeds Sports Pose (Johnson and Everingham 2010): the first 14 of SPIN's 24.
_LSP14 = _joint_set(
    "lsp14",
    """right_ankle right_knee right_hip left_hip left_knee left_ankle right_wrist right_elbow right_shoulder
    left_shoulder left_elbow left_wrist neck head_top""",
    root=HIPS,
)  # fmt: skip

# Rows of SPIN's J_regressor_h36m: LEFT leg first. VideoPose3D and SKI-Pose put the RIGHT leg first.
_H36M17 = _joint_set(
    "h36m17",
    """pelvis left_hip left_knee left_ankle right_hip right_knee right_ankle spine thorax jaw head_top
    left_shoulder left_elbow left_wrist right_shoulder right_elbow right_wrist""",
    root=("pelvis",),
)  # fmt: skip

# VideoPose3D's 17 of Human3.6M's 32 (Pavllo et al. 2019): RIGHT leg first.
_VP3D17 = _joint_set(
    "vp3d17",
    """pelvis right_hip right_knee right_ankle left_hip left_knee left_ankle spine thorax jaw head_top
    left_shoulder left_elbow left_wrist right_shoulder right_elbow right_wrist""",
    root=("pelvis",),
)

# SKI-Pose PTZ (Spoerri 2016, Rhodin et al. 2018): VideoPose3D's order. Spine, neck and head are blends of other
# markers, and head and head_top the same point.
_SKI17 = _joint_set(
    "ski17",
    """pelvis right_hip right_knee right_ankle left_hip left_knee left_ankle spine neck head head_top
    left_shoulder left_elbow left_wrist right_shoulder right_elbow right_wrist""",
    root=("pelvis",),
)

# MPI-INF-3DHP (Mehta et al. 2017): 28 joints of the training set, 17 of the test set.
_3DHP28 = _joint_set(
    "3dhp28",
    """spine3 spine4 spine2 spine pelvis neck head head_top left_clavicle left_shoulder left_elbow left_wrist left_hand
    right_clavicle right_shoulder right_elbow right_wrist right_hand left_hip left_knee left_ankle left_foot left_toe
    right_hip right_knee right_ankle right_foot right_toe""",
    root=("pelvis",),
)  # fmt: skip
_3DHP17 = _joint_set(
    "3dhp17",
    """head_top neck right_shoulder right_elbow right_wrist left_shoulder left_elbow left_wrist right_hip right_knee
    right_ankle left_hip left_knee left_ankle pelvis spine head""",
    root=("pelvis",),
)  # fmt: skip

# SPIN's 24 ground truth joints (Kolotouros et al. 2019): LSP's 14, then MPII's, Human3.6M's and the face.
_SPIN24 = _joint_set(
    "spin24",
    """right_ankle right_knee right_hip left_hip left_knee left_ankle right_wrist right_elbow right_shoulder
    left_shoulder left_elbow left_wrist neck head_top pelvis thorax spine jaw head nose left_eye right_eye left_ear
    right_ear""",
    root=("pelvis",),
)  # fmt: skip

# SMPL-X's body (Pavlakos et al. 2019): SMPL's skeleton without its two hand joints.
_SMPLX22 = _joint_set(
    "smplx22",
    " ".join(_SMPL24.joints[:22]),
    root=("pelvis",),
)

JOINT_SETS: dict[str, JointSet] = {
    s.name: s
    for s in (
        _SMPL24, _BLAZEPOSE33, _COCO17, _LSP14, _H36M17, _VP3D17, _SKI17, _3DHP28, _3DHP17, _SPIN24, _SMPLX22,
    )
}  # fmt: skip

H36M_TO_LSP14 = (6, 5, 4, 1, 2, 3, 16, 15, 14, 11, 12, 13, 8, 10)
"""Rows of ``h36m17`` that SPIN, and who follows it, evaluate as the 14 joints (SPIN's H36M_TO_J14)."""

FROM_H36M: dict[str, tuple[int, ...]] = {
    "lsp14": H36M_TO_LSP14,
    "vp3d17": (0, 4, 5, 6, 1, 2, 3, *range(7, 17)),
    "ski17": (0, 4, 5, 6, 1, 2, 3, *range(7, 17)),
    "3dhp17": (10, 8, 14, 15, 16, 11, 12, 13, 4, 5, 6, 1, 2, 3, 0, 7, 9),
}
"""Joint sets that published evaluations take from rows of ``h36m17``, though the definitions differ a little."""

TO_H36M: dict[str, tuple[int, ...]] = {
    "vp3d17": FROM_H36M["vp3d17"],
    "spin24": (14, 3, 4, 5, 2, 1, 0, 16, 12, 17, 18, 9, 10, 11, 8, 7, 6),
    "3dhp17": tuple(FROM_H36M["3dhp17"].index(row) for row in range(17)),
}
"""Rows of the sets in which Human3.6M and MPI-INF-3DHP are labelled that are joints of ``h36m17``. SPIN's files hold
its thorax as the neck, and its head_top as the head."""


def rows(source: str, target: str) -> tuple[int, ...] | None:
    """Which joints of the set ``source`` stand, in published evaluations, for those of ``target``; None: it has not."""
    names, wanted = JOINT_SETS[source].joints, JOINT_SETS[target].joints
    if source == target:
        return tuple(range(len(wanted)))
    if (source == "h36m17" or source in TO_H36M) and (target == "h36m17" or target in FROM_H36M):
        to, back = (table.get(name, tuple(range(17))) for table, name in ((TO_H36M, source), (FROM_H36M, target)))
        return tuple(to[row] for row in back)
    if set(wanted) <= set(names):
        return tuple(names.index(joint) for joint in wanted)
    return None


SOURCES: dict[str, dict[str, tuple[str, ...]]] = {
    "blazepose33": {
        **{f"{side}_{finger}": (f"{side}_{finger}_knuckle",)
           for side in ("left", "right") for finger in ("pinky", "index", "thumb")},
        **{f"{side}_foot_index": (f"{side}_big_toe",) for side in ("left", "right")},
    },
    # LSP's neck is the base of the neck. The open body's neck joint lies 6 cm above it, the shoulders' mean 4 cm below.
    "lsp14": {"neck": ("left_shoulder", "right_shoulder")},
}  # fmt: skip
"""Where a set's joint is not the body's joint or landmark of that name: what it is the mean of."""
