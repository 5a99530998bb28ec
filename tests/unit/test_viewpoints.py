import json
import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from posegen import viewpoints
from posegen.body.joints import JOINT_SETS, LIMBS
from posegen.checkpoint import load_tensors, save_tensors
from posegen.datasets.generated import Samples, save
from posegen.datasets.generated_records import Generated
from posegen.datasets.records import Record
from posegen.errors import AssetError, UsageError
from posegen.geometry import from_spherical, rotmat_to_rotvec, rotvec_to_rotmat, uniform_sphere
from posegen.geometry.viewpoint import view_rotation
from posegen.report import mollweide, sphere
from posegen.viewpoints import Viewpoints, angles, bin_name, collect, histogram, roll_name, summary, trunk_axes

FILE = Path(__file__).parents[1] / "parity/data/viewpoint.json"
GOLDEN = {name: case for name, case in json.loads(FILE.read_text()).items() if "axis_angle" in case}
_PLACES = [
    [0.1, -0.9, 0], [-0.1, -0.9, 0], [0.1, -0.5, 0], [-0.1, -0.5, 0], [0.1, -0.1, 0], [-0.1, -0.1, 0],
    [0.6, 0.4, 0.1], [-0.6, 0.4, 0.1], [0.4, 0.4, 0], [-0.4, 0.4, 0], [0.2, 0.4, 0], [-0.2, 0.4, 0],
]  # fmt: skip
STANDING = dict(zip(LIMBS, torch.tensor(_PLACES).double(), strict=True))
"""Limbs of a person who stands: left is +X, up +Y, front +Z."""


class Listed:
    def __init__(self, records, name="made", split="all"):
        self.records, self.name, self.split = records, name, split

    def __len__(self):
        return len(self.records)

    def __getitem__(self, index):
        return self.records[index]


def seen(view: torch.Tensor, joint_set: str = "coco17") -> list[Record]:
    """A standing person as cameras at these views see it."""
    names = JOINT_SETS[joint_set].joints
    body = torch.stack([STANDING.get(name, torch.zeros(3).double()) for name in names])
    turn = view_rotation(view.double())
    return [
        Record(f"made/{i}/0", joints=body @ r.T, joint_set=joint_set, pose=rotmat_to_rotvec(r)[None].repeat(24, 1))
        for i, r in enumerate(turn)
    ]


@pytest.mark.parametrize("name", GOLDEN)
def test_golden_angles(name):
    case = GOLDEN[name]
    turn = rotvec_to_rotmat(torch.tensor(case["axis_angle"], dtype=torch.float64)[None])
    got = np.array([float(a[0]) for a in angles(turn)])
    assert np.abs((got - case["az_el_roll_deg"] + 180) % 360 - 180).max() < 1e-5


@pytest.mark.parametrize("axes", ["joints", "pelvis"])
def test_a_view_comes_back_as_the_angles_it_was_made_of(axes):
    azimuth, elevation, roll = (
        torch.rad2deg(x) for x in torch.tensor([[0.3, -2.0, 3.0], [0.2, -1.0, 1.2], [0, 0.4, -0.1]])
    )
    view = from_spherical(*(torch.deg2rad(x) for x in (azimuth, elevation, roll)))
    found = collect(Listed(seen(view)), axes)
    assert np.abs(found.azimuth - azimuth.numpy()).max() < 1e-3
    assert np.abs(found.elevation - elevation.numpy()).max() < 1e-3
    assert np.abs(found.roll - roll.numpy()).max() < 1e-3


@pytest.mark.parametrize("joint_set", JOINT_SETS)
def test_every_joint_set_has_a_trunk(joint_set):
    view = from_spherical(torch.tensor([1.0]), torch.tensor([0.5]))
    (record,) = seen(view, joint_set)
    azimuth, elevation, _ = angles(trunk_axes(record.joints[None], joint_set))
    assert float(azimuth[0]) == pytest.approx(math.degrees(1.0), abs=1e-3)
    assert float(elevation[0]) == pytest.approx(math.degrees(0.5), abs=1e-3)


def test_somebody_without_a_trunk_is_counted_and_left_out():
    good, other = seen(torch.zeros(2, 3))
    flat = Record("made/9/0", joints=torch.zeros_like(other.joints), joint_set="coco17")
    found = collect(Listed([good, flat, Record("made/8/0")]))
    assert (len(found), found.skipped, found.keys) == (1, 2, ("made/0/0",))


def test_somebody_whose_trunk_was_not_found_is_left_out_and_whose_hand_was_not_is_counted():
    (good,), names = seen(torch.zeros(1, 3)), JOINT_SETS["coco17"].joints
    records = [
        replace(good, key=lost, visible=torch.tensor([name != lost for name in names]))
        for lost in ("left_hip", "left_wrist")
    ]
    found = collect(Listed(records))
    assert (found.keys, found.skipped) == (("left_wrist",), 1)


@pytest.mark.parametrize("axes", ["joints", "pelvis"])
def test_motion_without_a_camera_has_no_viewpoints(axes):
    """Its root is turned in the world, as AMASS's and BVH's records are."""
    with pytest.raises(UsageError, match="motion without images") as caught:
        collect(Listed([Record("clip/0/0", pose=torch.zeros(24, 3))], "amass"), axes)
    assert "--axes" in caught.value.hint


def test_every_nth():
    found = collect(Listed(seen(torch.zeros(10, 3))), every=4)
    assert found.keys == ("made/0/0", "made/4/0", "made/8/0")


def test_bins_have_one_area():
    view = uniform_sphere(40_000, torch.Generator().manual_seed(0)).double()
    azimuth, elevation, _ = (a.numpy() for a in angles(view_rotation(view)))
    counts = histogram(azimuth, elevation)
    expected = 40_000 / counts.size
    assert counts.sum() == 40_000
    assert np.abs(counts - expected).max() < 5 * math.sqrt(expected)
    assert ((counts - expected) ** 2 / expected).sum() < counts.size + 4 * math.sqrt(2 * counts.size)  # chi squared


def test_180_and_minus_180_are_one_place_and_the_poles_are_inside():
    counts = histogram(np.array([180.0, -180.0, 0.0, 0.0]), np.array([0.0, 0.0, 90.0, -90.0]))
    assert counts.sum() == 4
    assert sorted(counts[counts > 0].tolist()) == [1, 1, 2]


def test_names_of_viewpoints():
    assert [bin_name(a, 0) for a in (0, 44, 46, -90, 180, -180, 134, 136)] == [
        "front", "front", "left", "right", "back", "back", "left", "back"]  # fmt: skip
    assert bin_name(math.nextafter(-45.0, -90.0), 0) == "right"
    assert (bin_name(0, 31), bin_name(0, -31), bin_name(0, 29)) == ("above", "below", "front")
    assert [roll_name(r) for r in (0, 44, -46, 134, -136, 180)] == [
        "upright", "upright", "tilted", "tilted", "upside down", "upside down"]  # fmt: skip


def test_an_npz_says_how_it_came_about(tmp_path):
    found = collect(Listed(seen(from_spherical(torch.tensor([0.5, 1.0]), torch.tensor([0.1, 0.2])))))
    viewpoints.save(found, tmp_path / "made.npz")
    with np.load(tmp_path / "made.npz", allow_pickle=False) as archive:
        assert archive["key"].tolist() == list(found.keys)
        np.testing.assert_allclose(archive["azimuth"], found.azimuth)
        assert archive["counts"].sum() == 2
        assert str(archive["axes"]) == "joints"


def spread(name, azimuth, elevation):
    return Viewpoints(name, "joints", tuple(map(str, range(len(azimuth)))), azimuth, elevation, np.zeros(len(azimuth)))


def test_the_picture_shows_where_the_cameras_are():
    n = 500
    left_above = spread("one", np.full(n, 90.0), np.full(n, 50.0))
    rng = np.random.default_rng(0)
    even = spread("two", rng.uniform(-180, 180, 20_000), np.degrees(np.arcsin(rng.uniform(-1, 1, 20_000))))
    page = sphere.draw([left_above, even])
    assert page.size[0] == 2 * (mollweide.WIDTH + 2 * mollweide.MARGIN)
    x, y = (round(v) for v in mollweide.place(92.0, 51.0))
    dark = np.asarray(page.convert("L")).astype(int)
    assert dark[y, x] < 60
    other = round(mollweide.place(-85.0, 51.0)[0])
    assert dark[y, other] > 230
    panel = page.width // 2
    assert 100 < dark[y, panel + x] < 240  # evenly spread: neither none nor many


def test_a_place_of_the_map_is_where_its_cell_is_drawn():
    """Mollweide keeps areas: the ellipse above 30 degrees is a quarter of it."""
    density = np.zeros((sphere.ELEVATIONS, sphere.AZIMUTHS))
    density[sphere.ELEVATIONS * 3 // 4 :] = 1.0
    drawn = np.asarray(sphere._map(density, 1.0).convert("L")).astype(int)
    ellipse = math.pi / 4 * mollweide.WIDTH * mollweide.HEIGHT
    assert (drawn < 128).sum() / ellipse == pytest.approx(0.25, abs=0.005)
    _, y = mollweide.place(0.0, 30.0)
    assert drawn[: round(y) - mollweide.TITLE - 2, mollweide.WIDTH // 2].max() < 128


def test_summary():
    facts = summary(spread("one", np.array([0.0, 100.0, 170.0, -100.0]), np.array([-40.0, 0.0, 10.0, 50.0])))
    assert (facts["above_30"], facts["below_30"], facts["behind"]) == (0.25, 0.25, 0.75)


@pytest.fixture
def generated(tmp_path):
    n, view = 6, uniform_sphere(6, torch.Generator().manual_seed(1))
    truth = torch.stack([r.joints for r in seen(view)]).float()
    alpha = torch.full((n, 1, 8, 8), 255, dtype=torch.uint8)
    box = torch.tensor([1.0, 1, 7, 7]).repeat(n, 1)
    theta, error, points = torch.zeros(n, 23, 3), torch.zeros(n), truth[..., :2]
    camera = (torch.eye(3).expand(n, 3, 3), torch.tensor([0.0, 0.0, 4.0]).expand(n, 3), torch.zeros(n).long())
    save(Samples(alpha.repeat(1, 3, 1, 1), alpha, box, theta, view, truth, error, points, *camera),
         tmp_path / "round-0", joint_set="coco17")  # fmt: skip
    return tmp_path / "round-0", view


@pytest.mark.parametrize("axes", ["joints", "pelvis"])
def test_generated_data_are_seen_from_where_they_were_drawn(generated, axes):
    folder, view = generated
    data = Generated(folder)
    found = collect(data, axes)
    azimuth, elevation, _ = (a.numpy() for a in angles(view_rotation(view.double())))
    np.testing.assert_allclose(found.elevation, elevation, atol=1e-3)
    np.testing.assert_allclose(found.azimuth, azimuth, atol=1e-2)
    assert Image.open(data[3].image).size == (8, 8)


def change(folder, **values):
    """Writes the labels again with other ones of the first sample."""
    labels = load_tensors(folder / "labels.safetensors", "")
    for name, value in values.items():
        labels[name][0] = value
    save_tensors(folder / "labels.safetensors", labels)


def test_a_generated_sample_whose_pose_nobody_knows_has_none(generated):
    """As where pictures of a dataset without poses are replayed."""
    folder, _ = generated
    change(folder, theta=torch.nan, view=torch.nan)
    first, second = Generated(folder)[0], Generated(folder)[1]
    assert first.pose is None and first.joints.isfinite().all() and second.pose.shape == (24, 3)


@pytest.mark.parametrize("damage", ["description", "labels", "format", "nan"])
def test_a_damaged_generated_folder_is_named(generated, damage):
    folder, _ = generated
    if damage == "description":
        (folder / "dataset.json").write_text("{")
    elif damage == "format":
        about = json.loads((folder / "dataset.json").read_text()) | {"format": "other"}
        (folder / "dataset.json").write_text(json.dumps(about))
    elif damage == "labels":
        (folder / "labels.safetensors").write_bytes(b"12345678")
    else:
        change(folder, truth=torch.nan)
    with pytest.raises(AssetError, match=r"dataset\.json|labels\.safetensors"):
        Generated(folder)
