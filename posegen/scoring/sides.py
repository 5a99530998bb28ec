"""From what a dataset and an estimator give to the two sides that a protocol compares."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from posegen.body.joints import FROM_H36M, JOINT_SETS, rows
from posegen.body.shaped import global_rotations
from posegen.datasets.records import Record
from posegen.errors import AssetError, UsageError
from posegen.nn.device import device_of
from posegen.protocols import PoseEstimator
from posegen.scoring.meshes import Meshes
from posegen.scoring.protocols import EvaluationProtocol, Side
from posegen.types import Estimate

MESH_SETS = ("smpl24", "h36m17", *FROM_H36M)


@dataclass(frozen=True, slots=True)
class Abilities:
    """What an estimator's output can be compared by. body: it gives SMPL's pose, root and shape, and not another
    body's."""

    joint_set: str
    body: bool

    def satisfy(self, protocol: EvaluationProtocol) -> bool:
        """Whether the joints that the protocol compares can be had."""
        wanted = protocol.joint_set
        return not wanted or (self.body and wanted in MESH_SETS) or rows(self.joint_set, wanted) is not None


@torch.inference_mode()
def abilities(estimator: PoseEstimator) -> Abilities:
    """What comes out for one black crop."""
    size = 64
    box = torch.tensor([[0.25 * size, 0.25 * size, 0.75 * size, 0.75 * size]])
    device = device_of(estimator.module)
    crop = estimator.crop(torch.zeros(1, 3, size, size, device=device), box.to(device))
    return Abilities(estimator.joint_set, _has_body(estimator.predict(crop)))


def predicted_side(estimate: Estimate, joint_set: str, protocol: EvaluationProtocol, meshes: Meshes) -> Side:
    """The estimator's side; its own joints are of ``joint_set``.

    Joints that published evaluations regress come from the neutral mesh of its parameters where it has those; SMPL's
    24 are the estimator's own where it has them.
    """
    wanted, pose = protocol.joint_set, _pose(estimate)
    if not wanted:
        return Side(limbs(estimate.joints, joint_set))
    own = rows(joint_set, wanted)
    regressed = wanted != "smpl24" and wanted in MESH_SETS
    if pose is not None and estimate.betas is not None and estimate.of_smpl:
        if has_mesh(protocol, meshes):
            joints = None if own is None else estimate.joints[:, list(own)]
            return meshes.beside(joints, pose, estimate.betas)
        if regressed or own is None:
            return meshes.side(wanted, pose, estimate.betas, ["neutral"] * len(pose))
    if own is None:
        raise UsageError(f"{protocol.name} compares {wanted}, which an estimator of {joint_set} does not have")
    return Side(estimate.joints[:, list(own)], rotations=None if pose is None else global_rotations(pose))


def true_side(records: Sequence[Record], protocol: EvaluationProtocol, meshes: Meshes) -> Side:
    """The dataset's side. Raises AssetError naming the record that lacks what the protocol needs."""
    wanted = protocol.joint_set
    if not wanted:
        return Side(torch.stack([limbs(_joints(r)[None], r.joint_set or "")[0] for r in records]))
    pose, betas = _column(records, "pose", (24, 3)), _column(records, "betas", (10,))
    if protocol.truth != "joints":
        for record in records:
            if record.pose is None or record.betas is None:
                raise AssetError(f"{protocol.name} needs SMPL's pose and shape, which {record.key} lacks")
        of_gender = protocol.truth == "mesh"
        return meshes.side(wanted, pose, betas, [r.gender or "neutral" for r in records] if of_gender else None)
    joints = torch.stack([_in(r, wanted, protocol) for r in records])
    if has_mesh(protocol, meshes):
        return meshes.beside(joints, pose, betas)
    return Side(joints, rotations=global_rotations(pose))


def labelled(record: Record, protocol: EvaluationProtocol) -> bool:
    """Whether the record knows where all the joints are that the protocol compares, if it takes any from it."""
    if protocol.truth != "joints":
        return True
    if record.joints is None or record.joint_set is None:
        return False
    own = rows(record.joint_set, protocol.joint_set) if protocol.joint_set else JOINT_SETS[record.joint_set].limbs
    return record.visible is None or own is None or bool(record.visible[list(own)].all())


def _column(records: Sequence[Record], name: str, shape: tuple[int, ...]) -> Tensor:
    """One field of all records, NaN where a record lacks it: what is computed from it is no number either."""
    missing = torch.full(shape, torch.nan)
    values = (getattr(record, name) for record in records)
    return torch.stack([missing if value is None else value.float() for value in values])


def limbs(joints: Tensor, joint_set: str) -> Tensor:
    """(N,J,3) of a joint set -> its 12 limb joints (N,12,3)."""
    return joints[:, list(JOINT_SETS[joint_set].limbs)]


def has_mesh(protocol: EvaluationProtocol, meshes: Meshes) -> bool:
    """Vertices beside joints that are there without them (AGORA's, of the neutral body): where that body is there."""
    return protocol.vertices and protocol.joint_set == "smpl24" and meshes.has_neutral


def _pose(estimate: Estimate) -> Tensor | None:
    if estimate.body_pose is None or estimate.global_orient is None:
        return None
    return torch.cat([estimate.global_orient[:, None], estimate.body_pose], dim=1)


def _has_body(estimate: Estimate) -> bool:
    return _pose(estimate) is not None and estimate.betas is not None and estimate.of_smpl


def _joints(record: Record) -> Tensor:
    if record.joints is None or record.joint_set is None:
        raise AssetError(f"{record.key} has no joints to compare with")
    return record.joints


def _in(record: Record, wanted: str, protocol: EvaluationProtocol) -> Tensor:
    joints = _joints(record)
    places = rows(record.joint_set or "", wanted)
    if places is None:
        raise AssetError(f"{protocol.name} compares {wanted}; {record.key} is labelled with {record.joint_set}")
    return joints[list(places)]
