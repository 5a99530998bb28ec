"""``posegen render``'s parts: what a turntable sees, which poses a file holds, what files are written."""

import math
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from posegen_starter.body import OpenBody
from posegen_starter.motion import StarterMotion

from posegen import film, render
from posegen.datasets import pose_file
from posegen.errors import AssetError, UsageError
from posegen.geometry import orbit, to_spherical
from posegen.testing.blobs import BlobRenderer

REST = torch.zeros(24, 3)
FITS = {"size": 32, "fps": 30.0, "transparent": False}
WALK = {"poses": np.zeros((4, 156)), "trans": np.zeros((4, 3))}


@pytest.fixture(scope="module")
def motions():
    return StarterMotion(StarterMotion.Options())


@pytest.fixture(scope="module")
def person():
    return BlobRenderer(OpenBody(OpenBody.Options()).body())


def test_a_turntable_ends_one_step_before_it_began():
    azimuth, elevation, roll = to_spherical(render.turntable(30, 10, 5, pictures=8, turns=1))
    step = torch.diff(torch.from_numpy(np.unwrap(azimuth.numpy())))
    torch.testing.assert_close(step, torch.full((7,), math.radians(45)), atol=1e-5, rtol=0)
    torch.testing.assert_close(azimuth[0], torch.tensor(math.radians(30)), atol=1e-5, rtol=0)
    torch.testing.assert_close(elevation, torch.full((8,), math.radians(10)), atol=1e-5, rtol=0)
    torch.testing.assert_close(roll, torch.full((8,), math.radians(5)), atol=1e-5, rtol=0)


def test_a_turned_root_and_a_camera_carried_round_give_the_same_picture(person):
    turn = torch.tensor([0.0, 0.7, 0.0])
    still, turned = torch.zeros(1, 24, 3), torch.zeros(1, 24, 3)
    turned[0, 0] = turn
    views = render.turntable(-math.degrees(0.7), 0, 0, 1, 0), render.turntable(0, 0, 0, 1, 0)
    one, two = (
        torch.stack(list(render.pictures(person, pose, view, distance=4, size=32, background=1.0)))
        for pose, view in zip((still, turned), views, strict=True)
    )
    assert (one.int() - two.int()).abs().max() <= 1
    assert one.float().std() > 1  # somebody is there


def test_a_film_has_one_zoom_and_transparent_pictures_keep_the_colour(person):
    poses = torch.zeros(3, 24, 3)
    poses[1, 1:, 2] = 0.3
    poses[2, 0, 0] = 1.0
    views = render.turntable(0, 0, 0, 3, 0)
    film_ = list(render.pictures(person, poses, views, distance=4, size=32, background=None))
    alone = list(render.pictures(person, poses[:1], views[:1], distance=4, size=32, background=None))
    assert film_[0].shape == (32, 32, 4)
    assert not torch.equal(film_[0], alone[0])
    drawn = person.render(poses[:1, 1:], orbit(torch.zeros(1, 3), size=32))
    straight = render.straight(drawn)
    torch.testing.assert_close(straight[:, :3] * straight[:, 3:], drawn.image, atol=1e-5, rtol=0)


@pytest.mark.parametrize("shape", [(23, 3), (69,), (24, 3), (72,), (5, 23, 3), (5, 72), (1, 24, 3)])
@pytest.mark.parametrize("ending", ["npy", "npz"])
def test_poses_of_every_shape(tmp_path, motions, shape, ending):
    values = np.random.default_rng(0).normal(size=shape)
    path = tmp_path / f"pose.{ending}"
    np.save(path, values) if ending == "npy" else np.savez(path, theta=values)
    clip = pose_file.read_poses(str(path), motions, REST)
    body = torch.from_numpy(values).float().reshape(len(clip.poses), -1)[:, -69:]
    torch.testing.assert_close(clip.poses[:, 1:].flatten(1), body)
    if shape[-1] in (69,) or shape[-2:] == (23, 3):
        assert not clip.poses[:, 0].any()


def test_several_arrays_under_the_name_of_one(tmp_path, motions):
    np.savez(tmp_path / "pose.npz", theta=np.zeros((24, 3)))
    (tmp_path / "pose.npz").rename(tmp_path / "pose.npy")
    with pytest.raises(AssetError, match=r"pose\.npy holds several arrays") as caught:
        pose_file.read_poses(str(tmp_path / "pose.npy"), motions, REST)
    assert "npz" in caught.value.hint


@pytest.mark.parametrize("more", [{}, {"trans": np.zeros((4, 3), np.float32)}], ids=["poses alone", "a release's file"])
def test_an_amass_file_is_turned_upright(tmp_path, motions, more):
    poses = np.zeros((4, 156), np.float32)
    poses[:, 0] = math.pi / 2  # z up, and the body's y to the world's z: it stands
    poses[:, 5] = 0.3
    np.savez(tmp_path / "walk_poses.npz", poses=poses, mocap_framerate=120.0, **more)
    clip = pose_file.read_poses(str(tmp_path / "walk_poses.npz"), motions, REST)
    assert clip.fps == 120 and clip.poses.shape == (4, 24, 3)
    torch.testing.assert_close(clip.poses[:, 0], torch.zeros(4, 3), atol=1e-5, rtol=0)
    torch.testing.assert_close(clip.poses[:, 1, 2], torch.full((4,), 0.3))


def test_clips_by_name_and_their_frames(motions):
    clip = pose_file.read_poses("humanoid3d_walk", motions, REST)
    assert len(clip.poses) == 39
    assert list(pose_file.frames(clip, "3")) == [3]
    assert list(pose_file.frames(clip, "-1")) == [38]
    assert list(pose_file.frames(clip, "::13")) == [0, 13, 26]
    assert len(pose_file.frames(clip, None)) == 39
    assert pose_file.read_poses("rest", motions, REST).poses.abs().sum() == 0


@pytest.mark.parametrize("text", ["39", "a", "1:2:3:4", "50:60", "::0"])
def test_frames_that_are_none(motions, text):
    with pytest.raises(UsageError, match=f"frames '{text}'"):
        pose_file.frames(pose_file.read_poses("humanoid3d_walk", motions, REST), text)


@pytest.mark.parametrize(
    ("name", "content", "says"),
    [
        ("a.npz", {"pose": np.zeros((4, 7))}, "shape"),
        ("a.npz", {"pose": np.full((24, 3), np.nan)}, "not finite"),
        ("a.npz", {"pose": np.zeros((0, 24, 3))}, "no pose"),
        ("a.npz", {"pose": np.zeros((24, 3), int)}, "type|kind"),
        ("a.npz", {"other": np.zeros((24, 3))}, "none of the keys"),
        ("a.npy", np.zeros((24, 3), object), "npy"),
        ("a.npz", {"poses": np.zeros((0, 156))}, "no pose"),
        *(("a.npz", WALK | {"mocap_framerate": fps}, "'mocap_framerate' is") for fps in (0.0, np.nan, np.inf, -25.0)),
    ],
)
def test_files_that_hold_no_poses(tmp_path, motions, name, content, says):
    path = tmp_path / name
    np.save(path, content) if path.suffix == ".npy" else np.savez(path, **content)
    with pytest.raises(AssetError, match=says) as error:
        pose_file.read_poses(str(path), motions, REST)
    assert str(path) in str(error.value)


def test_names_that_are_neither_clip_nor_file(motions, tmp_path):
    with pytest.raises(UsageError, match="humanoid3d_wlk") as error:
        pose_file.read_poses("humanoid3d_wlk", motions, REST)
    assert "humanoid3d_walk" in error.value.hint
    with pytest.raises(UsageError, match="backflip") as error:
        pose_file.read_poses("backflip", motions, REST)
    assert error.value.hint == "did you mean 'humanoid3d_backflip'?"
    with pytest.raises(AssetError, match="does not exist"):
        pose_file.read_poses(str(tmp_path / "none.npy"), motions, REST)


def _pictures(n, channels=3):
    rng = np.random.default_rng(1)
    return [np.repeat(np.repeat(rng.integers(0, 255, (4, 4, channels), np.uint8), 8, 0), 8, 1) for _ in range(n)]


@pytest.mark.parametrize("ending", ["gif", "webp", "mp4"])
def test_films_have_every_picture(tmp_path, ending):
    path, pictures = tmp_path / "new" / f"film.{ending}", _pictures(5)
    film.write(path, iter(pictures), fps=10)
    if ending == "mp4":
        av = pytest.importorskip("av")
        with av.open(str(path)) as container:
            found = [frame.to_ndarray(format="rgb24") for frame in container.decode(video=0)]
    else:
        with Image.open(path) as image:
            assert image.info.get("duration", 100) == 100
            found = []
            for i in range(image.n_frames):
                image.seek(i)
                found.append(np.array(image.convert("RGB")))
    assert len(found) == 5
    for one, other in zip(found, pictures, strict=True):
        assert np.abs(one.astype(int) - other).mean() < 40  # both compress
        assert np.corrcoef(one.ravel(), other.ravel())[0, 1] > 0.9


def test_the_folder_in_which_one_is(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    film.check(Path(), 2, **FITS)
    film.write(Path(), _pictures(2), fps=10)
    assert sorted(path.name for path in Path().iterdir()) == ["00000.png", "00001.png"]


def test_a_folder_that_is_there_is_written_within(tmp_path):
    """It may be a file system of its own, as a mounted volume is: nothing can be moved into it from beside it."""
    (tmp_path / "out").mkdir()

    def drawn():
        for picture in _pictures(2):
            assert [path.name for path in tmp_path.iterdir()] == ["out"]
            yield picture

    film.write(tmp_path / "out", drawn(), fps=10)
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == ["00000.png", "00001.png"]


def test_a_folder_and_a_transparent_picture(tmp_path):
    film.write(tmp_path / "frames", _pictures(3), fps=10)
    assert sorted(p.name for p in (tmp_path / "frames").iterdir()) == ["00000.png", "00001.png", "00002.png"]
    (picture,) = _pictures(1, channels=4)
    film.write(tmp_path / "one.png", [picture], fps=10)
    with Image.open(tmp_path / "one.png") as image:
        assert np.array_equal(np.array(image), picture)


@pytest.mark.parametrize(
    ("name", "pictures", "changes", "says"),
    [
        ("a.bmp", 1, {}, "'.bmp'.*\n.*among .png, .jpg"),
        ("a.png", 2, {}, "one picture"),
        ("a.mp4", 2, {"transparent": True}, "transparency"),
        ("a.jpg", 1, {"transparent": True}, "transparency"),
        ("a.mp4", 2, {"size": 33}, "even number of pixels a side, not 33"),
        ("a.mp4", 2, {"size": 1}, "even number of pixels a side, not 1"),
        ("a.mp4", 2, {"size": 16386}, "at most 16384 pixels"),
        ("a.webp", 2, {"size": 16384}, "at most 16383 pixels"),
        ("a.gif", 2, {"size": 65536}, "at most 65535 pixels"),
        ("a.jpg", 1, {"size": 65501}, "at most 65500 pixels"),
        ("a.gif", 2, {"fps": 101}, "0.1 to 100 pictures a second, not 101"),
        ("a.webp", 2, {"fps": 1e9}, "0.1 to 1000 pictures a second"),
        ("a.mp4", 2, {"fps": 1001}, "0.1 to 1000 pictures a second"),
        ("a.mp4", 2, {"fps": math.nan}, "0.1 to 1000 pictures a second, not nan"),
        ("a.gif", 2, {"fps": 0.01}, "0.1 to 100 pictures a second"),
    ],
)
def test_what_a_file_cannot_hold(tmp_path, name, pictures, changes, says):
    with pytest.raises(UsageError, match=says):
        film.check(tmp_path / name, pictures, **(FITS | changes))


def test_nothing_is_written_over(tmp_path):
    (tmp_path / "frames").mkdir()
    film.check(tmp_path / "frames", 2, **FITS)
    (tmp_path / "frames" / "mine.txt").touch()
    (tmp_path / "a.gif").touch()
    (tmp_path / "file").touch()
    for name, says in (("frames", "is not empty"), ("a.gif", "is there already"), ("file", "is there already")):
        with pytest.raises(UsageError, match=f"{name} {says}"):
            film.check(tmp_path / name, 2, **FITS)


@pytest.mark.parametrize(("ending", "fps", "duration"), [("gif", 60, 20), ("gif", 100, 10), ("webp", 60, 17)])
def test_a_film_is_as_fast_as_the_file_can_say(tmp_path, ending, fps, duration):
    film.write(tmp_path / f"a.{ending}", _pictures(2), fps)
    with Image.open(tmp_path / f"a.{ending}") as image:
        image.seek(1)
        image.load()
        assert image.info["duration"] == duration


@pytest.mark.parametrize("ending", ["gif", "mp4"])
def test_a_film_that_is_interrupted_leaves_nothing(tmp_path, ending):
    def stopped():
        yield from _pictures(2)
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        film.write(tmp_path / f"a.{ending}", stopped(), 10)
    assert list(tmp_path.iterdir()) == []
