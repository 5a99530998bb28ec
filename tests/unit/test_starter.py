import hashlib
import re
import shutil
import subprocess
import sys

import numpy as np
import pytest
import torch
from posegen_starter import files, photos
from posegen_starter.body import OpenBody
from posegen_starter.motion import SPLITS, StarterMotion
from posegen_starter.photos import StarterPhotos
from posegen_starter.subjects import NAMES, subject

from posegen.body import JOINT_SETS
from posegen.errors import AssetError, UsageError
from posegen.protocols import BodySource, Motion, Photos


@pytest.fixture
def damaged(tmp_path, monkeypatch):
    """The data folder, copied so that a test may break it."""
    folder = tmp_path / "data"
    shutil.copytree(files.DATA, folder)
    monkeypatch.setattr(files, "DATA", folder)
    return folder


def motion() -> StarterMotion:
    return StarterMotion(StarterMotion.Options())


def stills() -> StarterPhotos:
    return StarterPhotos(StarterPhotos.Options())


def body(betas=None):
    return OpenBody(OpenBody.Options()).body(betas)


READERS = {
    "body.safetensors": lambda: body(),
    "body_landmarks.json": lambda: body(),
    "motion.safetensors": lambda: motion().clips("train"),
    "motion.json": lambda: motion().clips("test"),
    "real/people.npz": lambda: stills().people("train"),
    "backgrounds/hdri_park.webp": lambda: stills().backgrounds("test"),
    "subjects/s3.safetensors": lambda: subject("s3"),
    "subjects/s3_hair.webp": lambda: subject("s3"),
    "subjects/subjects.json": lambda: subject("s3"),
    "blazepose_lite.safetensors": lambda: files.weights_path("blazepose_lite"),
    "blazepose_full.json": lambda: files.weights_path("blazepose_full"),
    "SHA256SUMS": lambda: body(),
}


def test_importing_the_top_module_is_light():
    heavy = "import sys, posegen_starter; print([m for m in ('torch', 'numpy', 'pydantic', 'PIL') if m in sys.modules])"
    assert subprocess.run([sys.executable, "-c", heavy], capture_output=True, text=True, check=True).stdout == "[]\n"


def test_components_keep_their_protocols():
    assert isinstance(OpenBody(OpenBody.Options()), BodySource)
    assert isinstance(motion(), Motion)
    assert isinstance(stills(), Photos)


@pytest.mark.parametrize("name", READERS)
def test_a_missing_file_is_named(damaged, name):
    (damaged / name).unlink()
    with pytest.raises(AssetError, match=re.escape(str(damaged / name))) as caught:
        READERS[name]()
    assert "pip install" in caught.value.hint


@pytest.mark.parametrize("name", [n for n in READERS if n != "SHA256SUMS"])
@pytest.mark.parametrize("damage", ["truncated", "one bit", "empty"])
def test_a_damaged_file_is_named_and_never_used(damaged, name, damage):
    content = bytearray((damaged / name).read_bytes())
    content[len(content) // 2] ^= 1
    (damaged / name).write_bytes({"truncated": content[:-100], "one bit": content, "empty": b""}[damage])
    with pytest.raises(AssetError, match=re.escape(str(damaged / name))):
        READERS[name]()


def test_a_garbled_list_of_checksums_is_named(damaged):
    (damaged / "SHA256SUMS").write_bytes(b"\xff\xfe garbage")
    with pytest.raises(AssetError, match="SHA256SUMS"):
        body()


def test_an_unknown_file_is_told_the_nearest():
    with pytest.raises(AssetError, match=r"blazepose_lit\.json") as caught:
        files.weights_path("blazepose_lit")
    assert "blazepose_lite.json" in caught.value.hint


def test_every_file_is_listed_and_licences_list_the_same_sums():
    sums = dict(reversed(line.split()) for line in (files.DATA / "SHA256SUMS").read_text().splitlines())
    shipped = {p.relative_to(files.DATA).as_posix() for p in files.DATA.rglob("*") if p.is_file()}
    assert shipped == set(sums) | {"SHA256SUMS", "LICENSES.md"}
    assert all(hashlib.sha256((files.DATA / name).read_bytes()).hexdigest() == digest for name, digest in sums.items())
    licences = (files.DATA / "LICENSES.md").read_text()
    rows = re.findall(r"^\| (\S+) \| (\d+) \| [\d, ]+ \| (\w{64}) \|$", licences, re.MULTILINE)
    assert {name for name, _, _ in rows} == {name for name in sums if not name.startswith("real/")}
    assert all(sums[name] == digest for name, _, digest in rows)
    assert f"Total {sum(int(size) for _, size, _ in rows)} bytes" in licences
    assert all((files.DATA / name).stat().st_size == int(size) for name, size, _ in rows)


def test_weights_path_has_its_layers_beside_it():
    path = files.weights_path("blazepose_lite")
    assert path.is_file()
    assert path.with_suffix(".json").is_file()


def test_body_is_a_man_of_183_cm_who_faces_us():
    man = body()
    height = man.rest_vertices[:, 1].max() - man.rest_vertices[:, 1].min()
    assert abs(float(height) - 1.834) < 2e-3
    joints = dict(zip(JOINT_SETS["smpl24"].joints, man.rest_joints, strict=True))
    assert joints["left_wrist"][0] > 0.5 > -0.5 > joints["right_wrist"][0]
    assert joints["left_foot"][2] > joints["left_ankle"][2]
    assert joints["head"][1] > joints["neck"][1] > 0 > joints["left_knee"][1]
    marks = dict(
        zip(JOINT_SETS["blazepose33"].joints, man.joints(torch.zeros(1, 23, 3), None, "blazepose33")[0], strict=True)
    )
    assert marks["nose"][2] > joints["head"][2] + 0.05
    assert marks["left_ear"][0] > 0 > marks["right_ear"][0]
    assert {"smpl24", "blazepose33", "coco17"} <= set(man.joint_sets)


@pytest.mark.parametrize("name", NAMES)
def test_subject_hangs_on_the_body_of_its_betas(name):
    person = subject(name)
    joints = torch.from_numpy(person.joints - person.joints[0])
    torch.testing.assert_close(joints, body(person.betas.tolist()).rest_joints, rtol=0, atol=1e-3)
    assert person.weights.dtype == person.vertices.dtype == person.uv.dtype == np.float32
    np.testing.assert_allclose(person.weights.sum(1), 1, atol=1e-6)
    assert (np.diff(person.weights, axis=1) <= 0).all(), "the renderer stops at the first zero weight"
    assert person.faces.min() == 0
    assert person.faces.max() == len(person.vertices) - 1
    assert person.corners.max() == len(person.uv) - 1
    assert set(person.part.tolist()) == set(range(len(person.parts)))
    assert [t.shape[2] for t in person.textures] == [4] * len(person.parts)
    has_holes = [part for part, t in zip(person.parts, person.textures, strict=True) if t[..., 3].min() < 255]
    assert has_holes == ["hair"]


def test_subject_is_decoded_once():
    assert subject("s2") is subject("s2")


def test_unknown_subject_is_told_the_nearest():
    with pytest.raises(UsageError, match="'s9'") as caught:
        subject("s9")
    assert "did you mean 's" in caught.value.hint


def test_clips_are_split_without_overlap():
    names = [[clip.name for clip in motion().clips(split)] for split in SPLITS]
    assert [len(n) for n in names] == [12, 3, 5]
    assert len({n for split in names for n in split}) == 20
    assert [sum(len(c.poses) for c in motion().clips(s)) for s in SPLITS] == [1008, 267, 535]
    for split in SPLITS:
        for clip in motion().clips(split):
            assert clip.split == split
            assert clip.poses.shape[1:] == (24, 3)
            assert clip.root_translation.shape == (len(clip.poses), 3)
            assert clip.poses.dtype == clip.root_translation.dtype == torch.float32
            assert torch.isfinite(clip.poses).all()
            assert clip.fps > 10


def test_a_walk_bends_the_knees_the_right_way():
    walk = next(clip for clip in motion().clips("test") if clip.name == "humanoid3d_walk")
    assert float(walk.poses[:, 4, 0].mean()) > 0.1, "a knee flexes about +x, the heel goes back"


def test_photographs_are_two_people_seen_by_one_each():
    photo = stills()
    assert [photo.people(s).shape[0] for s in ("train", "test")] == [49, 52]
    for split in ("train", "test"):
        people = photo.people(split)
        assert people.shape[1:] == (3, 256, 256)
        assert people.dtype == torch.float32
        assert 0 <= people.min() < 0.2 < 0.8 < people.max() <= 1
        joint_set, joints = photo.people_joints(split)
        assert joints.shape == (len(people), len(JOINT_SETS[joint_set]), 3)
        names = JOINT_SETS[joint_set].joints
        assert (joints[:, names.index("nose"), 1] < joints[:, names.index("left_ankle"), 1] - 0.8).all(), "y is down"


def test_backgrounds_are_disjoint_and_all_used():
    used = [*photos.BACKGROUNDS["train"], *photos.BACKGROUNDS["test"]]
    assert len(set(used)) == 12
    assert {f"{name}.webp" for name in used} == {p.name for p in (files.DATA / "backgrounds").iterdir()}
    assert stills().backgrounds("train").shape == (8, 3, 256, 256)
    assert stills().backgrounds("test").shape == (4, 3, 256, 256)


@pytest.mark.parametrize(
    "ask", [lambda s: motion().clips(s), lambda s: stills().people(s), lambda s: stills().backgrounds(s)]
)
def test_unknown_split_is_told_the_nearest(ask):
    with pytest.raises(UsageError, match="'tests'") as caught:
        ask("tests")
    assert "'test'" in caught.value.hint


def test_what_is_handed_out_can_be_changed_without_harm():
    stills().people("test").zero_()
    stills().people_joints("test")[1].zero_()
    stills().backgrounds("test").zero_()
    motion().clips("test")[0].poses.zero_()
    assert stills().people("test").max() > 0.5
    assert stills().people_joints("test")[1].abs().max() > 0.5
    assert stills().backgrounds("test").max() > 0.5
    assert motion().clips("test")[0].poses.abs().max() > 0.5
