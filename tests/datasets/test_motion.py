import numpy as np
import pytest
import torch

from posegen.datasets import motion
from posegen.datasets.motion import read_motion
from posegen.datasets.poses import RealPoses
from posegen.errors import AssetError, UsageError

from .fixtures_bvh import CMU, Skeleton, bvh, rest

REST = torch.from_numpy(rest())


@pytest.fixture(autouse=True)
def own_config(tmp_path, monkeypatch):
    monkeypatch.setenv("POSEGEN_CONFIG_DIR", str(tmp_path / "config"))


def amass(root, frames=40):
    for name in ("CMU/01/01_01_poses.npz", "KIT/3/walk 1_poses.npz"):
        path = root / name
        path.parent.mkdir(parents=True)
        poses = 0.1 * np.random.default_rng(0).standard_normal((frames, 156))
        np.savez(path, poses=poses, trans=np.zeros((frames, 3)), betas=np.zeros(16), gender=np.array("male"),
                 mocap_framerate=np.array(25.0))  # fmt: skip
    return root


def test_bvh_files_become_real_poses(tmp_path):
    bvh(tmp_path / "a.bvh", Skeleton(CMU), count=6)
    bvh(tmp_path / "b.bvh", Skeleton(CMU), count=4)
    real = RealPoses(read_motion(f"bvh:{tmp_path}", REST))
    assert real.poses.shape == (10, 23, 3)
    assert real.sample(7, torch.Generator().manual_seed(0)).isfinite().all()


def test_amass_files_become_real_poses(tmp_path):
    clips = read_motion(f"amass:{amass(tmp_path / 'AMASS')}", REST)
    assert {clip.name.partition("/")[0] for clip in clips} == {"CMU", "KIT"}
    assert all(clip.poses.shape[1:] == (24, 3) for clip in clips)


def test_options_of_the_loader_follow_a_question_mark(tmp_path):
    root = amass(tmp_path / "AMASS")
    assert [clip.fps for clip in read_motion(f"amass:{root}?fps=5,trim=0", REST)] == [5.0, 5.0]
    bvh(tmp_path / "a.bvh", Skeleton(CMU, unit=0.3), count=3)
    with pytest.raises(AssetError, match="in which unit") as caught:
        read_motion(f"bvh:{tmp_path}", REST)
    option = caught.value.hint.partition("?")[2]
    (clip,) = read_motion(f"bvh:{tmp_path}?{option}", REST)
    assert option == "metres_per_unit=0.01"
    assert clip.root_translation.isfinite().all()


def test_more_poses_than_memory_should_hold_are_thinned_evenly(tmp_path, monkeypatch):
    bvh(tmp_path / "a.bvh", Skeleton(CMU), count=9)
    (whole,) = read_motion(f"bvh:{tmp_path}", REST)
    monkeypatch.setattr(motion, "MOST_POSES", 4)
    (clip,) = read_motion(f"bvh:{tmp_path}", REST)
    torch.testing.assert_close(clip.poses, whole.poses[::3])
    assert clip.fps == pytest.approx(whole.fps / 3)


@pytest.mark.parametrize(
    ("source", "error", "message", "hint"),
    [
        ("3dpw:x", UsageError, "'3dpw:x' names no motion data", "give amass"),
        ("amas:x", UsageError, "names no motion data", "did you mean 'amass'?"),
        ("", UsageError, "names no motion data", "give amass"),
        ("bvh", UsageError, "no registered place", "bvh:PATH"),
        ("amass", AssetError, "asset 'amass' is not registered", "posegen assets set amass PATH"),
        ("bvh:/nowhere", AssetError, "/nowhere does not exist", "give bvh:PATH"),
        ("bvh?metres_per_unit=1", UsageError, "no registered place", "bvh:PATH"),
    ],
)
def test_a_source_that_is_wrong_is_told_with_its_repair(source, error, message, hint):
    with pytest.raises(error) as caught:
        read_motion(source, REST)
    assert message in caught.value.message
    assert hint in caught.value.hint
