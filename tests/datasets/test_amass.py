import io
import os
import struct
import zipfile

import numpy as np
import pytest
import torch

from posegen.datasets.amass import Amass
from posegen.errors import AssetError, UsageError
from posegen.geometry import rotvec_to_rotmat

from .fixtures_amass import smplh, smplx, write
from .fuzz import PATHS, evil, outcome, spoil_array, spoil_bytes

SEQUENCE = "CMU/01/01_01_poses.npz"


def whole(root, split="all", **options):
    """Every frame of every file."""
    return Amass(root, split, **{"fps": None, "trim": 0.0, **options})


def clips(root, split="all", **options):
    return {clip.name: clip for clip in whole(root, split, **options).clips()}


def test_smplh_gives_smpls_root_and_body_and_hands_of_zero(tmp_path):
    content = smplh()
    clip = clips(write(tmp_path, {SEQUENCE: content}))["CMU/01/01_01_poses"]
    assert clip.poses.shape == (5, 24, 3)
    np.testing.assert_allclose(clip.poses[:, 1:22].flatten(1), content["poses"][:, 3:66], atol=1e-6)
    assert (clip.poses[:, 22:] == 0).all()
    assert (clip.split, clip.fps) == ("train", 120)


def test_smplx_files_are_cut_after_the_same_22_joints(tmp_path):
    content = smplx()
    clip = clips(write(tmp_path, {"CMU/01/01_01_stageii.npz": content}))["CMU/01/01_01_stageii"]
    np.testing.assert_allclose(clip.poses[:, 1:22].flatten(1), content["pose_body"], atol=1e-6)
    assert (clip.poses[:, 22:] == 0).all()


@pytest.mark.parametrize("name, content, left, right", [
    (SEQUENCE, smplh(), 66, 111), ("CMU/01/01_01_stageii.npz", smplx(), 75, 120)])  # fmt: skip
def test_hands_may_be_the_index_fingers_of_either_model(tmp_path, name, content, left, right):
    (clip,) = clips(write(tmp_path, {name: content}), hands="index1").values()
    np.testing.assert_allclose(clip.poses[:, 22], content["poses"][:, left : left + 3], atol=1e-6)
    np.testing.assert_allclose(clip.poses[:, 23], content["poses"][:, right : right + 3], atol=1e-6)


def test_z_up_becomes_y_up_on_the_left_of_the_root(tmp_path):
    content = smplh()
    content["poses"][0, :3] = (np.pi / 2, 0, 0)  # stands: the body's y is the world's z
    content["trans"][0] = (1, 2, 0.9)
    (clip,) = clips(write(tmp_path, {SEQUENCE: content})).values()
    np.testing.assert_allclose(clip.poses[0, 0], 0, atol=1e-6)
    np.testing.assert_allclose(clip.root_translation[0], (1, 0.9, -2), atol=1e-6)
    for row in range(5):
        before = rotvec_to_rotmat(torch.from_numpy(content["poses"][row, :3])).numpy()
        after = rotvec_to_rotmat(clip.poses[row, 0]).numpy()
        np.testing.assert_allclose(after[1], before[2], atol=1e-5)  # how far each body axis is up
        np.testing.assert_allclose(after[2], -before[1], atol=1e-5)


def test_gender_may_be_bytes_and_dmpls_absent(tmp_path):
    content = smplh(gender=np.array(b"female"))
    del content["dmpls"]
    assert len(whole(write(tmp_path, {SEQUENCE: content}))) == 5


def test_files_of_shapes_are_no_motion(tmp_path):
    shape = {"betas": np.zeros(16), "gender": np.array("male")}
    write(tmp_path, {SEQUENCE: smplh(), "CMU/01/shape.npz": shape, "CMU/LICENSE.txt": b"terms"})
    assert list(clips(tmp_path)) == ["CMU/01/01_01_poses"]
    other = write(tmp_path / "x", {"CMU/01/a_stageii.npz": smplx(), "CMU/01/neutral_stagei.npz": shape})
    write(other, {"CMU/01/a_stageii.pkl": b"not ours"})
    assert list(clips(other)) == ["CMU/01/a_stageii"]


def test_names_may_hold_spaces_and_underscores(tmp_path):
    write(tmp_path, {"Eyes_Japan_Dataset/aita/walk 01_a__b_poses.npz": smplh()})
    assert list(clips(tmp_path)) == ["Eyes_Japan_Dataset/aita/walk 01_a__b_poses"]


def test_the_rate_has_another_key_in_smplx_files(tmp_path):
    write(tmp_path, {"CMU/01/a_stageii.npz": smplx(rate=60.0)})
    assert next(whole(tmp_path).clips()).fps == 60
    content = smplx(mocap_framerate=np.array(60.0))
    del content["mocap_frame_rate"]
    write(tmp_path, {"CMU/01/a_stageii.npz": content})
    with pytest.raises(AssetError, match=r"a_stageii\.npz has no 'mocap_frame_rate'"):
        whole(tmp_path)


def test_objects_in_smplx_files_are_never_unpickled(tmp_path):
    path = write(tmp_path, {"CMU/01/a_stageii.npz": smplx(poses=np.array([{}, None], dtype=object))})
    with pytest.raises(AssetError, match="'poses'"):
        whole(path)


@pytest.mark.parametrize("rate, stride", [(120.0, 4), (60.0, 2), (100.0, 4), (30.0, 1), (24.0, 1), (15.0, 1)])
def test_25_fps_is_a_whole_stride_that_is_never_0_and_the_clip_says_its_true_rate(tmp_path, rate, stride):
    write(tmp_path, {SEQUENCE: (content := smplh(40, rate))})
    (clip,) = Amass(tmp_path, fps=25, trim=0).clips()
    assert clip.fps == rate / stride
    np.testing.assert_allclose(clip.poses[:, 5], content["poses"][::stride, 15:18], atol=1e-6)


def test_a_tenth_is_dropped_at_either_end(tmp_path):
    write(tmp_path, {SEQUENCE: (content := smplh(40))})
    (clip,) = Amass(tmp_path, fps=None).clips()
    np.testing.assert_allclose(clip.poses[:, 5], content["poses"][4:36, 15:18], atol=1e-6)


def test_splits_know_the_old_and_the_new_names(tmp_path):
    old = ["CMU", "MPI_Limits", "Eyes_Japan_Dataset", "BioMotionLab_NTroje", "TCD_handMocap", "MPI_HDM05", "MPI_mosh",
           "Transitions_mocap", "SSM_synced", "SFU"]  # fmt: skip
    new = ["CMU", "PosePrior", "EyesJapanDataset", "BMLrub", "TCDHands", "HDM05", "MoSh", "Transitions", "SSM", "SFU"]
    splits = ["train"] * 5 + ["validation"] * 2 + ["test"] * 2 + ["validation"]
    for folder, names in (("old", old), ("new", new)):
        root = write(tmp_path / folder, {f"{name}/s/a_poses.npz": smplh() for name in [*names, "BMLmovi"]})
        for split in ("train", "validation", "test"):
            expected = {n for n, s in zip(names, splits, strict=True) if s == split}
            found = clips(root, split)
            assert {name.split("/")[0] for name in found} == expected
            assert {clip.split for clip in found.values()} == {split}
        assert clips(root)["BMLmovi/s/a_poses"].split == "other"
        assert len(clips(root)) == 11


def test_one_sub_dataset_under_two_names_is_a_question(tmp_path):
    write(tmp_path, {"BMLrub/s/a_poses.npz": smplh(), "BioMotionLab_NTroje/s/a_poses.npz": smplh()})
    with pytest.raises(AssetError, match="BMLrub and BioMotionLab_NTroje"):
        whole(tmp_path)


def test_both_releases_in_one_folder_are_a_question(tmp_path):
    write(tmp_path, {SEQUENCE: smplh(), "CMU/01/01_01_stageii.npz": smplx()})
    with pytest.raises(AssetError, match="which are meant"):
        whole(tmp_path)
    assert list(clips(tmp_path, release="smplx")) == ["CMU/01/01_01_stageii"]


def test_a_file_of_another_body_model_is_a_question(tmp_path):
    write(tmp_path, {SEQUENCE: smplh(poses=np.zeros((5, 165)))})
    with pytest.raises(AssetError) as caught:
        whole(tmp_path)
    assert "another body model" in str(caught.value) or "(N, 156)" in caught.value.message
    write(tmp_path / "x", {"CMU/01/a_stageii.npz": smplx(surface_model_type=np.array("smplh"))})
    with pytest.raises(AssetError, match="'surface_model_type' is 'smplh'"):
        whole(tmp_path / "x")


def test_a_truncated_file_is_reported_and_the_walk_goes_on(tmp_path):
    write(tmp_path, {SEQUENCE: smplh(), "CMU/02/02_01_poses.npz": smplh()})
    bad = tmp_path / "CMU/02/02_01_poses.npz"
    bad.write_bytes(bad.read_bytes()[:900])
    with pytest.warns(UserWarning, match="1 of 2 files are left out"):
        dataset = whole(tmp_path)
    assert [clip.name for clip in dataset.clips()] == ["CMU/01/01_01_poses"]
    assert list(dataset.damaged) == [bad]


def test_a_link_to_nowhere_is_reported_and_the_walk_goes_on(tmp_path):
    write(tmp_path, {SEQUENCE: smplh()})
    bad = tmp_path / "CMU/02/02_01_poses.npz"
    bad.parent.mkdir()
    bad.symlink_to(tmp_path / "not downloaded")
    with pytest.warns(UserWarning, match="1 of 2 files are left out"):
        dataset = whole(tmp_path)
    assert [clip.name for clip in dataset.clips()] == ["CMU/01/01_01_poses"]
    assert list(dataset.damaged) == [bad] and "does not exist" in dataset.damaged[bad]
    write(tmp_path / "got", {"02_01_poses.npz": smplh()})
    bad.unlink()
    bad.symlink_to(tmp_path / "got/02_01_poses.npz")
    assert not whole(tmp_path).damaged


@pytest.mark.filterwarnings("ignore:AMASS")
def test_a_file_that_could_not_be_read_once_is_looked_at_again(tmp_path):
    write(tmp_path, {SEQUENCE: smplh(), "CMU/02/02_01_poses.npz": smplh()})
    path = tmp_path / SEQUENCE
    good, status = path.read_bytes(), path.stat()
    for content, damaged in ((bytes(len(good)), [path]), (good, [])):  # of one size and time
        path.write_bytes(content)
        os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))
        assert list(whole(tmp_path).damaged) == damaged


def test_damage_behind_a_good_header_is_reported_when_it_is_met(tmp_path):
    write(tmp_path, {SEQUENCE: smplh(), "CMU/02/02_01_poses.npz": smplh()})
    bad = tmp_path / SEQUENCE
    data = bytearray(bad.read_bytes())
    data[2000:2008] = b"damaged!"
    bad.write_bytes(data)
    dataset = whole(tmp_path)
    with pytest.warns(UserWarning, match=r"01_01_poses\.npz: 'poses'"):
        assert [clip.name for clip in dataset.clips()] == ["CMU/02/02_01_poses"]
    assert list(dataset.damaged) == [bad]


def test_records_count_the_frames_of_the_file(tmp_path):
    write(tmp_path, {SEQUENCE: (content := smplh(40)), "KIT/1/a_poses.npz": smplh(40, 30.0)})
    dataset = Amass(tmp_path, fps=25, trim=0.1)
    keys = [record.key for record in dataset]
    assert len(keys) == len(set(keys)) == len(dataset) == 8 + 32
    assert keys[:2] == ["CMU/01/01_01_poses/000004/0", "CMU/01/01_01_poses/000008/0"]
    np.testing.assert_allclose(dataset[1].pose[5], content["poses"][8, 15:18], atol=1e-6)
    assert dataset[1].image is None


def test_the_scan_is_kept_until_a_file_changes(tmp_path):
    write(tmp_path, {SEQUENCE: smplh()})
    seen = []
    for _ in range(2):
        Amass(tmp_path, progress=lambda done, total: seen.append((done, total)))
    assert seen == [(1, 1)]
    write(tmp_path, {SEQUENCE: smplh(9)})
    assert len(whole(tmp_path, progress=lambda done, total: seen.append((done, total)))) == 9
    assert len(seen) == 2


def test_a_folder_that_is_not_amass(tmp_path):
    with pytest.raises(AssetError, match="posegen assets set amass"):
        whole(tmp_path)
    write(tmp_path, {"BMLmovi/s/a_poses.npz": smplh()})
    with pytest.raises(AssetError, match="it has BMLmovi"):
        whole(tmp_path, "test")
    with pytest.raises(UsageError, match="no split 'tset'"):
        whole(tmp_path, "tset")
    with pytest.raises(UsageError, match="trim"):
        whole(tmp_path, trim=0.5)


def claims(shape: str, data: bytes = b"") -> bytes:
    """An npy that declares ``shape``."""
    header = f"{{'descr': '<f8', 'fortran_order': False, 'shape': {shape}, }}".ljust(117) + "\n"
    return b"\x93NUMPY\1\0" + struct.pack("<H", len(header)) + header.encode() + data


def archive(arrays: dict[str, bytes]) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as file:
        for key, data in arrays.items():
            file.writestr(key + ".npy", data)
    return out.getvalue()


def spoil(content, rng, marker):
    """The bytes of a motion file in which something is wrong."""
    content = dict(content)
    keys = ["poses", "trans", *[k for k in content if k.startswith("mocap_f")]]
    key = keys[rng.integers(len(keys))]
    way = rng.integers(8)
    if way == 0:
        del content[key]
    elif way == 1:
        content[key] = np.array([evil(marker)[0], None], dtype=object)
    elif way == 2:
        arrays = {k: claims(str(v.shape), np.asarray(v, "<f8").tobytes()) for k, v in content.items() if k in keys}
        shapes = [f"({2**40}, 156)", f"({10**30}, 156)", "(-1, 156)", "(5,)", "()", "(5, 156, 1)", "[5, 156]"]
        arrays[key] = claims(shapes[rng.integers(len(shapes))], b"\0" * int(rng.integers(2)) * 3 * 2**24)
        return archive(arrays)
    elif way == 3:
        content[key] = np.array(PATHS[rng.integers(len(PATHS))])
    else:
        content[key] = spoil_array(content[key], rng)
    out = io.BytesIO()
    [np.savez, np.savez_compressed][rng.integers(2)](out, **content)
    return out.getvalue()


@pytest.mark.filterwarnings("ignore:AMASS")
def test_200_damaged_data_sets_load_or_name_what_is_wrong(tmp_path):
    rng = np.random.default_rng(0)
    marker, failed = tmp_path / "ran", 0
    for i in range(200):
        content, name = (smplh(), "a_poses.npz") if i % 2 else (smplx(), "a_stageii.npz")
        root = write(tmp_path / str(i), {f"CMU/01/{name}": content})
        path = root / "CMU/01" / name
        path.write_bytes(spoil_bytes(path.read_bytes(), rng) if i % 4 == 0 else spoil(content, rng, marker))

        def read(root=root):
            dataset = whole(root)
            yield from dataset
            yield from dataset.clips()

        failed += outcome(read, root, [name], ["poses", "trans", "mocap_framerate", "mocap_frame_rate"]) is not None
        assert not marker.exists()
    assert 100 < failed < 200
