"""``posegen render`` as it is typed."""

import numpy as np
import pytest
from PIL import Image


def test_a_still_has_the_person_in_it(posegen, tmp_path):
    out = tmp_path / "front.png"
    ended = posegen("render", "--renderer", "mesh", "-o", str(out), "--size", "64", "--background", "#000000")
    assert ended.code == 0 and "1 picture in" in ended.out
    picture = np.array(Image.open(out))
    assert picture.shape == (64, 64, 3)
    assert picture[:, 24:40].any() and not picture[0].any()


def test_a_still_pose_as_a_film_turns_round_once(posegen, tmp_path):
    out = tmp_path / "turn.gif"
    ended = posegen("render", "--renderer", "mesh", "-o", str(out), "--size", "32")
    assert ended.code == 0 and "48 pictures" in ended.out
    with Image.open(out) as image:
        assert image.n_frames > 40  # Pillow leaves out a picture that equals the one before


def _background(posegen, tmp_path, size=32):
    """What a small picture shows of ``behind.png`` in its corners."""
    out = tmp_path / "a.png"
    ended = posegen(
        "render",
        "--renderer",
        "mesh",
        "-o",
        str(out),
        "--size",
        str(size),
        "--background",
        str(tmp_path / "behind.png"),
    )
    assert ended.code == 0 and not ended.err, ended.err
    return np.array(Image.open(out))[[0, 0, -1, -1], [0, -1, 0, -1], 0].tolist()


def test_a_background_of_16_bits_is_not_white(posegen, tmp_path):
    Image.fromarray(np.full((32, 32), 64 * 257, np.uint16)).save(tmp_path / "behind.png")
    assert _background(posegen, tmp_path) == [64] * 4


def test_a_background_is_upright(posegen, tmp_path):
    grey, exif = np.zeros((32, 32), np.uint8), Image.Exif()
    grey[:16], exif[0x0112] = 200, 3  # stored upside down
    Image.fromarray(grey).save(tmp_path / "behind.png", exif=exif)
    assert _background(posegen, tmp_path) == [0, 0, 200, 200]


@pytest.mark.parametrize(("most", "code"), [(1000, 0), (100, 3)])  # of 1024 pixels: Pillow warns, Pillow refuses
def test_a_large_background_is_drawn_and_a_huge_one_refused(posegen, tmp_path, monkeypatch, most, code):
    Image.new("RGB", (32, 32)).save(tmp_path / "behind.png")
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", most)
    path = str(tmp_path / "behind.png")
    ended = posegen("render", "--renderer", "mesh", "-o", str(tmp_path / "a.png"), "--size", "16", "--background", path)
    assert ended.code == code
    assert ended.err == "" if code == 0 else "behind.png cannot be read: it has more than" in ended.err


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("--view", "3"), "--view '3'"),
        (("--view", "nan,0"), "--view 'nan,0' is not AZ,EL"),
        (("--view", "0,0,-inf"), "--view '0,0,-inf' is not AZ,EL"),
        (("--distance", "nan"), "--distance nan is not a finite number"),
        (("--distance", "inf"), "--distance inf is not a finite number"),
        (("--distance", "0"), "--distance 0 puts the camera among"),
        (("--distance", "1.4"), "--distance 1.4 puts the camera among"),
        (("--turns", "nan"), "--turns nan is not a finite number"),
        (("--fps", "inf"), "--fps inf is not a finite number"),
        (("--device", "meta"), "there is no device 'meta'"),
        (("--pose", "humanoid3d_wlk"), "did you mean 'humanoid3d_walk'?"),
        (("--pose", "humanoid3d_walk"), "--frames N"),
        (("--background", "grene"), "neither a colour nor a picture"),
        (("--background", 300 * "x"), "neither a colour nor a picture"),
        (("-o", "/dev/null/a.png"), "a.png cannot be written: a file is where a folder is needed"),
        (("-o", "/dev/null"), "/dev/null is there already"),
        (("--frames", "7"), "frames 0 to 0"),
        (("--device", "warp"), "there is no device 'warp'"),
    ],
)
def test_wrong_words_are_one_sentence(posegen, tmp_path, arguments, says):
    ended = posegen("render", "--renderer", "mesh", "-o", str(tmp_path / "a.png"), *arguments)
    assert ended.code == 2 and says in ended.err
    assert not (tmp_path / "a.png").exists()


@pytest.mark.parametrize(("name", "inside"), [("a.png", None), ("frames", "00000.png")])
def test_nothing_is_written_over(posegen, tmp_path, name, inside):
    taken = tmp_path / name / inside if inside else tmp_path / name
    taken.parent.mkdir(exist_ok=True)
    taken.write_text("mine")
    ended = posegen("render", "--renderer", "mesh", "-o", str(tmp_path / name), "--size", "8", "--turns", "0")
    assert ended.code == 2 and name in ended.err and "hint: " in ended.err
    assert [p.read_text() for p in tmp_path.rglob("*.png")] == ["mine"]
