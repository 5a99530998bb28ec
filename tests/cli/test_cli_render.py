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


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("--view", "3"), "--view '3'"),
        (("--pose", "humanoid3d_wlk"), "did you mean 'humanoid3d_walk'?"),
        (("--pose", "humanoid3d_walk"), "--frames N"),
        (("--background", "grene"), "neither a colour nor a picture"),
        (("--frames", "7"), "frames 0 to 0"),
        (("--device", "warp"), "there is no device 'warp'"),
    ],
)
def test_wrong_words_are_one_sentence(posegen, tmp_path, arguments, says):
    ended = posegen("render", "--renderer", "mesh", "-o", str(tmp_path / "a.png"), *arguments)
    assert ended.code == 2 and says in ended.err
    assert not (tmp_path / "a.png").exists()
