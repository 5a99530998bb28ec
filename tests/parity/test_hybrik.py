"""HybrIK's inverse kinematics, networks and geometry against the published code, on a synthetic body."""

from __future__ import annotations

import json
from functools import cache

import numpy as np
import pytest
import torch
from posegen_hybrik import heatmap, ik, official_ik
from posegen_hybrik.estimator import Hybrik
from posegen_hybrik.network import STATISTICS, HybrikNet, Seen
from posegen_hybrik.rotations import from_quaternion
from posegen_hybrik.smpl import Smpl
from posegen_hybrik.solve import Known, Solved, solve
from posegen_hybrik.variant import HRNET48_CAM, RES34, RES34_24, RES34_CAM, Variant, recognise
from torch import Tensor

from posegen.geometry import rotmat_to_rotvec

from .test_body_smpl import synthetic_smpl
from .weights import checksum, golden, layout, normal, weights

NETWORKS = {
    "hybrik_res34": (RES34, 1.0),
    "hybrik_res34_24": (RES34_24, 1.0),
    "hybrik_res34_cam": (RES34_CAM, 1.0),
    "hybrik_hrnet48_cam": (HRNET48_CAM, 0.6),
}
GAINS = {"final_layer.weight": 12.0}
ATOL, ROTATION = 1e-4, 1e-3  # the golden arrays are reproducible to 1e-5, rotations and the camera's to 1e-4

# Where upstream's flip test, on the processor that made the golden arrays, took each column of a mirrored heatmap from
# when it moved it one to the right onto itself: see heatmap.mirror.
OVERLAPPED = [0, *range(16), 15, *range(17, 32), 31, *range(33, 48), *[47] * 15]


def equal(value: Tensor, expected: object, atol: float = ATOL) -> None:
    expected = torch.as_tensor(expected)
    torch.testing.assert_close(value.reshape(expected.shape), expected, rtol=0, atol=atol)


@cache
def body_state(joints: int) -> dict[str, Tensor]:
    """The buffers of the synthetic body, as a checkpoint has them."""
    model, h36m = synthetic_smpl()
    arrays = {
        "v_template": model["v_template"],
        "shapedirs": model["shapedirs"],
        "posedirs": model["posedirs"].reshape(-1, 207).T,
        "J_regressor": model["J_regressor"],
        "J_regressor_h36m": h36m,
        "lbs_weights": model["weights"],
    }
    state = {name: torch.from_numpy(np.ascontiguousarray(a, np.float32)) for name, a in arrays.items()}
    own = Smpl(joints).state_dict()
    return {**own, **state, "faces_tensor": torch.from_numpy(model["f"].astype(np.int64))}


@cache
def network(name: str) -> HybrikNet:
    variant, gain = NETWORKS[name]
    names = {key: shape for key, shape in layout(name).items() if not key.startswith("smpl.")}
    state = weights(names, gain, GAINS)
    assert checksum(state) == pytest.approx(json.loads(golden(name)["meta"].item())["weight_checksum"], rel=1e-9)
    net = HybrikNet(variant)
    net.load_state_dict({**state, **{f"smpl.{key}": value for key, value in body_state(variant.joints).items()}})
    return net.eval()


def smpl(joints: int) -> Smpl:
    buffers = Smpl(joints)
    buffers.load_state_dict(body_state(joints))
    return buffers


def tensors(name: str) -> dict[str, Tensor]:
    return {key: torch.from_numpy(value) for key, value in golden(name).items() if key != "meta"}


@pytest.mark.parametrize("name", NETWORKS)
def test_state_dict_is_the_published_one(name: str) -> None:
    with torch.device("meta"):
        state = HybrikNet(NETWORKS[name][0]).state_dict()
    assert {key: tuple(value.shape) for key, value in state.items()} == layout(name)
    whole = {key for key, value in state.items() if value.dtype == torch.int64}
    assert whole == {k for k in state if k.endswith("num_batches_tracked") or k.split(".")[-1] in
                     ("faces_tensor", "children_map", "parents")}  # fmt: skip
    assert recognise(state) == NETWORKS[name][0]


@pytest.mark.parametrize("joints", [24, 29])
def test_tree_is_the_published_one(joints: int) -> None:
    expected, end = tensors("hybrik_ik"), "24" if joints == 24 else ""
    state = Smpl(joints).state_dict()
    assert state["children_map"].tolist() == expected[f"children_map{end}"].tolist()
    assert state["parents"].tolist() == expected[f"parents{end}"].tolist()


@pytest.mark.parametrize("skeleton", ["skeleton", "noisy"])
@pytest.mark.parametrize("path", ["full", "naive", "24"])
def test_inverse_kinematics(skeleton: str, path: str) -> None:
    g = tensors("hybrik_ik")
    expected = f"{'clean' if skeleton == 'skeleton' else 'noisy'}_{path}"
    joints = 24 if path == "24" else 29
    rest = smpl(joints).rest(g["betas"])
    ends = from_quaternion(g["leaf_quat"]) if path == "24" else None
    rotations = official_ik.solve(g[skeleton][:, :joints], rest, g["phis"], ends, naive=path == "naive")
    equal(rotations, g[f"{expected}_rot"], ROTATION)
    check_body(joints, rotations, g["betas"], g[f"{expected}_joints"], g.get(f"{expected}_joints17"))


def test_forward_kinematics_of_the_body_in_a_checkpoint() -> None:
    g = tensors("hybrik_ik")
    check_body(29, g["fk_rot"], g["betas"], g["fk_joints"], g["fk_joints17"], g["fk_vertices"])


@pytest.mark.parametrize("skeleton", ["skeleton", "noisy"])
def test_differentiable_inverse_kinematics_is_the_naive_path_with_the_root_of_the_other(skeleton: str) -> None:
    g = tensors("hybrik_ik")
    kind = "clean" if skeleton == "skeleton" else "noisy"
    rest = smpl(29).rest(g["betas"])
    rotations = ik.solve(g[skeleton], rest, g["phis"])
    equal(rotations[:, 0], g[f"{kind}_full_rot"].reshape(2, 24, 3, 3)[:, 0], ROTATION)
    # a noisy bone ends more than 15 mm from its target, so that upstream's evaluation takes its direction as well
    equal(rotations, g[f"{kind}_{'naive' if kind == 'clean' else 'full'}_rot"], ROTATION)


def check_body(
    joints: int, rotations: Tensor, betas: Tensor, joints24: Tensor | None, joints17: Tensor | None = None,
    vertices: Tensor | None = None,
) -> None:  # fmt: skip
    """What the body from a checkpoint's buffers does under these rotations, in upstream's origins."""
    buffers = smpl(joints)
    for i in range(len(betas)):
        body, root = buffers.body(betas[i]), rotations[i, 0].T
        theta = rotmat_to_rotvec(rotations[i : i + 1, 1:])
        if joints24 is not None:
            equal(body.joints(theta) @ root, joints24[i : i + 1])
        h36m = body.joints(theta, joint_set="h36m17") @ root
        if joints17 is not None:
            equal(h36m - h36m[:, :1], joints17[i : i + 1])
        if vertices is not None:
            equal((body.vertices(theta) @ root - h36m[:, :1])[:, ::10], vertices[i : i + 1])


def images(n: int) -> Tensor:
    return normal(3001, (2, 3, 256, 256))[:n]


def check(g: dict[str, Tensor], variant: Variant, solved: Solved, prefix: str = "") -> set[str]:
    """Every golden array that ``solved`` answers for; returns their names."""
    factor, seen, n = variant.depth_factor, solved.seen, len(solved.skeleton)
    skeleton = solved.skeleton / factor
    said = {
        "pred_uvd_jts": (seen.uvd, ATOL),
        "pred_xyz_jts_29": (skeleton, ATOL),
        "pred_xyz_jts_24": (skeleton[:, :24], ATOL),
        "pred_phi": (seen.phi, ATOL),
        "pred_shape": (seen.betas, ATOL),
        "pred_theta_mats": (solved.rotations, ROTATION),
        "cam_scale": (solved.scale, ATOL),
        "cam_root": (solved.root, ROTATION),
        "transl": (solved.root, ROTATION),
    }
    if seen.camera is not None:
        said |= {"pred_camera": (seen.camera[:, :1], ATOL), "cam_trans": (seen.camera[:, 1:], ATOL)}
    if seen.sigma is not None:
        said["pred_sigma"] = (seen.sigma, ATOL)
    if seen.ends is not None:
        said["pred_leaf"] = (seen.ends, ATOL)
    found = {prefix + name for name in said if prefix + name in g}
    for name in found:
        value, atol = said[name.removeprefix(prefix)]
        equal(value, g[name], atol)
    body = [f"{prefix}pred_xyz_jts_24_struct", f"{prefix}pred_xyz_jts_17", f"{prefix}pred_vertices"]
    joints = [(g[name] * factor).reshape(n, -1, 3) if name in g else None for name in body[:2]]
    check_body(variant.joints, solved.rotations, seen.betas, *joints, g.get(body[2]))
    return found | {name for name in body if name in g}


def known_camera() -> Known:
    known = tensors("hybrik_res34")
    assert (known["depth_factor"] == 2).all()
    return Known(known["trans_inv"], known["intrinsic_inv"], known["joint_root"])


@torch.no_grad()
@pytest.mark.parametrize("name", ["hybrik_res34", "hybrik_res34_24"])
def test_network_without_a_camera(name: str) -> None:
    g, net = tensors(name), network(name)
    seen = net.look(images(2))
    compared = check(g, net.variant, solve(net, seen, official=True, known=known_camera()))
    equal(seen.betas - net.init_shape, g["pred_delta_shape"])
    given = {"trans_inv", "intrinsic_inv", "joint_root", "depth_factor"}
    rest = {key for key in g if not key.startswith("flip_")} - given - compared
    assert rest == {"pred_delta_shape"}


@torch.no_grad()
def test_flip_test_without_a_camera() -> None:
    g, net = tensors("hybrik_res34"), network("hybrik_res34")
    seen = net.averaged(images(2))
    compared = check(g, net.variant, solve(net, seen, official=True, known=known_camera()), "flip_")
    assert {key for key in g if key.startswith("flip_")} == compared


def centre_of(box: torch.Tensor, middle: torch.Tensor) -> torch.Tensor:
    """Where square crops (N,4) lie from the pictures' middles (N,2), in their sides, as upstream has it."""
    return (box.reshape(-1, 2, 2).mean(1) - middle) / (box[:, 2:] - box[:, :2])


@torch.no_grad()
def test_network_with_a_camera() -> None:
    name = "hybrik_res34_cam"
    g, net = tensors(name), network(name)
    seen = net.look(images(2))
    compared = check(g, net.variant, solve(net, seen, official=True))
    equal(seen.betas - net.init_shape, g["pred_delta_shape"])
    centre = centre_of(g["bboxes"], g["img_center"])
    compared |= check(g, net.variant, solve(net, seen, official=True, centre=centre), "bb_")
    features = net.preact(images(2)).mean((2, 3))
    equal(features, g["feat"])
    volume = net.final_layer(net.deconv_layers(net.preact(images(2)))).reshape(2, 29, -1).softmax(-1)
    equal(volume.amax(-1), g["maxvals"])
    assert set(g) - compared == {"pred_delta_shape", "bboxes", "img_center", "feat", "maxvals"}


@torch.no_grad()
@pytest.mark.parametrize("flip", [False, True])
def test_hrnet(flip: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    name = "hybrik_hrnet48_cam"
    g, net = tensors(name), network(name)
    columns = [63 - i for i in OVERLAPPED]
    monkeypatch.setattr(heatmap, "moved_columns", lambda width: columns)
    seen: Seen = net.averaged(images(1)) if flip else net.look(images(1))
    prefix, centre = "", None
    if flip:
        box, middle = torch.tensor([[100.0, 150, 420, 470]]), torch.tensor([[640.0, 360]])
        prefix, centre = "flip_", centre_of(box, middle)
    compared = check(g, net.variant, solve(net, seen, official=True, centre=centre), prefix)
    assert {key for key in g if key.startswith("flip_") == flip} == compared


def test_channel_statistics_are_the_published_quirk() -> None:
    assert STATISTICS == ((0.406, 0.457, 0.480), (0.225, 0.224, 0.229))


@pytest.mark.parametrize("side", [90.0, 256.0, 143.7])
def test_crop(side: float) -> None:
    """Upstream's affine warp, pixel by pixel: where it enlarges, its bilinear interpolation is reproduced."""
    rng = np.random.default_rng(0)
    picture = rng.random((120, 100, 3)).astype(np.float32)
    x, y = 47.3, 60.9
    box = torch.tensor([[x - side / 2, y - side / 4, x + side / 2, y + side / 4]]) if side < 200 else torch.tensor(
        [[x - side / 4, y - side / 2, x + side / 4, y + side / 2]])  # fmt: skip
    hybrik = Hybrik(Hybrik.Options(weights="untrained", scale=1.0))
    hybrik.input_size = 256
    crop = hybrik.crop(torch.from_numpy(picture).permute(2, 0, 1)[None], box)[0].permute(1, 2, 0).numpy()
    for row, column in rng.integers(0, 256, (200, 2)):
        # get_affine_transform takes the box's centre to (128, 128) and the side to 256, both in pixel indices
        u, v = x + (column - 128) * side / 256, y + (row - 128) * side / 256
        np.testing.assert_allclose(crop[row, column], bilinear(picture, u, v), atol=1e-4)


def bilinear(picture: np.ndarray, u: float, v: float) -> np.ndarray:
    """The picture at pixel indices u, v; black outside."""
    total = np.zeros(3)
    for i in (int(np.floor(u)), int(np.floor(u)) + 1):
        for j in (int(np.floor(v)), int(np.floor(v)) + 1):
            if 0 <= i < picture.shape[1] and 0 <= j < picture.shape[0]:
                total += (1 - abs(u - i)) * (1 - abs(v - j)) * picture[j, i]
    return total
