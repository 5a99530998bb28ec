"""SPIN as an estimator: its axes, its bones, its crops, and its checkpoints in and out."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from posegen_spin.estimator import Spin
from posegen_spin.network import OFFICIAL, SpinNet
from posegen_starter.body import OpenBody
from torch import Tensor

from posegen import assets
from posegen.body import PARENTS, Skeleton, load_body
from posegen.errors import AssetError, UsageError
from posegen.geometry import from_spherical, rotmat_to_rotvec, rotvec_to_rotmat, view_rotation
from posegen.nn.regressor import Regressed
from posegen.nn.smpl import to_estimate


@pytest.fixture(autouse=True)
def no_assets(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("POSEGEN_CONFIG_DIR", str(tmp_path / "config"))


@pytest.fixture(scope="module")
def official(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The published layout with random weights, as its trainer saves it."""
    with torch.random.fork_rng():
        torch.manual_seed(0)
        state = SpinNet(OFFICIAL).state_dict()
    path = tmp_path_factory.mktemp("spin") / "model_checkpoint.pt"
    torch.save({"model": state, "optimizer": {"state": {}, "param_groups": []}, "epoch": 60}, path)
    return path


def untrained() -> Spin:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return Spin(Spin.Options(weights="untrained"))


def pictures(n: int, size: int) -> Tensor:
    return torch.rand(n, 3, size, size, generator=torch.Generator().manual_seed(1))


def test_a_known_pose_gives_the_bodys_joints_in_camera_axes() -> None:
    rng = torch.Generator().manual_seed(2)
    theta, betas = 0.4 * torch.randn(4, 23, 3, generator=rng), torch.randn(10, generator=rng)
    view = from_spherical(torch.tensor([0.3, -2.0, 1.0, 3.0]), torch.tensor([0.2, 0.9, -0.7, 0.0]))
    arrays = OpenBody(OpenBody.Options()).body().arrays
    rotations = torch.cat([view_rotation(view)[:, None], rotvec_to_rotmat(theta)], dim=1)
    said = to_estimate(Regressed(rotations, betas.expand(4, -1), torch.zeros(4, 3)), Skeleton.of(arrays), of_smpl=False)
    expected = OpenBody(OpenBody.Options()).body(betas).joints(theta, view, "smpl24")
    torch.testing.assert_close(said.joints, expected, rtol=0, atol=1e-5)
    torch.testing.assert_close(said.body_pose, theta, rtol=0, atol=1e-5)
    torch.testing.assert_close(said.global_orient, rotmat_to_rotvec(view_rotation(view)), rtol=0, atol=1e-5)


def test_an_untrained_network_says_an_upright_person_that_faces_the_camera() -> None:
    spin = untrained()
    joints = spin.predict(pictures(1, spin.input_size)).joints[0]
    head, left_hip, right_hip = joints[15], joints[1], joints[2]
    assert head[1] < -0.4  # above the pelvis, y points down
    assert left_hip[0] > right_hip[0]  # its left is on the right of the picture


def test_gradients_reach_the_weights_from_rest_and_from_a_half_turn() -> None:
    """The root of every upright person is half a turn about x, where axis-angle is least at ease."""
    spin = untrained()
    crop = pictures(2, spin.input_size).requires_grad_()
    estimate = spin.predict(crop)
    assert estimate.body_pose is not None
    assert estimate.global_orient is not None
    (estimate.joints.square().sum() + estimate.body_pose.sum() + estimate.global_orient.sum()).backward()
    assert crop.grad is not None
    assert all(torch.isfinite(g).all() for g in [crop.grad, *(p.grad for p in spin.module.parameters())])


def test_shape_follows_the_betas_and_the_fixed_skeleton_ignores_them() -> None:
    rotations = torch.eye(3).expand(2, 24, 3, 3)
    betas = torch.zeros(2, 10)
    betas[1, 0] = 3
    body = OpenBody(OpenBody.Options())
    shaped = Skeleton.of(body.body().arrays)(rotations, betas)
    torch.testing.assert_close(shaped[1], body.body(betas[1]).rest_joints, rtol=0, atol=1e-5)
    assert (shaped[1] - shaped[0]).abs().max() > 0.01
    fixed = Skeleton.fixed()(rotations, betas)
    assert torch.equal(fixed[0], fixed[1])
    assert 1.3 < fixed[0, :, 1].max() - fixed[0, :, 1].min() < 1.6  # from ankles to head
    assert fixed[0, 1, 0] > 0 > fixed[0, 2, 0]  # left is +x


def test_the_whole_pixel_crop_differs_by_less_than_a_pixel_of_the_picture() -> None:
    """A picture whose value is the pixel's column: both crops tell where they looked."""
    smooth, whole = (Spin(Spin.Options(weights="untrained", crop=crop)) for crop in ("smooth", "official"))
    column = (torch.arange(640.0) + 0.5).expand(1, 3, 480, 640)
    box = torch.tensor([[211.3, 60.7, 399.9, 413.2]])
    difference = (smooth.crop(column, box) - whole.crop(column, box)).abs()[..., 8:-8]
    assert 0.05 < difference.max() < 1.1  # 0.9: corners are cut to whole pixels
    assert smooth.crop(column, box).shape == whole.crop(column, box).shape == (1, 3, 128, 128)
    beyond = torch.tensor([[-300.0, -200.0, 90.0, 100.0]])
    assert whole.crop(column, beyond)[0, :, :30, :30].abs().max() == 0


def test_official_weights_need_the_asset(official: Path) -> None:
    with pytest.raises(AssetError, match="spin-checkpoint") as raised:
        Spin(Spin.Options(weights="official"))
    assert "posegen assets set spin-checkpoint" in raised.value.hint
    assets.register("spin-checkpoint", official)
    for weights in ("official", "auto"):
        spin = Spin(Spin.Options(weights=weights))
        assert (spin.weights, spin.input_size) == ("official, fixed skeleton", 224)


def test_an_asset_that_is_registered_later_changes_no_run(official: Path) -> None:
    """run.toml holds what ``auto`` meant, so a run is resumed, repeated and reported with the weights that it had."""
    started, tuned = Spin.Options(), Spin.Options(checkpoint=official)
    assets.register("spin-checkpoint", official)
    assert (started.weights, started.skeleton, Spin.Options().weights) == ("open-compact", "fixed", "official")
    assert Spin.Options(**started.model_dump()) == started
    assert tuned.weights == "auto"  # the checkpoint's own


def test_smpls_bones_need_the_asset(official: Path) -> None:
    with pytest.raises(AssetError, match="smpl-neutral"):
        Spin(Spin.Options(checkpoint=official, skeleton="smpl"))
    spin = Spin(Spin.Options(checkpoint=official))  # auto: runs without SMPL
    torch.testing.assert_close(spin.skeleton.rest, Skeleton.fixed().rest)


def small_smpl(vertices: int = 60) -> dict[str, Any]:
    """A body of random numbers in SMPL's format."""
    rng = np.random.default_rng(0)
    weights, regressor = rng.random((vertices, 24)), rng.random((24, vertices))
    return {
        "v_template": rng.uniform(-0.9, 0.9, (vertices, 3)),
        "shapedirs": 0.1 * rng.standard_normal((vertices, 3, 10)),
        "posedirs": np.zeros((vertices, 3, 207)),
        "weights": weights / weights.sum(1, keepdims=True),
        "J_regressor": regressor / regressor.sum(1, keepdims=True),
        "kintree_table": np.stack([np.array(PARENTS) % 2**32, np.arange(24)]),
        "f": rng.integers(0, vertices, (20, 3)),
    }


def test_smpls_bones_follow_the_betas_of_its_file(official: Path, tmp_path: Path) -> None:
    np.savez(tmp_path / "SMPL_NEUTRAL.npz", **small_smpl())
    assets.register("smpl-neutral", tmp_path / "SMPL_NEUTRAL.npz")
    spin = Spin(Spin.Options(checkpoint=official))
    assert spin.weights == "official"
    betas = torch.randn(1, 10, generator=torch.Generator().manual_seed(4))
    body = load_body(tmp_path / "SMPL_NEUTRAL.npz", betas[0])
    joints = spin.skeleton(torch.eye(3).expand(1, 24, 3, 3), betas)
    torch.testing.assert_close(joints[0], body.rest_joints, rtol=0, atol=1e-5)


def step(spin: Spin) -> None:
    """One step of fine-tuning."""
    spin.module.requires_grad_(True)
    adam = torch.optim.Adam(spin.module.parameters(), lr=spin.lr)
    spin.predict(pictures(2, spin.input_size)).joints.square().sum().backward()
    adam.step()


def test_a_fine_tuned_official_checkpoint_goes_out_as_it_came_in(official: Path) -> None:
    spin = Spin(Spin.Options(checkpoint=official))
    step(spin)
    before = torch.load(official, weights_only=True)["model"]
    after = spin.official_checkpoint()["model"]
    assert list(after) == list(before)
    assert all(value.is_contiguous() for value in after.values())
    assert {k: (v.shape, v.dtype) for k, v in after.items()} == {k: (v.shape, v.dtype) for k, v in before.items()}
    changed = {k for k in before if not torch.equal(before[k], after[k])}
    assert {"conv1.weight", "layer4.2.conv3.weight", "fc1.weight", "decpose.bias"} <= changed
    assert not {k for k in changed if "running" in k or "init_" in k}  # batch norm's statistics are left alone


def test_the_small_network_is_not_exported_as_the_published_one() -> None:
    with pytest.raises(UsageError, match="small network"):
        untrained().official_checkpoint()


def test_weights_say_what_they_are(tmp_path: Path) -> None:
    spin = untrained()
    assert spin.weights == "untrained"
    torch.save(spin.module.state_dict(), tmp_path / "tuned.pt")
    again = Spin(Spin.Options(checkpoint=tmp_path / "tuned.pt"))
    assert (again.weights, again.input_size) == ("open-compact", 128)
    crops = pictures(2, 128)
    assert torch.equal(again.predict(crops).joints, spin.predict(crops).joints)


def test_a_block_that_is_missing_is_told(official: Path, tmp_path: Path) -> None:
    state = torch.load(official, weights_only=True)["model"]
    torch.save({"model": {k: v for k, v in state.items() if not k.startswith("layer3.5.")}}, tmp_path / "cut.pt")
    with pytest.raises(AssetError, match=r"lacks 'layer3\.5\.conv1\.weight'"):
        Spin(Spin.Options(checkpoint=tmp_path / "cut.pt"))
