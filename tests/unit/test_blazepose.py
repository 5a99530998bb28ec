"""BlazePose as an estimator: what it sees, where its weights come from, how it is trained."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from blob_parts import body, rng
from posegen_blazepose.estimator import BlazePose
from posegen_blazepose.network import VARIANTS, BlazePoseNet
from posegen_blazepose.weights import load_published
from posegen_starter.files import weights_path
from posegen_starter.photos import StarterPhotos
from safetensors.torch import load_file, save_file
from torch import Tensor

from posegen.banks import Bank
from posegen.body import JOINT_SETS
from posegen.errors import AssetError
from posegen.finetune import Finetuning
from posegen.geometry import resample
from posegen.labels import Labels
from posegen.looks import turned as turned_back
from posegen.settings import FinetuneSettings, RetainSettings
from posegen.types import Estimate


@pytest.fixture(scope="module")
def estimator() -> BlazePose:
    return BlazePose(BlazePose.Options())


@pytest.fixture(scope="module")
def people() -> tuple[Tensor, Tensor]:
    """Seven photographs and a stronger model's joints."""
    photos = StarterPhotos(StarterPhotos.Options())
    return photos.people("train")[::7], photos.people_joints("train")[1][::7]


def centred(joints: Tensor) -> Tensor:
    hips = list(JOINT_SETS["blazepose33"].root)
    return joints - joints[:, hips].mean(1, keepdim=True)


def distance(a: Tensor, b: Tensor) -> float:
    return float((centred(a) - centred(b)).norm(dim=-1).mean())


@torch.no_grad()
def test_real_people_are_seen_as_a_stronger_model_sees_them(estimator, people) -> None:
    image, teacher = people
    joints = estimator.predict(image).joints
    near = distance(joints, teacher)
    assert near < 0.15
    for axis in range(3):  # a mistaken axis would be much further off
        mirrored = joints * torch.tensor([-1.0 if i == axis else 1.0 for i in range(3)])
        assert distance(mirrored, teacher) > 1.5 * near


@torch.no_grad()
def test_full_is_nearer_to_the_stronger_model_than_lite(estimator, people) -> None:
    image, teacher = people
    full = BlazePose(BlazePose.Options(variant="full"))
    assert distance(full.predict(image).joints, teacher) < distance(estimator.predict(image).joints, teacher)


@torch.no_grad()
def test_an_aligned_crop_undoes_a_turn_of_the_image(estimator, people) -> None:
    image = people[0]
    n, size = len(image), image.shape[-1]
    angle = torch.linspace(-2.5, 2.5, n)
    centre, side = torch.full((n, 2), size / 2), torch.full((n,), float(size))
    turned = resample(image, centre, side, size, angle=-angle)  # the person now leans clockwise by ``angle``
    box = torch.tensor([[0.0, 0.0, size, size]]).expand(n, 4)
    upright = estimator.predict(estimator.crop(image, box))
    aligned = estimator.predict(estimator.crop(turned, box, angle), angle)
    expected = turned_back(upright, angle).joints
    assert distance(aligned.joints, expected) < 0.03
    assert distance(estimator.predict(estimator.crop(turned, box)).joints, expected) > 0.2


@torch.no_grad()
def test_a_second_look_at_people_who_lie_sees_them_better(estimator, people) -> None:
    image, teacher = people
    n, size = len(image), image.shape[-1]
    angle = torch.linspace(-1.5, 1.5, n)
    centre, side = torch.full((n, 2), size / 2), torch.full((n,), float(size))
    turned = resample(image, centre, side, size, angle=-angle)
    true = turned_back(Estimate(teacher), angle).joints
    twice = BlazePose(BlazePose.Options(looks=2))
    assert distance(twice.predict(turned).joints, true) < 0.9 * distance(estimator.predict(turned).joints, true)


def test_gradient_reaches_the_image_and_every_used_parameter(people) -> None:
    estimator = BlazePose(BlazePose.Options())
    image = people[0][:2].clone().requires_grad_()
    box = torch.tensor([[20.0, 10.0, 230.0, 250.0]]).expand(2, 4)
    estimator.predict(estimator.crop(image, box)).joints.square().sum().backward()
    assert image.grad is not None and (image.grad.abs().amax((1, 2, 3)) > 0).all()
    idle = {name for name, p in estimator.module.named_parameters() if p.grad is None or not p.grad.any()}
    assert idle == {"screen.weight", "screen.bias", "person.weight", "person.bias"}
    assert all(p.dtype == torch.float32 for p in estimator.module.parameters())


def test_training_at_its_own_pace_lowers_the_loss(people) -> None:
    """The optimiser, the rate and the frozen layers of the estimator, one step an epoch."""
    estimator = BlazePose(BlazePose.Options())
    image, teacher = people
    settings = FinetuneSettings(epochs=8, d=10.0, scale_aligned=False, mirror=0.0)
    tuning = Finetuning(
        estimator, body().joint_set("blazepose33"), replay=None, recall=[], settings=settings, retain=RetainSettings()
    )
    assert set(tuning.optimizers) == {"adam", "muon"}
    pool = Bank(lambda index, _: image[index], Labels.of_joints(teacher), 0, rng())
    losses = [step.loss.item() for _ in range(8) for step in tuning.epoch(pool, rng())]
    assert len(losses) == 8 and losses[2] < losses[0] and losses[7] < 0.9 * losses[0]


def checkpoint(path: Path, variant: str = "lite", **changes: Tensor | None) -> Path:
    """A checkpoint of random weights, with tensors replaced or (None) left out."""
    torch.manual_seed(3)
    state = {**BlazePoseNet(variant).state_dict(), **changes}
    save_file({name: tensor.contiguous() for name, tensor in state.items() if tensor is not None}, path)
    return path


@torch.no_grad()
def test_finetuned_weights_come_back(tmp_path, people) -> None:
    path = checkpoint(tmp_path / "tuned.safetensors")
    tuned = BlazePose(BlazePose.Options(checkpoint=path))
    again = tmp_path / "again.safetensors"
    save_file({k: v.contiguous() for k, v in tuned.module.state_dict().items()}, again)
    joints = tuned.predict(people[0][:2]).joints
    assert torch.equal(BlazePose(BlazePose.Options(checkpoint=again)).predict(people[0][:2]).joints, joints)
    assert load_file(path)["trunk.3.depthwise.weight"].equal(tuned.module.trunk[3].depthwise.weight)


def test_a_checkpoint_says_which_variant_it_is_of(tmp_path) -> None:
    for variant in VARIANTS:
        path = checkpoint(tmp_path / "tuned.safetensors", variant)
        for asked in VARIANTS:
            made = BlazePose(BlazePose.Options(checkpoint=path, variant=asked)).module
            assert torch.equal(made.stem_project.weight, load_file(path)["stem_project.weight"])


def test_a_checkpoint_that_does_not_fit_names_the_first_difference(tmp_path) -> None:
    path = tmp_path / "tuned.safetensors"
    for changes, message in (
        ({"world.bias": None}, r"it lacks 'world.bias'"),
        ({"world.bias": torch.zeros(116)}, r"'world.bias' has shape \(116,\), not \(117,\)"),
        ({"head.9.weight": torch.zeros(1)}, r"it holds 'head.9.weight', which the network has not"),
        ({"world.bias": torch.full((117,), torch.nan)}, r"'world.bias' holds values that are not finite"),
    ):
        with pytest.raises(AssetError, match=message):
            BlazePose(BlazePose.Options(checkpoint=checkpoint(path, **changes)))


def test_a_damaged_checkpoint_is_an_asset_error(tmp_path) -> None:
    whole = checkpoint(tmp_path / "whole.safetensors").read_bytes()
    path = tmp_path / "damaged.safetensors"
    for content in (b"", whole[:7], whole[:5000], whole[: len(whole) // 2], b"\xff" * 1000, b"PK\x03\x04" + whole):
        path.write_bytes(content)
        with pytest.raises(AssetError, match="is not a whole safetensors file"):
            BlazePose(BlazePose.Options(checkpoint=path))
    for missing, message in ((tmp_path / "nowhere.safetensors", "does not exist"), (tmp_path, "cannot be read")):
        with pytest.raises(AssetError, match=message):
            BlazePose(BlazePose.Options(checkpoint=missing))


def test_the_weights_of_another_estimator_name_it(tmp_path) -> None:
    path = tmp_path / "spin.safetensors"
    save_file({"conv1.weight": torch.zeros(1), "decpose.weight": torch.zeros(1)}, path)
    with pytest.raises(AssetError, match="is a checkpoint of spin, not of blazepose") as caught:
        BlazePose(BlazePose.Options(checkpoint=path))
    assert caught.value.hint == f"--estimator spin --set estimator.checkpoint={path}"


def test_a_graph_that_is_not_the_network_is_an_asset_error(tmp_path) -> None:
    weights = weights_path("blazepose_lite")
    graph = json.loads(weights.with_suffix(".json").read_text())
    convolutions = [op for op in graph["ops"] if op["op"] == "conv"]

    def load(content: str) -> None:
        path = tmp_path / "graph.json"
        path.write_text(content)
        load_published(BlazePoseNet("lite"), path, weights)

    load(json.dumps(graph))  # whole
    for content, message in (
        ("{", "cannot read the graph"),
        ("[]", "is not a posegen-conv-graph-1 graph"),
        (json.dumps({**graph, "format": "other"}), "the format is 'other'"),
        (json.dumps({**graph, "ops": convolutions[:-1]}), "65 convolutions, the network has 66"),
        (json.dumps({**graph, "ops": [{**convolutions[0], "stride": 1}, *convolutions[1:]]}), "stem has kernel"),
        (json.dumps({**graph, "ops": [{**convolutions[0], "weight": "w0"}, *convolutions[1:]]}), "'w0' is missing"),
    ):
        with pytest.raises(AssetError, match=message):
            load(content)
    with pytest.raises(AssetError, match="convolutions"):
        load_published(BlazePoseNet("full"), weights.with_suffix(".json"), weights)
