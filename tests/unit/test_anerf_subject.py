"""The file of a subject: what is saved is loaded, and what cannot be used is said by file and key."""

from __future__ import annotations

import json

import pytest
import torch
from anerf_people import SMALL, person
from posegen_anerf.config import FieldConfig
from posegen_anerf.field import Field
from posegen_anerf.sources import open_subject
from posegen_anerf.subject import FORMAT, NerfSubject
from safetensors import safe_open
from safetensors.torch import save_file

from posegen.errors import AssetError, PosegenError, UsageError


@pytest.fixture(scope="module")
def subject():
    made = person()
    made.betas, made.margins = torch.linspace(-1, 1, 10), torch.rand(30, generator=torch.Generator().manual_seed(0))
    return made


def states(subject):
    return subject.fine.state_dict(), subject.coarse.state_dict()


@pytest.mark.parametrize("half", [False, True])
def test_what_is_saved_is_loaded(tmp_path, subject, half):
    path = tmp_path / "folder" / "s.safetensors"
    subject.save(path, half=half)
    back = NerfSubject.load(path)
    for ours, theirs in zip(states(subject), states(back), strict=True):
        assert ours.keys() == theirs.keys()
        for key in ours:
            torch.testing.assert_close(theirs[key], ours[key], atol=1e-4, rtol=1e-3 if half else 0)
            assert half or theirs[key].equal(ours[key])
    assert back.config == subject.config
    assert (back.body, back.source) == ("open", {"made": "by hand"})
    for name in ("rest_joints", "betas", "margins"):
        assert getattr(back, name).equal(getattr(subject, name))
    assert not any(p.requires_grad for p in back.fine.parameters())
    assert {p.name for p in path.parent.iterdir()} == {path.name}


def test_half_is_half(tmp_path, subject):
    for half in (False, True):
        subject.save(tmp_path / f"{half}", half=half)
    assert (tmp_path / "True").stat().st_size < 0.7 * (tmp_path / "False").stat().st_size


def test_one_network_and_no_betas(tmp_path):
    person(SMALL.model_copy(update={"single": True}), body="skeleton").save(tmp_path / "s.safetensors")
    back = NerfSubject.load(tmp_path / "s.safetensors")
    assert back.coarse is None and back.betas is None and back.margins is None and back.body == "skeleton"


def test_frame_codes(tmp_path):
    config = SMALL.model_copy(update={"framecode_size": 4, "framecodes": 5})
    person(config).save(tmp_path / "s.safetensors")
    codes = NerfSubject.load(tmp_path / "s.safetensors").fine.framecodes.codes.weight
    assert codes.shape == (5, 4)
    with pytest.raises(UsageError, match="how many frames"):
        Field(SMALL.model_copy(update={"framecode_size": 4}))


def rewritten(path, change, about=None):
    """The file with ``change`` made to its tensors."""
    with safe_open(path, framework="pt") as file:
        metadata, tensors = file.metadata(), {key: file.get_tensor(key) for key in file.keys()}  # noqa: SIM118
    change(tensors)
    save_file(tensors, path, metadata if about is None else {**metadata, **about})


def broken(tensors):
    tensors["fine.pts_linears.1.bias"] = torch.full_like(tensors["fine.pts_linears.1.bias"], torch.nan)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda t: t.pop("fine.alpha_linear.weight"), "lacks the key 'fine.alpha_linear.weight'"),
        (lambda t: t.pop("coarse.tau"), "lacks the key 'coarse.tau'"),
        (lambda t: t.pop("rest_joints"), "lacks the key 'rest_joints'"),
        (lambda t: t.update({"fine.extra": torch.zeros(1)}), "unexpected key 'fine.extra'"),
        (lambda t: t.update({"extra": torch.zeros(1)}), "unexpected key 'extra'"),
        (lambda t: t.update({"fine.alpha_linear.bias": torch.zeros(2)}), r"'fine.alpha_linear.bias' of shape \(2,\)"),
        (lambda t: t.update({"betas": torch.zeros(11)}), r"'betas' of shape \(11,\)"),
        (lambda t: t.update({"margins": torch.zeros(2, 2)}), r"'margins' of shape \(2, 2\)"),
        (broken, "'fine.pts_linears.1.bias' that are not finite"),
    ],
)
def test_every_key_is_accounted_for(tmp_path, subject, change, said):
    path = tmp_path / "s.safetensors"
    subject.save(path)
    rewritten(path, change)
    with pytest.raises(AssetError, match=said) as caught:
        NerfSubject.load(path)
    assert str(path) in str(caught.value) and caught.value.hint is not None


@pytest.mark.parametrize(
    ("about", "said"),
    [
        ({"format": "another 2"}, "its format is 'another 2'"),
        ({"config": "{"}, "unreadable metadata"),
        ({"config": json.dumps({"width": -1})}, "unreadable metadata"),
        ({"config": json.dumps({"width": 10**9})}, "unreadable metadata"),
        ({"source": "["}, "unreadable metadata"),
        ({"body": "robot"}, "unknown body 'robot'"),
    ],
)
def test_metadata(tmp_path, subject, about, said):
    path = tmp_path / "s.safetensors"
    subject.save(path)
    rewritten(path, lambda tensors: None, about)
    with pytest.raises(AssetError, match=said):
        NerfSubject.load(path)


def test_a_person_of_whom_there_is_a_mesh_alone():
    with pytest.raises(UsageError, match="nobody fitted a NeRF of 's3' yet") as caught:
        open_subject("s3")
    assert "posegen fit anerf --subject s3" in caught.value.hint and "--renderer mesh" in caught.value.hint


def test_files_that_are_no_subjects(tmp_path, subject):
    path = tmp_path / "s.safetensors"
    with pytest.raises(AssetError, match="does not exist"):
        NerfSubject.load(path)
    subject.save(path)
    content = path.read_bytes()
    for damaged in (content[:100], content[:-5], b"", b"<html>log in</html>", content[:5000] + content[6000:]):
        path.write_bytes(damaged)
        with pytest.raises(AssetError, match="cannot be read as safetensors"):
            NerfSubject.load(path)
    save_file({"a": torch.zeros(1)}, path)
    with pytest.raises(AssetError, match=f"not an A-NeRF subject.*'unknown'\nhint: '{FORMAT}'"):
        NerfSubject.load(path)


def test_a_place_that_cannot_be_written(tmp_path, subject):
    (tmp_path / "file").write_text("")
    with pytest.raises(PosegenError, match="could not be written"):
        subject.save(tmp_path / "file" / "s.safetensors")


def test_weights_come_from_the_generator_alone():
    """Building a field draws nothing from torch's global generator, and one seed gives one field."""
    before = torch.random.get_rng_state()
    one, two, three = (Field(FieldConfig(width=8)).initialise(torch.Generator().manual_seed(s)) for s in (1, 1, 2))
    assert torch.random.get_rng_state().equal(before)
    assert all(one.state_dict()[k].equal(two.state_dict()[k]) for k in one.state_dict())
    assert not one.alpha_linear.weight.equal(three.alpha_linear.weight)
