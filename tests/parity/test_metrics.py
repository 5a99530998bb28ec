"""The figures of the published evaluation scripts (SPIN, VideoPose3D, 3DPW, MPI-INF-3DHP) on the same numbers."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch

from posegen.body.joints import H36M_TO_LSP14, JOINT_SETS
from posegen.metrics import mpjpe, n_mpjpe, pa_mpjpe, pck

DATA = Path(__file__).parent / "data"
GOLDEN = json.loads((DATA / "metrics.json").read_text())["results"]
TOLERANCE_MM = 1e-4
with np.load(DATA / "metrics.npz") as _archive:
    INPUT = {key: torch.from_numpy(_archive[key]) for key in _archive.files if _archive[key].dtype == np.float64}


def centred(points: torch.Tensor, root: list[int]) -> torch.Tensor:
    return points - points[:, root].mean(dim=1, keepdim=True)


def pair(name: str, root: list[int], scale: float = 1.0) -> tuple[torch.Tensor, torch.Tensor]:
    """Prediction and truth of one protocol, metres."""
    predicted, true = (key.format(name) for key in ("pred{}", "gt{}"))
    return centred(INPUT[predicted] * scale, root), centred(INPUT[true] * scale, root)


H36M = pair("17_h36mreg_m", [0])
J14 = tuple(points[:, list(H36M_TO_LSP14)] for points in H36M)
MID_HIP = pair("14_m", [2, 3])
SMPL24 = pair("24_m", [0])
HP_PREDICTED, HP_TRUE = (centred(INPUT[key] / 1000, [14]) for key in ("hp_pred17_mm", "hp_gt17_mm"))


def close(got: torch.Tensor, wanted) -> None:
    torch.testing.assert_close(got, torch.as_tensor(wanted, dtype=got.dtype), rtol=0, atol=TOLERANCE_MM)


def test_spin_14_joints():
    close(mpjpe(*J14), GOLDEN["spin_mpjpe_mm_per_sample"])
    close(pa_mpjpe(*J14), GOLDEN["spin_pampjpe_mm_per_sample"])
    close(mpjpe(*J14).mean(), GOLDEN["spin_mpjpe_mm"])


def test_vibe_mid_hip():
    close(mpjpe(*MID_HIP), GOLDEN["vibe_midhip_mpjpe_mm_per_sample"])
    close(pa_mpjpe(*MID_HIP), GOLDEN["vibe_pampjpe_mm_per_sample"])


def test_videopose3d_17_joints():
    close(mpjpe(*H36M).mean(), GOLDEN["vp3d_mpjpe_mm"])
    close(pa_mpjpe(*H36M).mean(), GOLDEN["vp3d_p_mpjpe_mm"])
    close(n_mpjpe(*H36M).mean(), GOLDEN["vp3d_n_mpjpe_mm"])


def test_3dpw_24_joints():
    close(mpjpe(*SMPL24).mean(), GOLDEN["pw3d_mpjpe_mm"])
    close(pa_mpjpe(*SMPL24).mean(), GOLDEN["pw3d_mpjpe_pa_mm"])
    limbs = list(JOINT_SETS["smpl24"].limbs)  # its PCK is over our twelve
    close(pck(SMPL24[0][:, limbs], SMPL24[1][:, limbs], threshold_mm=50.0).mean(), GOLDEN["pw3d_pck50_pct"])


def test_3dhp():
    close(mpjpe(HP_PREDICTED, HP_TRUE).mean(), GOLDEN["hp_hybrik_all_mpjpe17_mm"])
    close(pck(HP_PREDICTED, HP_TRUE).mean(), GOLDEN["hp_mmhuman3d_pck150_17j_pct"])
    close(pck(HP_PREDICTED[:, :14], HP_TRUE[:, :14]).mean(), GOLDEN["hp_hybrik_all_pck150_groups_pct"][-1])


@pytest.mark.parametrize("shape", ["reflected", "collinear", "planar"])
def test_alignment_of_awkward_shapes(shape):
    predicted = INPUT[f"edge_{shape}_pred"]
    close(pa_mpjpe(predicted, INPUT["gt14_m"][: len(predicted)]).squeeze(), GOLDEN[f"edge_spin_pa_{shape}_mm"])


def test_three_joints_are_rows():
    close(pa_mpjpe(INPUT["edge_3joint_pred"][None], INPUT["edge_3joint_gt"][None])[0], GOLDEN["edge_correct_3joint_mm"])


def test_a_prediction_in_one_point_lands_on_the_centroid():
    true = INPUT["gt24_m"][:1]
    close(pa_mpjpe(torch.zeros_like(true), true)[0], GOLDEN["edge_pw3d_pa_zero_pred_mm"])
