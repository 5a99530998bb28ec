"""Official training files: written, read back, and refused where they cannot be used."""

from __future__ import annotations

import dataclasses
import math

import numpy as np
import pytest
import torch

from posegen.errors import AssetError, UsageError
from posegen.geometry import from_spherical, orbit
from posegen.types import Views

h5py = pytest.importorskip("h5py")

from hdf5_files import SPOILT, spoil_hdf5  # noqa: E402
from posegen_anerf import h5, rest_pose  # noqa: E402
from posegen_anerf.rest_pose import surreal  # noqa: E402
from posegen_anerf.skeleton import FLIP, UNIT, bones_to_world, joints_of  # noqa: E402


@pytest.fixture
def views() -> Views:
    rng = torch.Generator().manual_seed(0)
    n, size = 6, 12
    azimuth = torch.linspace(0, 5, n)
    camera = orbit(from_spherical(azimuth, 0.3 * azimuth - 0.7, 0.1 * azimuth), distance=3.0, size=size)
    camera = dataclasses.replace(camera, intrinsics=camera.intrinsics.clone())
    camera.intrinsics[:, 0, 2] += 0.25
    masks = torch.zeros(n, size, size, dtype=torch.uint8)
    masks[:, 2:9, 3:8] = 255
    images = torch.randint(256, (n, size, size, 3), generator=rng, dtype=torch.uint8) * (masks > 0)[..., None]
    return Views(
        images=images,
        masks=masks,
        cameras=camera,
        poses=0.4 * torch.randn(3, 23, 3, generator=rng),
        pose_index=torch.tensor([0, 1, 2, 0, 1, 2]),
        held_out=torch.tensor([False, False, True] * 2),
        clip=torch.arange(3),
        rest_joints=surreal(),
        body="skeleton",
        betas=None,
        names=tuple(f"{i}" for i in range(n)),
    )


def test_what_is_written_is_read_back(views, tmp_path):
    h5.write_views(tmp_path / "s.h5", views)
    back = h5.read_views(tmp_path / "s.h5")
    assert torch.equal(back.images, views.images)
    assert torch.equal(back.masks, views.masks)
    assert torch.equal(back.held_out, views.held_out)
    assert len(back.poses) == 3  # images of one pose share it again
    torch.testing.assert_close(back.poses[back.pose_index], views.poses[views.pose_index], atol=1e-6, rtol=0)
    torch.testing.assert_close(back.rest_joints, views.rest_joints, atol=1e-6, rtol=0)
    for name in ("rotation", "translation", "intrinsics"):
        torch.testing.assert_close(getattr(back.cameras, name), getattr(views.cameras, name), atol=2e-5, rtol=1e-5)


def test_layout_is_the_official_one(views, tmp_path):
    """Keys, shapes, types and chunks of B.7, and the projection of B.2: OpenGL axes, no half pixel."""
    h5.write_views(tmp_path / "s.h5", views)
    with h5py.File(tmp_path / "s.h5") as file:
        assert file["imgs"].shape == (6, 144, 3) and file["imgs"].compression == "gzip"
        assert file["masks"].shape == file["sampling_masks"].shape == (6, 144, 1)
        assert set(np.unique(file["masks"][()])) == {0, 1}
        assert file["sampling_masks"][()].sum() > file["masks"][()].sum()
        assert file["img_shape"][()].tolist() == [6, 12, 12, 3] and file["img_shape"].dtype == np.int32
        assert file["bkgds"].shape == (1, 144, 3) and (file["bkgds"][()] == 255).all()
        assert file["cyls"].shape == (6, 5) and file["betas"].shape == (1, 10)
        assert math.isclose(float(file["ext_scale"][()]), 0.7142857, rel_tol=1e-6)
        assert (file["imgs"][0, 0] == 255).all()  # white behind the person
        kp, c2w = file["kp3d"][0].astype(float), file["c2ws"][0].astype(float)
        focal, centre = float(file["focals"][0]), file["centers"][0].astype(float)
        bones, rest = file["bones"][0].astype(float), file["rest_pose"][()].astype(float)
    assert np.allclose(bones[0], [math.pi, 0, 0], atol=1e-6)  # an upright person, y down
    assert rest[15, 1] > 0.5  # the rest pose is y up
    w2c = np.linalg.inv(c2w * [[1, -1, -1, 1]] * np.ones((4, 1)))
    camera_points = kp @ w2c[:3, :3].T + w2c[:3, 3]
    corner = camera_points[:, :2] / camera_points[:, 2:] * focal + centre
    joints = joints_of(bones_to_world(views.poses[:1], views.rest_joints))[0] * torch.tensor(FLIP) / UNIT
    ours = views.cameras[0:1].project(joints[None])[0].numpy()
    assert np.allclose(corner + 0.5, ours, atol=1e-3)


def test_surreal_order_is_camera_by_camera(views, tmp_path):
    """9 cameras x 1200 poses: the pose of image i is i mod Nk."""
    path = tmp_path / "s.h5"
    h5.write_views(path, views)
    with h5py.File(path, "a") as file:
        for key in ("bones", "kp3d"):
            whole = file[key][()]
            del file[key]
            file[key] = whole[:3]
    back = h5.read_views(path)
    assert torch.equal(back.pose_index[:3], back.pose_index[3:])


def test_poses_keep_the_order_of_the_file(views, tmp_path):
    """A video, one pose for each image, is one clip; where images share poses, nothing says what follows what."""
    path = tmp_path / "s.h5"
    h5.write_views(path, views)
    back = h5.read_views(path)
    assert back.pose_index.tolist() == [0, 1, 2, 0, 1, 2]
    torch.testing.assert_close(back.poses, views.poses, atol=1e-6, rtol=0)
    assert back.clip.tolist() == [0, 1, 2]
    poses = 0.4 * torch.randn(6, 23, 3, generator=torch.Generator().manual_seed(3))
    h5.write_views(path, dataclasses.replace(views, poses=poses, pose_index=torch.arange(6), clip=torch.zeros(6)))
    back = h5.read_views(path)
    assert back.pose_index.tolist() == [0, 1, 2, 3, 4, 5]
    torch.testing.assert_close(back.poses, poses, atol=1e-6, rtol=0)
    assert back.clip.tolist() == [0] * 6


def put(path, key, value):
    """Another array in the place of ``key``; of None, none."""
    with h5py.File(path, "a") as file:
        del file[key]
        if value is not None:
            file[key] = value


def test_masks_of_255_are_those_of_1(views, tmp_path):
    path = tmp_path / "s.h5"
    h5.write_views(path, views)
    put(path, "masks", views.masks.reshape(6, 144, 1).numpy())
    back = h5.read_views(path)
    assert torch.equal(back.masks, views.masks)
    assert torch.equal(back.images, views.images)


@pytest.mark.parametrize(
    ("key", "value", "message"),
    [
        ("masks", np.zeros((6, 144, 1), np.uint8), r"s\.h5: 'masks': no mask shows a person"),
        ("held_out", np.ones(6, np.uint8), r"s\.h5: 'held_out': all images are held out"),
    ],
)
def test_nothing_to_learn_from_is_told(key, value, message, views, tmp_path):
    h5.write_views(tmp_path / "s.h5", views)
    put(tmp_path / "s.h5", key, value)
    with pytest.raises(AssetError, match=message):
        h5.read_views(tmp_path / "s.h5")


def test_without_centers_it_is_half_of_the_picture(views, tmp_path):
    """As ``core/dataset.py`` has it, for odd sizes too; theirs are corners of pixels."""
    odd = dataclasses.replace(
        views,
        images=views.images[:, :11, :9],
        masks=views.masks[:, :11, :9],
        cameras=dataclasses.replace(views.cameras, width=9, height=11),
    )
    h5.write_views(tmp_path / "s.h5", odd)
    put(tmp_path / "s.h5", "centers", None)
    assert h5.read_views(tmp_path / "s.h5").cameras.intrinsics[:, :2, 2].tolist() == [[5.0, 6.0]] * 6


@pytest.mark.parametrize("key", ["imgs", "masks", "bones", "kp3d", "c2ws", "focals", "rest_pose", "img_shape"])
def test_a_missing_or_misshapen_key_is_named(key, views, tmp_path):
    path = tmp_path / "s.h5"
    h5.write_views(path, views)
    with h5py.File(path, "a") as file:
        whole = file[key][()]
        del file[key]
    with pytest.raises(AssetError, match=f"'{key}'"):
        h5.read_views(path)
    with h5py.File(path, "a") as file:
        file[key] = whole.reshape(-1)[:-1]
    with pytest.raises(AssetError, match=f"'?{key}'?|poses"):
        h5.read_views(path)


@pytest.mark.parametrize("way", range(SPOILT))
@pytest.mark.parametrize("key", ["imgs", "rest_pose"])
def test_links_and_data_in_other_files_are_refused(key, way, views, tmp_path):
    path = tmp_path / "s.h5"
    h5.write_views(path, views)
    spoil_hdf5(path, key, way)
    with pytest.raises(AssetError, match=f"'{key}'"):
        h5.read_views(path)
    if key == "rest_pose":
        with pytest.raises(AssetError, match=f"'{key}'"):
            rest_pose.read(path)


def test_what_is_no_h5(views, tmp_path):
    (tmp_path / "s.h5").write_bytes(b"no")
    with pytest.raises(AssetError, match="is damaged, or no HDF5 file"):
        h5.read_views(tmp_path / "s.h5")
    with pytest.raises(AssetError, match="does not exist"):
        h5.read_views(tmp_path / "missing.h5")


def test_skewed_cameras_cannot_be_written(views, tmp_path):
    views.cameras.intrinsics[:, 0, 1] = 0.5
    with pytest.raises(UsageError, match="skew"):
        h5.write_views(tmp_path / "s.h5", views)
