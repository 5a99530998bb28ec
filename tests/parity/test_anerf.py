"""A-NeRF against every array that the official code gave on the same weights, through a checkpoint as it saves one."""

from __future__ import annotations

import json
import math
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest
import torch
from posegen_anerf.bounds import box, cylinder, near_far, rims
from posegen_anerf.checkpoint import read
from posegen_anerf.reference import cast, look
from posegen_anerf.skeleton import FLIP, UNIT, bones_to_world, joints_of
from posegen_anerf.subject import NerfSubject
from posegen_anerf.volume import integrate
from torch import Tensor

from posegen.geometry import rotvec_to_rotmat

from .weights import checksum, golden, layout, weights

BOUND = 1e-4
FRAME = 3
"""The frame whose code the official h36m run was given."""


@dataclass
class Official:
    name: str
    arrays: dict[str, Any]
    subject: NerfSubject

    def __getitem__(self, key: str) -> Tensor:
        return torch.from_numpy(self.arrays[key])

    @property
    def frame(self) -> int | None:
        return FRAME if self.subject.config.framecodes else None

    @property
    def frames(self) -> Tensor | None:
        return torch.full((16,), FRAME) if self.subject.config.framecodes else None


@pytest.fixture(scope="module", params=["surreal", "surreal_single", "h36m"])
def official(request: Any, tmp_path_factory: Any) -> Official:
    name = request.param
    arrays = golden(f"anerf_{name}")
    meta = json.loads(str(arrays["meta"]))
    state = weights(layout(f"anerf_{name}"), gain=math.sqrt(2), gains={"alpha_linear.weight": 20.0})
    for key in state:
        if key.endswith("cutoff_dist"):
            state[key] = torch.full((24,), meta["cutoff_dist"])
        elif key.endswith("tau"):
            state[key] = torch.tensor(meta["tau"])
    np.testing.assert_allclose(checksum(state), meta["weight_checksum"], rtol=1e-9)
    content: dict[str, Any] = {"global_step": meta["step"], "embedbones_state_dict": {}}
    for key, value in state.items():
        container, _, leaf = key.partition(".")
        content.setdefault(container, {})[leaf] = value
    path = tmp_path_factory.mktemp(name) / f"{name}.tar"
    torch.save(content, path)
    return Official(name, arrays, read(path))


def close(got: Tensor, wanted: Tensor, bound: float = BOUND) -> None:
    torch.testing.assert_close(got.detach(), wanted.to(got.dtype).reshape(got.shape), atol=bound, rtol=0)


def network(official: Official, name: str) -> Any:
    """Of the single network, the official code gives the same to both passes."""
    subject = official.subject
    return subject.fine if name == "fine" or subject.coarse is None else subject.coarse


def test_the_configuration_is_recovered_from_the_shapes(official):
    config, meta = official.subject.config, json.loads(str(official.arrays["meta"]))
    assert (config.samples, config.importance) == (meta["N_samples"], meta["N_importance"])
    assert config.single == (official.name == "surreal_single")
    assert (config.framecode_size > 0) == (official.name == "h36m")
    assert config.cutoff == meta["cutoff_dist"]
    assert float(official.subject.fine.tau) == pytest.approx(meta["tau"])


def test_the_skeleton(official):
    """theta without a root: the official root rotation and pelvis are one rigid motion of its world."""
    rest = official["rest_pose"]
    close(official.subject.rest_joints * UNIT, rest - rest[0], 1e-5)
    pose, root = official["bones"][None, 1:], rotvec_to_rotmat(official["bones"][:1])[0]
    skts = bones_to_world(pose, official.subject.rest_joints)[0]
    world = torch.eye(4)
    world[:3, :3] = root @ torch.diag(torch.tensor(FLIP))
    world[:3, 3] = official["pelvis"]
    close(skts @ torch.linalg.inv(world), official["skt"])
    close(world @ torch.linalg.inv(skts), official["l2w"])
    close(joints_of(official["skt"]), official["kp"])
    close(joints_of(skts) @ world[:3, :3].T + world[:3, 3], official["kp"])


def test_the_encodings(official):
    near, bones, seen = official.subject.fine.encode(official["pts"], official["rays_d"], official["skt"])
    close(near, official["enc_v"])
    close(bones, official["enc_r"])
    wanted = official["enc_d"]
    if official.frame is not None:
        assert (wanted[..., -1] == FRAME).all()
        wanted = wanted[..., :-1]
    close(seen, wanted)


@pytest.mark.parametrize("name", ["coarse", "fine"])
def test_the_networks(official, name):
    field = network(official, name)
    skts = official["skt"]
    for given in (skts, skts.expand(16, 24, 4, 4)):
        close(field(official["pts"], official["rays_d"], given, official.frames), official[f"raw_{name}"])
    if name == "fine" and official.frame is not None:
        for mean in (None, torch.full((16,), -1)):
            raw = field(official["pts"], official["rays_d"], skts, mean)
            close(raw, official["raw_fine_meancode"])


def test_volume_rendering(official):
    seen = integrate(official["vr_raw"], official["vr_z"], official["vr_d"])
    close(seen.rgb, official["vr_rgb_map"])
    close(seen.alpha, official["vr_acc_map"])
    close(seen.disparity, official["vr_disp_map"])
    close(seen.sample_alpha, official["vr_alpha"])
    close(seen.weights, official["vr_weights"])


def test_camera_cylinder_and_box(official):
    height, width, focal = official.arrays["hwf"]
    c2w = official["c2w"].double()
    extrinsic = torch.linalg.inv(c2w * torch.tensor([1.0, -1.0, -1.0, 1.0]))
    close(extrinsic, official["extrinsic"])
    centre = torch.tensor([width / 2, height / 2])
    seen = official["kp"].double() @ extrinsic[:3, :3].T + extrinsic[:3, 3]
    close(seen[:, :2] / seen[:, 2:] * focal + centre, official["kp2d"])
    bounds = cylinder(official["kp"][None])
    close(bounds, official["cyl"])
    intrinsics = torch.tensor([[focal, 0, width / 2], [0, focal, height / 2], [0, 0, 1]])
    points = rims(bounds)[0].double() @ extrinsic[:3, :3].T + extrinsic[:3, 3]
    x0, y0, x1, y1 = box(points, intrinsics, int(width), int(height))
    assert [x0, y0] == official["bbox_tl"].tolist()
    # the official code clips to the last row and column instead of beyond it, and so never draws those
    assert [min(x1, int(width) - 1), min(y1, int(height) - 1)] == official["bbox_br"].tolist()


def test_rays(official):
    """Of the pixels of the box, row by row; official rays go through pixels' corners."""
    _, width, focal = official.arrays["hwf"]
    (x0, y0), (x1, y1) = official["bbox_tl"].tolist(), official["bbox_br"].tolist()
    y, x = torch.meshgrid(torch.arange(y0, y1), torch.arange(x0, x1), indexing="ij")
    seen = torch.stack([(x - width / 2) / focal, (y - width / 2) / focal, torch.ones(x.shape)], -1).reshape(-1, 3)
    axes = official["c2w"] * torch.tensor([1.0, -1.0, -1.0, 1.0])
    close(seen.float() @ axes[:3, :3].T, official["rays_d_img"])
    close(axes[:3, 3].expand(len(seen), 3), official["rays_o_img"])


def test_near_and_far(official):
    """Where the official code has no near and far, for rays that miss, it takes the mean of the others."""
    near, far, hit = near_far(official["rays_o_img"], official["rays_d_img"], official["cyl"][0])
    assert int((~hit).sum()) == 141
    close(torch.where(hit, near, near[hit].mean()), official["near"], 2e-4)
    close(torch.where(hit, far, far[hit].mean()), official["far"], 2e-4)


def test_rays_of_both_passes(official):
    """These 96 rays were one chunk, so those that miss lie between the mean near and far of the others."""
    rows = official["ray_sel"]
    near, far, hit = (a[rows] for a in near_far(official["rays_o_img"], official["rays_d_img"], official["cyl"][0]))
    near, far = (torch.where(hit, a, a[hit].mean()) for a in (near, far))
    origins, directions = official["rays_o_img"][rows], official["rays_d_img"][rows]
    with torch.no_grad():
        first, last = cast(official.subject, official["skt"], origins, directions, near, far, official.frame)
    close(first.rgb, official["ray_rgb0"])
    close(first.alpha, official["ray_acc0"])
    close(first.disparity, official["ray_disp0"])
    close(first.sample_alpha, official["ray_alpha0"])
    close(last.rgb, official["ray_rgb_map"])
    close(last.alpha, official["ray_acc_map"])
    close(last.disparity, official["ray_disp_map"])
    mostly(last.sample_alpha, official["ray_alpha"])


def test_the_image(official):
    """Every second of the pixels that meet the cylinder, and all that do not."""
    origins, directions, bounds = official["rays_o_img"], official["rays_d_img"], official["cyl"][0]
    near, far, hit = near_far(origins, directions, bounds)
    (x0, y0), (x1, y1) = official["bbox_tl"].tolist(), official["bbox_br"].tolist()
    black, white, alpha, disparity = (
        official[key][y0:y1, x0:x1].reshape(len(hit), -1) for key in ("img_black", "img_white", "acc", "disp")
    )
    assert not black[~hit].any() and (white[~hit] == 1).all() and not alpha[~hit].any() and not disparity[~hit].any()
    outside = torch.ones(48, 48, dtype=torch.bool)
    outside[y0:y1, x0:x1] = False
    assert not official["acc"][outside].any() and (official["img_white"][outside] == 1).all()
    rows = hit.nonzero()[::2, 0]
    with torch.no_grad():
        parts = (origins[rows], directions[rows], near[rows], far[rows])
        _, seen = cast(official.subject, official["skt"], *parts, official.frame)
        some = torch.cat([rows[:30], (~hit).nonzero()[:10, 0]])
        looked = look(official.subject, official["skt"], origins[some], directions[some], bounds, 16, official.frame)
    mostly(seen.rgb, black[rows])
    mostly(seen.rgb + (1 - seen.alpha[:, None]), white[rows])
    mostly(seen.alpha, alpha[rows, 0])
    mostly(seen.disparity, disparity[rows, 0])
    mostly(looked, torch.cat([black, alpha], dim=1)[some])


def mostly(got: Tensor, wanted: Tensor) -> None:
    """99 of 100 within the bound and none beyond 2e-2: rounding moves an importance sample here and there."""
    error = (got - wanted).abs()
    assert float((error < BOUND).float().mean()) >= 0.99
    assert float(error.max()) < 2e-2
