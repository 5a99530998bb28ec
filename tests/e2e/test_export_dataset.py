"""``posegen export-dataset``: what a run drew, read back as SPIN's and 4D-Humans' files are."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from posegen_anerf.sources import subject_file
from posegen_anerf.subject import NerfSubject

from posegen.body.joints import JOINT_SETS
from posegen.datasets import generated
from posegen.datasets.generated_records import Generated
from posegen.datasets.npz import Npz
from posegen.errors import UsageError
from posegen.export.dataset import export
from posegen.run import generate
from posegen.settings import AppearanceSettings

from .tiny import settings

SPIN24, SMPL24 = JOINT_SETS["spin24"], JOINT_SETS["smpl24"]
LIMBS = 12  # the first joints of spin24
COMPANY = {  # ten pictures of s1 and of two others
    "renderer__subject": "s1",
    "loop__others": ["s3", "s5"],
    "loop__company": 0.6,
    "loop__samples": 10,
    "camera__size": 128,
}


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("run")
    generate(settings(**COMPANY), folder)
    return folder


@pytest.fixture(scope="module", params=["spin", "4d-humans"])
def exported(request: pytest.FixtureRequest, run: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    plain = {f"appearance__{name}": 0 for name in AppearanceSettings.model_fields if name != "wall"}
    file = export(
        settings(**COMPANY, **plain, appearance__wall="white"), run, tmp_path_factory.mktemp("out"), request.param
    )
    assert file.stem == request.param
    return file


def test_a_run_knows_who_stands_in_its_pictures(run: Path) -> None:
    folder = run / "dataset" / "round-0"
    samples = generated.load(folder, joint_set="smpl24")
    assert generated.people(folder) == ["s1", "s3", "s5"]
    assert samples.person.tolist() == [0] * 4 + [1] * 3 + [2] * 3
    seen = (samples.truth + samples.pelvis[:, None]) @ samples.intrinsics.transpose(-1, -2)
    torch.testing.assert_close(seen[..., :2] / seen[..., 2:], samples.points, atol=1e-3, rtol=0)


def test_what_is_read_back_is_what_was_drawn(run: Path, exported: Path) -> None:
    drawn, found = Generated(run / "dataset" / "round-0"), Npz(exported)
    samples = generated.load(run / "dataset" / "round-0", joint_set="smpl24")
    assert len(found) == len(drawn) == 10
    for i, (record, original) in enumerate(zip(found, drawn, strict=True)):
        assert record.joint_set == "spin24" and record.joints is not None and record.keypoints is not None
        assert record.visible is not None and record.visible[: LIMBS + 2].all() and record.visible[19:].all()
        assert not record.visible[14:19].any()  # pelvis, thorax, spine, jaw and head of their own definitions
        limbs, smpl = record.joints[list(SPIN24.limbs)], samples.truth[i, list(SMPL24.limbs)]
        assert (limbs - smpl).norm(dim=-1).max() < 0.11  # SPIN's hips lie lower than SMPL's
        assert (limbs - smpl).norm(dim=-1)[[0, 1, 3, 4, 6, 7]].max() < 0.05  # ankles, knees, wrists, elbows
        pixels = (record.joints + samples.pelvis[i]) @ samples.intrinsics[i].T
        shown = record.visible
        torch.testing.assert_close((pixels[:, :2] / pixels[:, 2:])[shown], record.keypoints[shown], atol=1e-2, rtol=0)
        assert record.box is not None and original.box is not None
        middle, side = ((b[:2] + b[2:]) / 2 for b in (record.box, original.box)), original.box[2:] - original.box[:2]
        torch.testing.assert_close(*middle, atol=1e-3, rtol=0)
        torch.testing.assert_close(record.box[3] - record.box[1], side.max(), atol=1e-3, rtol=0)


def test_poses_are_true_and_no_shape_is_claimed(run: Path, exported: Path) -> None:
    file, drawn = np.load(exported), Generated(run / "dataset" / "round-0")
    poses = torch.stack([record.pose for record in drawn if record.pose is not None]).flatten(1)
    key, flag = ("pose", "has_smpl") if exported.stem == "spin" else ("body_pose", "has_betas")
    torch.testing.assert_close(torch.from_numpy(file[key]), poses)
    assert not file[flag].any()
    fits = exported.with_name("spin_fits.npy")
    if exported.stem == "spin":
        assert np.load(fits).shape == (10, 82)
        assert np.array_equal(np.load(fits), np.hstack([file["pose"], file["shape"]]))
    else:
        assert file["has_body_pose"].all() and not fits.exists()


def test_limbs_lie_on_the_person_in_the_pictures(exported: Path) -> None:
    on = []
    for record in Npz(exported):
        assert record.image is not None and record.keypoints is not None
        picture = np.asarray(Image.open(record.image))
        assert picture.shape == (128, 128, 3)
        x, y = record.keypoints[:LIMBS].long().T
        on.append((picture[y, x].min(-1) < 240).mean())
    assert np.mean(on) > 0.95


def test_the_command(run: Path, tmp_path: Path, command) -> None:
    ended = command("export-dataset", str(run), "-o", str(tmp_path / "out"), "--set", "appearance.backgrounds=0")
    assert ended.returncode == 0 and "out/4d-humans.npz" in ended.stdout
    assert len(list((tmp_path / "out" / "images").iterdir())) == 10
    for source, out, says in (
        (run, tmp_path / "out", "is there already"),
        (tmp_path / "out", tmp_path / "new", "is not the folder of a run"),
    ):
        ended = command("export-dataset", str(source), "-o", str(out))
        assert ended.returncode == 2 and says in ended.stderr
    assert not (tmp_path / "new").exists()


def test_people_without_these_joints_are_refused_before_anything_is_written(
    tmp_path: Path,
) -> None:
    """Somebody who was fitted with ``rest_joints`` alone."""
    subject = NerfSubject.load(subject_file("s0"))
    replace(subject, body="skeleton", betas=None).save(tmp_path / "me.safetensors")
    drawn = settings(renderer="anerf", renderer__subject=str(tmp_path / "me.safetensors"), loop__real=1)
    generate(drawn, tmp_path / "run")
    with pytest.raises(UsageError, match="gives neither") as caught:
        export(drawn, tmp_path / "run", tmp_path / "out", "spin")
    assert "betas" in caught.value.hint and not (tmp_path / "out").exists()


def test_a_run_that_drew_nothing_yet(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="has no generated samples"):
        export(settings(), tmp_path, tmp_path / "out", "spin")
    assert not (tmp_path / "out").exists()
