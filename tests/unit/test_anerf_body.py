"""The body that a subject's labels come from."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from anerf_people import SMALL, person
from posegen_anerf.body import body_of
from posegen_anerf.renderer import AnerfRenderer
from posegen_anerf.rest_pose import surreal
from smpl_files import smpl

from posegen import assets
from posegen.errors import AssetError, UsageError

CPU = torch.device("cpu")
POSE = 0.4 * torch.randn(2, 23, 3, generator=torch.Generator().manual_seed(0))


@pytest.fixture(autouse=True)
def own_folders(monkeypatch, tmp_path):
    monkeypatch.setenv("POSEGEN_CONFIG_DIR", str(tmp_path / "config"))


def official():
    made = person(SMALL, body="smpl")
    made.rest_joints = surreal()
    return made


def test_an_open_subject_has_the_open_body_of_its_shape():
    made = person()
    body = body_of(made, "p", CPU)
    assert "blazepose33" in body.joint_sets
    torch.testing.assert_close(body.rest_joints, made.rest_joints)
    made.betas = torch.linspace(-1, 1, 10)
    with pytest.raises(AssetError, match=r"the joints of subject 'p' lie [\d.]+ mm from those of the open body"):
        body_of(made, "p", CPU)


def test_without_smpl_an_official_subject_is_a_skeleton():
    body = body_of(official(), "p", CPU)
    torch.testing.assert_close(body.rest_joints, surreal(), atol=1e-6, rtol=0)
    assert "smpl24" in body.joint_sets and "blazepose33" not in body.joint_sets
    joints = body.joints(POSE)
    lengths = (joints[:, 4] - joints[:, 1]).norm(dim=-1)
    torch.testing.assert_close(lengths, (surreal()[4] - surreal()[1]).norm().expand(2), atol=1e-5, rtol=0)
    with pytest.raises(UsageError, match="posegen assets set smpl-neutral PATH"):
        body.joints(POSE, joint_set="blazepose33")


def test_with_smpl_its_skin_is_carried_onto_the_subjects_joints(tmp_path):
    model = smpl(240)
    np.savez(tmp_path / "SMPL_NEUTRAL.npz", **model)
    assets.register("smpl-neutral", tmp_path / "SMPL_NEUTRAL.npz")
    body = body_of(official(), "p", CPU)
    assert body.vertices(POSE).shape == (2, 240, 3)
    torch.testing.assert_close(body.rest_joints, surreal(), atol=1e-5, rtol=0)
    plain = body_of(person(SMALL, body="skeleton"), "p", CPU)
    assert plain.faces.shape == (0, 3)  # a bare skeleton stays one
    (tmp_path / "SMPL_NEUTRAL.npz").unlink()
    with pytest.raises(AssetError, match="which is not there"):
        body_of(official(), "p", CPU)


def test_the_renderer_draws_on_its_body(tmp_path):
    made = official()
    made.save(tmp_path / "p.safetensors")
    drawn = AnerfRenderer(AnerfRenderer.Options(subject=str(tmp_path / "p.safetensors"), march="reference"))
    torch.testing.assert_close(drawn.body.rest_joints, made.rest_joints, atol=1e-6, rtol=0)
