"""Pretraining: the bank, its truth in a mirror, and training that learns, stops and goes on."""

from __future__ import annotations

import json
import shutil
from contextlib import contextmanager
from dataclasses import fields, replace
from pathlib import Path

import numpy as np
import pytest
import torch
from posegen_mesh.renderer import MeshRenderer
from safetensors import safe_open
from safetensors.torch import load_file

from posegen import losses
from posegen.body import JOINT_SETS
from posegen.errors import AssetError, PosegenError, UsageError
from posegen.geometry import frame, orbit, rotmat_to_rotvec
from posegen.pretrain import bank as banks
from posegen.pretrain import stage
from posegen.pretrain.settings import load
from posegen.pretrain.truth import mirrored, truth_of
from posegen.settings import Selection
from posegen.track import Phase, Track
from posegen.types import Estimate, Marginals

PLAIN = {
    f"appearance.{name}": 0
    for name in ("backgrounds", "brightness", "contrast", "colour", "hue", "shade", "haze", "noise", "blur")
}
SMALL = {
    "estimator.precision": "float32",
    "bank.pictures": 12,
    "bank.validation": 4,
    "bank.size": 64,
    "bank.subjects": ["s1", "s2"],
    "epochs": 2,
    "batch": 4,
    **PLAIN,
}
CPU = torch.device("cpu")


def settings(**changes):
    values = SMALL | {"estimator": "spin"} | {key.replace("__", "."): value for key, value in changes.items()}
    return load({}, [f"{key}={json.dumps(value)}" for key, value in values.items()])


def mesh(subject):
    return MeshRenderer(MeshRenderer.Options(subject=subject))


def opened(folder, chosen):
    motion = stage.make("motion", chosen.motion, CPU)
    photos = stage.make("photos", chosen.photos, CPU)
    return banks.open_bank(folder, chosen, motion, photos, mesh, Track(None))


@pytest.fixture(scope="module", autouse=True)
def one_thread():
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@pytest.fixture(scope="module")
def drawn(tmp_path_factory):
    """A folder, its two banks, and the truth of the first."""
    folder, chosen = tmp_path_factory.mktemp("pretrain") / "bank", settings()
    train, validation = opened(folder, chosen)
    truth = truth_of(train, [mesh(s).body for s in chosen.bank.subjects], "smpl24", 64, 4.0)
    return folder, train, validation, truth


@contextmanager
def ctrl_c(iteration):
    advance = Phase.advance

    def advance_and_stop(self, losses=None, by=1):
        advance(self, losses, by)
        if self.name == "pretrain" and self.iteration >= iteration:
            raise KeyboardInterrupt

    with pytest.MonkeyPatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(Phase, "advance", advance_and_stop)
        yield


def test_the_truth_is_where_the_person_is_drawn(drawn):
    _, train, _, truth = drawn
    assert len(train) == 12 and train.pictures(torch.tensor([3, 0])).shape == (2, 3, 64, 64)
    low, high = truth.points.amin(1), truth.points.amax(1)
    assert (low > truth.box[:, :2] - 1).all() and (high < truth.box[:, 2:] + 1).all()
    s1 = train.subject == 0
    joints = mesh("s1").body.joints(train.theta[s1])
    camera = frame(orbit(train.view[s1], size=64), joints)
    torch.testing.assert_close(camera.project(joints), truth.points[s1], atol=1e-3, rtol=0)


def test_people_have_equal_shares(drawn):
    for bank in drawn[1:3]:
        assert bank.subject.bincount().tolist() == [len(bank) // 2] * 2


def test_people_have_equal_shares_of_whatever_number(tmp_path, monkeypatch):
    monkeypatch.setattr("posegen.pretrain.bank.SHARD", 4)
    train, _ = opened(tmp_path / "bank", settings())
    assert train.subject.bincount().tolist() == [6, 6], "not 8 and 4, which three shards of four would be"


def test_people_are_upright_and_seen_from_chest_height(drawn):
    _, _, _, truth = drawn
    down = truth.root[:, 1, 1]  # of the body's up, in the camera's downward axis
    assert (down < -0.7).all()


def test_a_mirrored_picture_is_drawn_by_the_mirrored_truth(drawn):
    _, train, _, truth = drawn
    other = mirrored(truth, JOINT_SETS["smpl24"], 64)
    back = mirrored(other, JOINT_SETS["smpl24"], 64)
    for field in fields(truth):
        torch.testing.assert_close(getattr(back, field.name), getattr(truth, field.name))
    # the mirrored rotations pose a body whose joints are the mirrored joints, but for how symmetric its skeleton is
    s1 = train.subject == 0
    posed = mesh("s1").body.joints(other.theta[s1]) @ other.root[s1].transpose(1, 2)
    assert (posed - other.joints[s1]).norm(dim=-1).max() < 0.01
    assert (posed - truth.joints[s1]).norm(dim=-1).mean() > 0.1
    # and the mirrored box holds the flipped person
    white = train.pictures(torch.arange(12)).flip(-1)
    contrast = (white.float() - white[:, :, :1, :1]).abs().amax(1)
    person = contrast > 0.6 * contrast.amax((1, 2), keepdim=True)  # no pixel of half a person or less is
    for shown, (x0, y0, x1, y1) in zip(person, other.box.int().tolist(), strict=True):
        assert shown[y0:y1, x0:x1].any() and not shown[:, :x0].any() and not shown[:, x1:].any()


def test_an_interrupted_bank_goes_on_with_the_same_pictures(drawn, tmp_path):
    _, train, _, _ = drawn
    opened(tmp_path / "bank", settings())
    (tmp_path / "bank" / "train-000.safetensors").unlink()
    again, _ = opened(tmp_path / "bank", settings())
    assert torch.equal(again.pictures(torch.arange(12)), train.pictures(torch.arange(12)))
    np.save(tmp_path / "bank" / "train-000.npy", np.zeros((3, 3, 64, 64), np.uint8))
    with pytest.raises(AssetError, match="pictures without labels"):
        opened(tmp_path / "bank", settings())


def test_a_bank_that_cannot_be_read_is_not_to_be_deleted(drawn, tmp_path, monkeypatch):
    folder = shutil.copytree(drawn[0], tmp_path / "bank")
    (folder / "train-000.npy").unlink()
    (folder / "train-000.npy").mkdir()
    with pytest.raises(AssetError, match=r"train-000\.npy cannot be read: Is a directory") as shard:
        opened(folder, settings())

    def denied(self, **_):
        raise PermissionError(13, "Permission denied", str(self))

    monkeypatch.setattr(Path, "read_text", denied)
    with pytest.raises(AssetError, match=r"bank\.json cannot be read: Permission denied") as about:
        opened(folder, settings())
    assert "delete" not in shard.value.hint + about.value.hint


@pytest.mark.parametrize("name", ["train-000.npy", "validation-000.npy"])
def test_a_damaged_shard_is_named_with_its_bank(drawn, tmp_path, name):
    folder = shutil.copytree(drawn[0], tmp_path / "bank")
    (folder / name).write_bytes((folder / name).read_bytes()[:40])
    with pytest.raises(AssetError, match="bank holds a damaged shard"):
        opened(folder, settings())


def test_a_bank_of_other_settings_is_not_taken(drawn, tmp_path):
    folder, *_ = drawn
    with pytest.raises(UsageError, match="a bank of other settings"):
        opened(folder, settings(bank__roll=3))
    (tmp_path / "mine.txt").write_text("mine")
    with pytest.raises(UsageError, match="not empty, and not a bank"):
        opened(tmp_path, settings())


def test_training_learns_what_it_sees(drawn, tmp_path):
    folder, *_ = drawn
    out = tmp_path / "spin.safetensors"
    stage.pretrain(settings(epochs=12, shift=0, zoom=0), out, bank=folder)
    rows = [json.loads(line) for line in (tmp_path / "spin.safetensors.metrics.jsonl").read_text().splitlines()]
    joints = [row["joints"] for row in rows if row["phase"] == "pretrain"]
    assert sum(joints[-3:]) < 0.75 * sum(joints[:3])
    assert not (tmp_path / "spin.safetensors.state").exists()
    with safe_open(out, "pt") as file:
        about = json.loads(file.metadata()["posegen"])
    assert about["weights"] == "open-compact" and about["settings"]["epochs"] == 12
    kinds = {value.dtype for value in load_file(out).values() if value.dim() > 1}
    assert kinds == {torch.float16}
    made = stage.make("estimator", Selection(name="spin", options={"checkpoint": str(out)}), CPU)
    assert made.weights == "open-compact"


@pytest.fixture
def training(drawn):
    """Of a function that takes settings: a SPIN that is about to learn from the bank."""
    _, train, _, truth = drawn

    def begun(**changes):
        chosen = settings(**changes)
        estimator, square = stage._untrained(chosen, CPU)
        joint_set = mesh("s1").body.joint_set("smpl24")
        return stage.Training(estimator, joint_set, train, truth, chosen, square), estimator, square

    return begun


ALONE = dict.fromkeys(("loss__joints", "loss__rotations", "loss__betas", "loss__points", "loss__heatmaps"), 0)


def test_the_loss_of_the_shape_is_the_mean_square_of_what_betas_are_off(drawn, training):
    truth = drawn[3]
    learner, *_ = training(**ALONE | {"loss__betas": 3})
    said = Estimate(truth.joints, betas=truth.betas + 0.2)
    assert learner.loss(said, truth, truth.box)[0].item() == pytest.approx(3 * 0.2**2, rel=1e-4)
    assert learner.loss(Estimate(truth.joints), truth, truth.box)[0].item() == 0


def test_the_loss_of_the_camera_is_how_far_joints_fall_from_their_places_in_the_crop(drawn, training):
    truth = drawn[3]
    learner, _, square = training(**ALONE | {"loss__points": 2})
    centre, side = square(truth.box)
    halves = 2 * (truth.points - centre[:, None]) / side[:, None, None]  # -1 to 1 across the crop
    s, t = 0.8, torch.tensor([0.1, -0.2])
    joints = torch.cat([halves / s - t, truth.joints[..., 2:]], -1)  # those that this camera shows at their places
    camera = torch.tensor([s, *t]).expand(len(truth), 3)
    assert learner.loss(Estimate(joints, camera=camera), truth, truth.box)[0].item() == pytest.approx(0, abs=1e-5)
    moved = camera + torch.tensor([0, 0.3, 0.4])
    loss, _ = learner.loss(Estimate(joints, camera=moved), truth, truth.box)
    assert loss.item() == pytest.approx(2 * s * 0.5, rel=1e-4)


def test_the_loss_of_joints_and_rotations(drawn, training):
    truth = drawn[3]
    learner, *_ = training(**ALONE | {"loss__joints": 2})
    off = truth.joints + torch.tensor([0.3, 0.0, 0.4]) * (torch.arange(24) > 0)[:, None]  # all but the root
    loss, metres = learner.loss(Estimate(off), truth, truth.box)
    assert metres.item() == pytest.approx(0.5 * 23 / 24, rel=1e-4)
    assert loss.item() == pytest.approx(2 * metres.item())
    learner, *_ = training(**ALONE | {"loss__rotations": 1})
    true = Estimate(truth.joints, body_pose=truth.theta, global_orient=rotmat_to_rotvec(truth.root))
    assert learner.loss(true, truth, truth.box)[0].item() == pytest.approx(0, abs=1e-8)
    wrong = replace(true, body_pose=truth.theta + 0.3)
    assert learner.loss(wrong, truth, truth.box)[0].item() > 1e-3


def test_the_first_steps_are_of_halved_crops(training, monkeypatch):
    learner, estimator, _ = training(coarse=0.5, epochs=1, batch=3)
    look, sizes = estimator.predict, []
    monkeypatch.setattr(estimator, "predict", lambda crop: sizes.append(crop.shape[-1]) or look(crop))
    for _ in learner.epoch():
        pass
    assert sizes == [estimator.input_size // 2] * 2 + [estimator.input_size] * 2


def test_heatmaps_are_taught_the_places_that_hybrik_lifts_to_the_truth(drawn):
    """Heatmaps that are least surprised say a place from which HybrIK's own lifting comes back to the true joints."""
    from posegen_hybrik.lifting import EXTENT, lift

    _, train, _, truth = drawn
    chosen = settings(estimator="hybrik")
    estimator, square = stage._untrained(chosen, CPU)
    body = mesh("s1").body
    training = stage.Training(estimator, body.joint_set("smpl24"), train, truth, chosen, square)
    centre, side = square(truth.box)
    logits = [torch.zeros(len(train), 24, 64, requires_grad=True) for _ in range(3)]
    adam = torch.optim.Adam(logits, lr=0.3)
    for _ in range(300):
        adam.zero_grad()
        seen = Marginals(*(x.softmax(-1) for x in logits), extent=2.2)
        labels = training._labels(truth, truth.box)
        losses.heatmaps(Estimate(truth.joints, marginals=seen), labels, training.joint_set).backward()
        adam.step()
    place = torch.stack([x.detach().softmax(-1) @ torch.arange(64.0) / 64 - 0.5 for x in logits], -1)
    depth = side / train.focal * chosen.bank.distance / EXTENT  # where HybrIK's camera shows the crop as large
    middle = (centre - train.centre) / train.focal[:, None] / EXTENT
    lifted = lift(place, depth, 2.2, middle).skeleton
    error = (lifted - (truth.joints - truth.joints[:, :1])).norm(dim=-1)
    assert error.mean() < 0.02 and error.max() < 0.08  # metres; its camera has another focal length


def test_a_resumed_training_equals_an_undisturbed_one(drawn, tmp_path):
    folder, *_ = drawn
    whole, halted = tmp_path / "whole.safetensors", tmp_path / "halted.safetensors"
    stage.pretrain(settings(), whole, bank=folder)
    with ctrl_c(iteration=4):  # one step into the second epoch
        stage.pretrain(settings(), halted, bank=folder)
    with pytest.raises(UsageError, match="interrupted pretraining"):
        stage.pretrain(settings(), halted, bank=folder)
    with pytest.raises(UsageError, match="other settings"):
        stage.pretrain(settings(lr=0.1), halted, bank=folder, resume=True)
    with pytest.raises(UsageError, match=r"halt\.safetensors is of no pretraining to resume") as caught:
        stage.pretrain(settings(), tmp_path / "halt.safetensors", bank=folder, resume=True)
    assert "--out" in caught.value.hint
    stage.pretrain(settings(), halted, bank=folder, resume=True)
    assert whole.read_bytes() == halted.read_bytes()
    with pytest.raises(UsageError, match="there already"):
        stage.pretrain(settings(), halted, bank=folder)


@pytest.mark.parametrize(
    ("spoil", "says"),
    [
        (lambda tensors, about: (tensors, about | {"settings": "{}"}), "was trained with other settings"),
        (lambda tensors, about: ({k: v for k, v in tensors.items() if k != "error"}, about), "lacks 'error'"),
        (lambda tensors, about: (tensors | {"module.fc2.weight": torch.zeros(3)}, about), "fc2.weight"),
    ],
)
def test_a_state_of_something_else_is_not_gone_on_with(drawn, tmp_path, spoil, says):
    out = tmp_path / "w.safetensors"
    with ctrl_c(4):
        stage.pretrain(settings(), out, bank=drawn[0])
    state = tmp_path / "w.safetensors.state"
    content = stage.checkpoint.load_tensors(state, ""), stage.checkpoint.metadata(state)
    stage.checkpoint.save_tensors(state, *spoil(*content))
    with pytest.raises(PosegenError, match=says):
        stage.pretrain(settings(), out, bank=drawn[0], resume=True)
    assert not out.exists()


def test_an_epoch_that_is_repeated_is_validated_once_in_the_log(drawn, tmp_path, monkeypatch):
    out, save = tmp_path / "new" / "w.safetensors", stage._save

    def stop_in_the_second(state, training, error):
        if training.epochs == 2:
            raise KeyboardInterrupt
        save(state, training, error)

    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(stage, "_save", stop_in_the_second)
        stage.pretrain(settings(), out, bank=drawn[0])
    stage.pretrain(settings(), out, bank=drawn[0], resume=True)
    rows = [json.loads(line) for line in (tmp_path / "new" / "w.safetensors.metrics.jsonl").read_text().splitlines()]
    assert [row["iteration"] for row in rows if row["phase"] == "validate"] == [1, 2]


def test_a_folder_that_cannot_be_is_refused_before_anything_is_drawn(tmp_path):
    (tmp_path / "file").touch()
    out = tmp_path / "out" / "w.safetensors"
    with pytest.raises(UsageError, match=r"w\.safetensors cannot be written: a file is where a folder is needed"):
        stage.pretrain(settings(), tmp_path / "file" / "w.safetensors", bank=tmp_path / "bank")
    with pytest.raises(UsageError, match="file is not empty, and not a bank"):
        stage.pretrain(settings(), out, bank=tmp_path / "file")
    assert [p.name for p in tmp_path.iterdir()] == ["file"]


@pytest.mark.parametrize(
    ("wrong", "says"),
    [
        ({"bank__subjects": ["s1", "nobody"]}, "nobody"),
        ({"start": "none.safetensors"}, "none.safetensors does not exist"),
    ],
)
def test_what_cannot_be_is_refused_before_a_bank_is_begun(tmp_path, wrong, says):
    """A bank of wrong settings would refuse the right ones later."""
    with pytest.raises(PosegenError, match=says):
        stage.pretrain(settings(**wrong), tmp_path / "out" / "w.safetensors", bank=tmp_path / "bank")
    assert not list(tmp_path.iterdir())


def test_a_start_from_another_estimators_backbone(drawn, tmp_path):
    folder, *_ = drawn
    spin, cliff = tmp_path / "spin.safetensors", tmp_path / "cliff.safetensors"
    stage.pretrain(settings(epochs=1), spin, bank=folder)
    chosen = settings(estimator="cliff", start=str(spin), lr=1e-9, epochs=1)
    stage.pretrain(chosen, cliff, bank=folder)
    given, taken = load_file(spin), load_file(cliff)
    for name in ("conv1.weight", "layer4.1.conv2.weight"):
        assert torch.equal(given[name], taken[f"encoder.{name}"])
    assert torch.equal(given["fc2.weight"], taken["fc2.weight"])
    strange = tmp_path / "strange.safetensors"
    stage.checkpoint.save_tensors(strange, {"a.b": torch.zeros(2)})
    with pytest.raises(UsageError, match="shares no layer"):
        stage.pretrain(settings(start=str(strange)), tmp_path / "x.safetensors", bank=folder)


def test_a_layer_is_not_taken_for_another():
    """Without its first part, layer3.1.conv1.weight would be layer4.1.conv1.weight's name."""
    assert stage._aliases("layer4.1.conv1.weight") == ["layer4.1.conv1.weight"]
    assert stage._aliases("encoder.layer4.1.conv1.weight")[1:] == ["layer4.1.conv1.weight"]
    assert stage._aliases("fc2.weight") == ["fc2.weight"]


def test_of_several_starts_the_later_wins(drawn, tmp_path):
    folder, *_ = drawn
    spin, hybrik, both = (tmp_path / f"{name}.safetensors" for name in ("spin", "hybrik", "both"))
    stage.pretrain(settings(epochs=1), spin, bank=folder)
    stage.pretrain(settings(estimator="hybrik", epochs=1), hybrik, bank=folder)
    stage.pretrain(settings(start=[str(spin), str(hybrik)], lr=1e-9, epochs=1), both, bank=folder)
    own, backbone, taken = load_file(spin), load_file(hybrik), load_file(both)
    assert torch.equal(taken["fc2.weight"], own["fc2.weight"])
    assert torch.equal(taken["conv1.weight"], backbone["preact.conv1.weight"])
    assert not torch.equal(own["conv1.weight"], backbone["preact.conv1.weight"])


def test_it_does_not_start_from_a_checkpoint_unasked(tmp_path):
    with pytest.raises(UsageError, match=r"not from estimator\.checkpoint") as caught:
        chosen = load({"--estimator": ("estimator", "spin")}, ["estimator.checkpoint=spin.pt"])
        stage.pretrain(chosen, tmp_path / "x.safetensors", bank=tmp_path / "bank")
    assert "start=" in caught.value.hint


def test_an_estimator_that_has_no_random_weights_says_so(tmp_path):
    with pytest.raises(UsageError, match="'blazepose' cannot start from random weights"):
        chosen = load({"--estimator": ("estimator", "blazepose")}, [])
        stage.pretrain(chosen, tmp_path / "x.safetensors", bank=tmp_path / "bank")
