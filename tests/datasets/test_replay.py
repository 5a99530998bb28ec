import numpy as np
import pytest
import torch
from PIL import Image

from posegen import assemble
from posegen.datasets.npz import Npz
from posegen.datasets.replay import draw, open_source
from posegen.errors import AssetError, UsageError
from posegen.geometry.viewpoint import view_rotation
from posegen.settings import Selection

from .fixtures_npz import NAMES, bedlam, spin, write


@pytest.fixture(scope="module")
def body():
    return assemble.make("body", Selection(name="open"), torch.device("cpu")).body()


def pictures(folder, size=(700, 500)):
    rng = np.random.default_rng(0)
    for name in NAMES:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(rng.integers(0, 255, (size[1], size[0], 3), dtype=np.uint8)).save(folder / name)
    return folder


def drawn(dataset, body, joint_set="blazepose33", count=3):
    return draw(dataset, count, body, joint_set, torch.Generator().manual_seed(0))


def test_poses_give_the_joints_of_any_estimator_in_camera_axes(tmp_path, body):
    pictures(tmp_path)
    dataset = Npz(write(tmp_path / "x.npz", bedlam()))
    samples = drawn(dataset, body)
    assert len(samples) == 3
    assert samples.truth.shape == (3, 33, 3)
    assert samples.image.shape == (3, 3, 256, 256)
    assert bool((samples.alpha <= 255).all())
    # theta and view say the same as truth: body and camera of this project draw these joints
    again = body.joints(samples.theta, samples.view, joint_set="blazepose33")
    torch.testing.assert_close(samples.truth, again, atol=1e-4, rtol=0)
    turned = view_rotation(samples.view) @ view_rotation(samples.view).transpose(-1, -2)
    torch.testing.assert_close(turned, torch.eye(3).expand(3, 3, 3), atol=1e-5, rtol=0)


def test_joints_of_the_estimators_own_set_are_used_as_they_are(tmp_path, body):
    pictures(tmp_path)
    content = spin()
    content["S"][..., 3] = 1
    dataset = Npz(write(tmp_path / "x.npz", content))
    truth = drawn(dataset, body, "spin24").truth
    expected = torch.stack([record.joints for record in dataset])
    assert {tuple(t.flatten().tolist()) for t in truth} == {tuple(e.flatten().tolist()) for e in expected}


def test_a_picture_is_cut_around_the_box_with_room(tmp_path, body):
    pictures(tmp_path)
    content = bedlam() | {"center": np.full((3, 2), 250.0), "scale": np.full(3, 1.2)}  # a box of 200 pixels
    samples = drawn(Npz(write(tmp_path / "x.npz", content)), body)
    low = 256 / 2 * (1 - 1 / 1.5)
    torch.testing.assert_close(samples.box, torch.tensor([[low, low, 256 - low, 256 - low]]).expand(3, 4))
    assert bool((samples.alpha == 255).all())


def test_labels_that_are_neither_are_told(tmp_path, body):
    pictures(tmp_path)
    dataset = Npz(
        write(tmp_path / "x.npz", {k: v for k, v in spin().items() if k in ("imgname", "center", "scale", "S")})
    )
    with pytest.raises(UsageError, match="its records have no poses and joints of 'blazepose33'"):
        drawn(dataset, body)


def test_a_picture_that_is_missing_is_named(tmp_path, body):
    with pytest.raises(AssetError, match=r"a_00000\d\.jpg|b\.png"):
        drawn(Npz(write(tmp_path / "x.npz", bedlam())), body)


def test_motion_without_pictures_cannot_be_replayed(tmp_path, body):
    from .fixtures_bvh import bvh

    with pytest.raises(UsageError, match="dataset 'bvh' cannot be replayed: its records have no pictures"):
        drawn(open_source(f"bvh:{bvh(tmp_path / 'a.bvh')}"), body)


def test_the_same_seed_draws_the_same_people(tmp_path, body):
    pictures(tmp_path)
    dataset = Npz(write(tmp_path / "x.npz", bedlam()))
    first, again = drawn(dataset, body, count=2), drawn(dataset, body, count=2)
    assert torch.equal(first.image, again.image)
    assert torch.equal(first.truth, again.truth)


def test_an_unknown_dataset_is_told_with_the_nearest():
    with pytest.raises(UsageError) as caught:
        open_source("3dpv:/x")
    assert "'3dpw'" in caught.value.hint
