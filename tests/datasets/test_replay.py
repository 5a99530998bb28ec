from dataclasses import replace
from functools import partial

import numpy as np
import pytest
import torch
from PIL import Image

from posegen import assemble
from posegen.datasets.npz import Npz
from posegen.datasets.replay import draw, open_source
from posegen.errors import AssetError, UsageError
from posegen.geometry import rotvec_to_rotmat
from posegen.geometry.viewpoint import view_rotation
from posegen.settings import Selection

from .fixtures_mpi_inf_3dhp import write_train
from .fixtures_npz import NAMES, bedlam, spin, write
from .fixtures_skipose import skipose


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


def test_labels_for_a_network_that_is_told_its_place_are_as_seen_from_there(tmp_path, body):
    """A camera that looks straight at the crop sees the same person turned by the angle between crop and picture."""
    pictures(tmp_path)
    focal, middle = 500.0, np.array([350.0, 250.0])
    k = np.tile(np.diag([focal, focal, 1.0]), (3, 1, 1))
    k[:, :2, 2] = middle
    offset = np.array([[0.0, 0.0], [focal * np.tan(0.5), 0.0], [0.0, -focal * np.tan(0.3)]])
    content = bedlam() | {"center": middle + offset, "cam_int": k}
    dataset = Npz(write(tmp_path / "x.npz", content))
    generator = torch.Generator()
    plain, centred = (draw(dataset, 3, body, "blazepose33", generator.manual_seed(0), centred=c) for c in (False, True))
    turns = [rotvec_to_rotmat(torch.tensor(t)) for t in ([0.0, 0.0, 0.0], [0.0, -0.5, 0.0], [-0.3, 0.0, 0.0])]
    matched = [
        [torch.allclose(c, p @ t.T, atol=1e-4) for t in turns] for p, c in zip(plain.truth, centred.truth, strict=True)
    ]
    assert sorted(row.index(True) for row in matched) == [0, 1, 2]  # each picture by its own angle
    again = body.joints(centred.theta, centred.view, joint_set="blazepose33")
    torch.testing.assert_close(centred.truth, again, atol=1e-4, rtol=0)


@pytest.mark.parametrize(("name", "angle"), [("mpii_cliffGT.npz", -0.2), ("x.npz", 0.0)])
def test_without_intrinsics_it_is_known_of_cliffs_pseudo_truth_alone(tmp_path, body, name, angle):
    """Its focal length is the picture's diagonal; fits of others may be in a camera of the crop's own."""
    pictures(tmp_path)
    content = {key: value for key, value in bedlam().items() if key not in ("cam_int", "cam_ext", "trans_cam")}
    content["center"] = np.tile([350.0 + np.hypot(700, 500) * np.tan(0.2), 250.0], (3, 1))
    dataset = Npz(write(tmp_path / name, content))
    generator = torch.Generator()
    plain, centred = (draw(dataset, 3, body, "blazepose33", generator.manual_seed(0), centred=c) for c in (False, True))
    turn = rotvec_to_rotmat(torch.tensor([0.0, angle, 0.0]))
    torch.testing.assert_close(centred.truth, plain.truth @ turn.T, atol=1e-4, rtol=0)


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
    content = bedlam() | {"center": np.full((3, 2), 250.0), "scale": np.full(3, 1.2)}  # a box 200 pixels high
    samples = drawn(Npz(write(tmp_path / "x.npz", content)), body)
    half = 256 / 2 / 1.5 * torch.tensor([1.2 * 3 / 4 / 1.1, 1.0])
    torch.testing.assert_close(samples.box, torch.cat([128 - half, 128 + half]).expand(3, 4))
    assert bool((samples.alpha == 255).all())


def test_labels_that_are_neither_are_told(tmp_path, body):
    pictures(tmp_path)
    dataset = Npz(
        write(tmp_path / "x.npz", {k: v for k, v in spin().items() if k in ("imgname", "center", "scale", "S")})
    )
    with pytest.raises(UsageError, match="its records have no poses and joints of 'blazepose33'"):
        drawn(dataset, body)


def test_nothing_is_cut_out_around_a_single_point(tmp_path, body):
    """3DPW's box of a person of whom one key point is visible."""
    pictures(tmp_path)
    people = Npz(write(tmp_path / "x.npz", bedlam()))
    point = torch.tensor([100.0, 50.0, 100.0, 50.0])
    whole = [people[i] for i in range(3)]

    class Some(list):
        name, split = "some", "train"

    samples = drawn(Some([whole[0], replace(whole[1], box=point), whole[2]]), body)
    assert len(samples) == 2 and bool(samples.box.isfinite().all())
    with pytest.raises(UsageError, match="its records have no pictures"):
        drawn(Some([replace(record, box=point) for record in whole]), body)


def test_a_picture_that_is_missing_is_named(tmp_path, body):
    with pytest.raises(AssetError, match=r"a_00000\d\.jpg|b\.png"):
        drawn(Npz(write(tmp_path / "x.npz", bedlam())), body)


def test_motion_without_pictures_cannot_be_replayed():
    with pytest.raises(UsageError, match="dataset 'bvh' cannot be replayed: its records have no pictures"):
        open_source("bvh:nowhere", "smpl24")


@pytest.mark.parametrize(("name", "write"), [("3dhp", write_train), ("ski", partial(skipose, split="train"))])
def test_a_dataset_that_can_have_no_label_for_the_estimator_is_refused_when_it_is_opened(tmp_path, name, write):
    write(tmp_path)
    with pytest.raises(UsageError, match=f"'{name}' cannot be replayed: its records have no poses and joints of 'smpl"):
        open_source(f"{name}:{tmp_path}", "smpl24")
    assert len(open_source(f"{name}:{tmp_path}", {"3dhp": "3dhp28", "ski": "ski17"}[name]))


class Noted(Npz):
    """Which rows were asked for, in their order."""

    def __init__(self, root):
        super().__init__(root)
        self.asked = []

    def __getitem__(self, index):
        self.asked.append(index)
        return super().__getitem__(index)


def test_records_are_read_in_the_order_of_the_files_and_kept_in_the_order_drawn(tmp_path, body):
    pictures(tmp_path)
    content = {key: np.concatenate([values] * 10) for key, values in spin().items()}
    content["pose"][:, 3:] += np.arange(30)[:, None] / 100
    content["has_smpl"][:] = np.arange(30) % 4 > 0
    dataset = Noted(write(tmp_path / "x.npz", content))
    samples = drawn(dataset, body, count=12)
    order = torch.randperm(30, generator=torch.Generator().manual_seed(0)).tolist()
    expected = [dataset[i].pose[1:] for i in order if i % 4][:12]
    torch.testing.assert_close(samples.theta, torch.stack(expected))
    asked = dataset.asked[:12]
    assert asked == sorted(order[:12])


def test_nobody_asked_the_estimator(tmp_path, body):
    pictures(tmp_path)
    assert bool(drawn(Npz(write(tmp_path / "x.npz", bedlam())), body).error.isnan().all())


def test_the_same_seed_draws_the_same_people(tmp_path, body):
    pictures(tmp_path)
    dataset = Npz(write(tmp_path / "x.npz", bedlam()))
    first, again = drawn(dataset, body, count=2), drawn(dataset, body, count=2)
    assert torch.equal(first.image, again.image)
    assert torch.equal(first.truth, again.truth)


def test_an_unknown_dataset_is_told_with_the_nearest():
    with pytest.raises(UsageError) as caught:
        open_source("3dpv:/x", "smpl24")
    assert "'3dpw'" in caught.value.hint
