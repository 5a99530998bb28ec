"""Views of one person: the folder they are read from, its faults, and the set that is drawn."""

from __future__ import annotations

import json
import shutil

import numpy as np
import pytest
import torch
from PIL import Image
from pydantic import ValidationError

from posegen.assemble import make
from posegen.datasets.rendered_views import Plan, render_views
from posegen.datasets.views import read_views, write_views
from posegen.errors import AssetError
from posegen.geometry import rotvec_to_rotmat
from posegen.settings import Selection
from posegen.types import Views

CPU = torch.device("cpu")


@pytest.fixture(scope="module")
def bodies():
    return make("body", Selection(name="open"), CPU)


@pytest.fixture(scope="module")
def views() -> Views:
    artist = make("renderer", Selection(name="mesh", options={"subject": "s1"}), CPU)
    motion = make("motion", Selection(name="starter"), CPU)
    rng = torch.Generator().manual_seed(0)
    return render_views(artist, motion, Plan(poses=5, held_out=2, cameras=9, size=48), rng, artist.body.betas)


@pytest.fixture
def folder(views, tmp_path):
    write_views(tmp_path / "views", views)
    return tmp_path / "views"


def edit(path, change):
    table = json.loads(path.read_text())
    change(table)
    path.write_text(json.dumps(table))


def repack(path, change):
    arrays = dict(np.load(path))
    change(arrays)
    np.savez(path, **arrays)


def test_drawn_views_are_whole_and_fill_the_picture(views):
    assert len(views) == 5 * 9 + 2 * 3
    assert views.held_out.sum() == 6
    assert not set(views.pose_index[views.held_out].tolist()) & set(views.pose_index[~views.held_out].tolist())
    person = views.masks > 0
    edge = torch.cat([person[:, 0], person[:, -1], person[:, :, 0], person[:, :, -1]], dim=1)
    assert not edge.any()  # nobody is cut off
    assert person.flatten(1).float().mean(1).min() > 0.04
    longer = torch.maximum(person.any(1).sum(1), person.any(2).sum(1))
    assert longer.float().mean() > 0.6 * 48


def test_drawn_views_come_from_everywhere(views):
    """The cameras of each pose look from all around: above, below, and every side."""
    place = -(views.cameras.rotation.transpose(1, 2) @ views.cameras.translation[..., None])[..., 0]
    direction = place / place.norm(dim=1, keepdim=True)
    for pose in range(5):
        around = direction[views.pose_index == pose]
        angle = torch.acos((around @ around.T).clamp(-1, 1)) + 10 * torch.eye(9)
        assert angle.min() > 0.5  # radians: spread evenly
        assert around.mean(0).norm() < 0.35
    assert direction[:, 1].min() < -0.8 and direction[:, 1].max() > 0.8


def test_a_folder_is_read_as_it_was_written(views, folder, bodies):
    back = read_views(folder, bodies)
    assert torch.equal(back.masks, views.masks)
    assert (back.images.int() - views.images.int()).abs().max() <= 1
    for name in ("pose_index", "held_out", "clip"):
        assert torch.equal(getattr(back, name), getattr(views, name))
    for name in ("poses", "rest_joints", "betas"):
        torch.testing.assert_close(getattr(back, name), getattr(views, name), atol=1e-6, rtol=0)
    for name in ("rotation", "translation", "intrinsics"):
        torch.testing.assert_close(getattr(back.cameras, name), getattr(views.cameras, name), atol=1e-4, rtol=1e-5)
    assert (back.body, back.names) == ("open", views.names)


def test_root_and_pelvis_move_into_the_cameras(views, folder, bodies):
    """A person turned and moved in the world, with the cameras moved along, is the same person."""
    turn = rotvec_to_rotmat(torch.tensor([[0.3, 1.9, -0.4]], dtype=torch.float64))[0].numpy()
    move = np.array([1.0, -0.5, 2.0])

    def place(arrays):
        arrays["poses"][:, 0] = [0.3, 1.9, -0.4]
        arrays["pelvis"] = np.tile(move, (len(arrays["poses"]), 1))

    def follow(table):
        for entry in table.values():
            rotation = np.array(entry["R"]) @ turn.T
            entry["t"] = (np.array(entry["t"]) - rotation @ move).tolist()
            entry["R"] = rotation.tolist()

    repack(folder / "poses.npz", place)
    edit(folder / "cameras.json", follow)
    back = read_views(folder, bodies)
    torch.testing.assert_close(back.cameras.rotation, views.cameras.rotation, atol=1e-5, rtol=0)
    torch.testing.assert_close(back.cameras.translation, views.cameras.translation, atol=1e-5, rtol=0)


def test_photographs_lose_their_background(views, folder, bodies):
    name = views.names[0]
    photo = np.array(Image.open(folder / "images" / f"{name}.png"))
    photo[views.masks[0].numpy() == 0] = 200
    Image.fromarray(photo).save(folder / "images" / f"{name}.png")
    back = read_views(folder, bodies)
    assert (back.images[0][views.masks[0] == 0] == 0).all()


def test_pictures_are_upright_and_masks_may_have_16_bits(views, folder, bodies):
    name, exif = views.names[0], Image.Exif()
    exif[0x0112] = 3  # stored upside down
    image, mask = folder / "images" / f"{name}.png", folder / "masks" / f"{name}.png"
    Image.fromarray(np.array(Image.open(image))[::-1, ::-1]).save(image, exif=exif)
    Image.fromarray(np.array(Image.open(mask)).astype(np.uint16) * 257).save(mask)
    back = read_views(folder, bodies)
    assert torch.equal(back.masks, views.masks)
    assert (back.images.int() - views.images.int()).abs().max() <= 1


def test_what_a_table_has_besides_is_left_alone(views, folder, bodies):
    """As AMASS's gender, a text."""
    repack(folder / "poses.npz", lambda arrays: arrays.__setitem__("gender", np.array("male")))
    torch.testing.assert_close(read_views(folder, bodies).poses, views.poses, atol=1e-6, rtol=0)


def test_jpg_json_and_betas_alone(views, folder, bodies):
    name = views.names[0]
    Image.open(folder / "images" / f"{name}.png").save(folder / "images" / f"{name}.jpg", quality=95)
    (folder / "images" / f"{name}.png").unlink()
    arrays = np.load(folder / "poses.npz")
    (folder / "poses.json").write_text(
        json.dumps({k: arrays[k].tolist() for k in ("poses", "pelvis", "betas")}), encoding="utf-8"
    )
    (folder / "poses.npz").unlink()
    back = read_views(folder, bodies)
    torch.testing.assert_close(back.rest_joints, views.rest_joints, atol=1e-6, rtol=0)
    assert (back.images[0].int() - views.images[0].int()).abs().float().mean() < 4


def test_every_tenth_pose_is_held_out_where_nothing_is_said(folder, bodies):
    edit(folder / "cameras.json", lambda t: [e.pop("held_out") for e in t.values()])
    back = read_views(folder, bodies)
    assert set(back.pose_index[back.held_out].tolist()) == {6}


def test_folder_faults_are_named(folder, bodies, tmp_path):
    def broken(change, match):
        copy = tmp_path / "copy"
        shutil.rmtree(copy, ignore_errors=True)
        shutil.copytree(folder, copy)
        change(copy)
        with pytest.raises(AssetError, match=match) as caught:
            read_views(copy, bodies)
        assert caught.value.hint

    def camera(key, value):
        return lambda copy: edit(copy / "cameras.json", lambda t: t["00001"].__setitem__(key, value))

    def pose(key, value):
        return lambda copy: repack(copy / "poses.npz", lambda a: a.__setitem__(key, value))

    broken(lambda c: (c / "cameras.json").unlink(), "cameras.json does not exist")
    broken(lambda c: (c / "cameras.json").write_text("{"), "cameras.json is damaged")
    broken(lambda c: (c / "cameras.json").write_text("[]"), "holds no table")
    broken(lambda c: (c / "cameras.json").write_text("{}"), "has no image")
    broken(lambda c: edit(c / "cameras.json", lambda t: t.__setitem__("../x", t["00001"])), "'../x' is no entry")
    broken(lambda c: edit(c / "cameras.json", lambda t: t["00001"].pop("R")), "'00001' has no 'R'")
    broken(camera("R", [[1, 0, 0], [0, 1, 0], [0, 0, -1]]), "'00001': 'R' holds matrices that are not rotations")
    broken(camera("R", [[1, 0, 0], [0, 1], [0, 0, 1]]), "rows of different lengths")
    broken(camera("K", [[-1, 0, 0], [0, 1, 0], [0, 0, 1]]), "'K' is no camera matrix")
    broken(camera("t", [0, 0, float("nan")]), "'t' holds values that are not finite")
    broken(camera("t", [0, 0, "x"]), "'t' holds")
    broken(camera("pose", 99), "'pose' is 99")
    broken(camera("held_out", "yes"), "'held_out' is 'yes'")
    broken(
        lambda c: edit(c / "cameras.json", lambda t: [e.__setitem__("held_out", True) for e in t.values()]),
        "all images are held out",
    )
    broken(lambda c: (c / "poses.npz").unlink(), "neither poses.npz nor poses.json")
    broken(lambda c: (c / "poses.npz").write_bytes(b"PK"), "poses.npz")
    broken(lambda c: repack(c / "poses.npz", lambda a: a.pop("pelvis")), "has no 'pelvis'")
    broken(lambda c: repack(c / "poses.npz", lambda a: (a.pop("betas"), a.pop("rest_joints"))), "neither 'rest_joints'")
    broken(pose("betas", np.full(10, 3.0)), "'rest_joints' lie .* mm from those of the open body with these 'betas'")
    broken(pose("poses", np.zeros((7, 23, 3))), "'poses' has shape")
    broken(pose("betas", np.zeros(9)), "'betas' has shape")
    broken(pose("pelvis", np.full((7, 3), np.inf)), "'pelvis' holds values that are not finite")
    broken(lambda c: (c / "masks" / "00002.png").unlink(), "00002.png does not exist")
    broken(lambda c: (c / "images" / "00002.png").unlink(), "00002.png does not exist")
    broken(lambda c: (c / "images" / "00002.png").write_bytes(b"\x89PNG"), "00002.png cannot be read")
    small = Image.new("L", (20, 20))
    broken(lambda c: small.save(c / "masks" / "00002.png"), "00002.png is 20 x 20 pixels")

    def unmask(copy):
        for path in (copy / "masks").iterdir():
            Image.new("L", (48, 48)).save(path)

    broken(unmask, "no mask shows a person")


@pytest.mark.parametrize("nothing", [{"poses": 0}, {"cameras": 0}, {"size": 0}, {"held_out": -1}, {"poses": 2.5}])
def test_a_plan_of_nothing_is_refused(nothing):
    with pytest.raises(ValidationError):
        Plan(**nothing)


def test_the_same_seed_draws_the_same_views(views):
    artist = make("renderer", Selection(name="mesh", options={"subject": "s1"}), CPU)
    motion = make("motion", Selection(name="starter"), CPU)
    plan, rng = Plan(poses=5, held_out=2, cameras=9, size=48), torch.Generator().manual_seed(0)
    again = render_views(artist, motion, plan, rng, artist.body.betas)
    assert torch.equal(again.images, views.images)
