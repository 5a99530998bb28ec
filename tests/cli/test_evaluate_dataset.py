"""``posegen evaluate --dataset`` and ``posegen viewpoints`` as a user types them, on a generated dataset."""

import json

import numpy as np
import pytest
import torch
from PIL import Image

from posegen.datasets.generated import Samples, save
from posegen.geometry import uniform_sphere


@pytest.fixture
def folder(tmp_path):
    """Six grey people; what they are labelled with does not matter here."""
    n, rng = 6, torch.Generator().manual_seed(0)
    image = torch.full((n, 3, 64, 64), 128, dtype=torch.uint8)
    samples = Samples(
        image=image,
        alpha=torch.full((n, 1, 64, 64), 255, dtype=torch.uint8),
        box=torch.tensor([8.0, 8, 56, 56]).repeat(n, 1),
        theta=torch.zeros(n, 23, 3),
        view=uniform_sphere(n, rng),
        truth=torch.randn(n, 33, 3, generator=rng),
        error=torch.zeros(n),
    )
    save(samples, tmp_path / "round-0", joint_set="blazepose33")
    return tmp_path / "round-0"


def test_evaluate_on_a_generated_dataset(posegen, folder, tmp_path):
    out = tmp_path / "out"
    ended = posegen("evaluate", "--dataset", f"generated:{folder}", "--out", str(out), "--save-predictions")
    assert ended.code == 0
    assert "protocol generated/limbs: not an official number" in ended.out
    result = json.loads((out / "result.json").read_text())
    assert result["people"] == 6
    with np.load(out / "predictions.npz") as archive:
        assert archive["joints"].shape == (6, 33, 3)
    again = posegen("evaluate", "--dataset", f"generated:{folder}", "--out", str(out))
    assert (again.code, "--resume" in again.err) == (2, True)


def test_viewpoints_of_two_datasets(posegen, folder, tmp_path):
    out = tmp_path / "vp"
    ended = posegen(
        "viewpoints", "--dataset", f"generated:{folder}", "--dataset", f"generated:{folder}", "--out", str(out)
    )
    assert ended.code == 0
    assert "generated round-0" in ended.out
    assert {p.name for p in out.iterdir()} == {
        "generated-round-0.npz", "generated-round-0-2.npz", "viewpoints.png"}  # fmt: skip
    with Image.open(out / "viewpoints.png") as picture:
        assert picture.width > 1200


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("evaluate", "--split", "test"), ("--split is for a dataset", "--dataset 3dpw")),
        (("evaluate", "--dataset", "3dpw", "--resume"), ("--resume needs a folder", "--out FOLDER")),
        (("evaluate", "--dataset", "3dwp"), ("no dataset '3dwp'", "did you mean '3dpw'?")),
        (("evaluate", "--dataset", "3dpw", "--protocol", "3dpw/spn"), ("no protocol '3dpw/spn'", "3dpw/spin")),
        (("evaluate", "--dataset", "npz:x.npz", "--device", "warp"), ("device 'warp' cannot be used", "--device cpu")),
        (("evaluate", "--dataset", "surreal:nowhere"), ("'surreal' has no images to judge", "--dataset 3dpw")),
        (("evaluate", "--dataset", "npz"), ("no registered place", "npz:PATH")),
        (("viewpoints", "--dataset", "npz:x.npz", "--axes", "hips"), ("--axes 'hips'", "joints, pelvis")),
    ],
)
def test_wrong_usage(posegen, arguments, words):
    ended = posegen(*arguments)
    assert ended.code == 2
    assert all(word in ended.err for word in words)


def test_a_dataset_that_is_not_registered_names_the_command(posegen):
    ended = posegen("evaluate", "--dataset", "3dpw", "--split", "test")
    assert ended.code == 3
    assert "posegen assets set 3dpw PATH" in ended.err
