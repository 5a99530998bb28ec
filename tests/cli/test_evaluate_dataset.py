"""``posegen evaluate --dataset`` and ``posegen viewpoints`` as a user types them, on a generated dataset."""

import json
from pathlib import Path

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
        points=torch.zeros(n, 33, 2),
        intrinsics=torch.eye(3).repeat(n, 1, 1),
        pelvis=torch.zeros(n, 3),
        person=torch.zeros(n).long(),
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
    assert [line.split("  ")[0] for line in ended.out.splitlines() if line.startswith("✓")] == [
        "✓ generated round-0", "✓ generated round-0 2"]  # fmt: skip


def test_viewpoints_write_over_nothing(posegen, folder, tmp_path):
    (tmp_path / "vp").mkdir()
    (tmp_path / "vp" / "mine.npz").write_text("")
    ended = posegen("viewpoints", "--dataset", f"generated:{folder}", "--out", str(tmp_path / "vp"))
    assert (ended.code, "vp is not empty" in ended.err, "another --out" in ended.err) == (2, True, True)
    assert [p.name for p in (tmp_path / "vp").iterdir()] == ["mine.npz"]


def test_the_folder_of_a_run_in_place_of_its_dataset(posegen, folder, monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "r" / "dataset").mkdir(parents=True)
    folder.rename(tmp_path / "r" / "dataset" / "round-0")
    right = Path("r/dataset/round-0")
    for verb, start in (("viewpoints", "generated:"), ("evaluate", "generated:"), ("finetune", "")):
        ended = posegen(verb, "--dataset", f"{start}r")
        assert ended.code == 3
        assert "error: r has no dataset.json" in ended.err
        assert f"hint: give {start}{right}" in ended.err
    ended = posegen("finetune", "--dataset", "nix")
    assert (ended.code, "error: nix does not exist" in ended.err, "delete" in ended.err) == (3, True, False)
    assert [p.name for p in tmp_path.iterdir() if p.name != "config"] == ["r"]


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("evaluate", "--split", "test"), ("--split is for a dataset", "--dataset 3dpw")),
        (("evaluate", "--batch", "8"), ("--batch is for a dataset", "--dataset 3dpw")),
        (("evaluate", "--workers", "0"), ("--workers is for a dataset", "--dataset 3dpw")),
        (("evaluate", "--dataset", "3dpw", "--resume"), ("--resume needs a folder", "--out FOLDER")),
        (("evaluate", "--dataset", "3dwp"), ("no dataset '3dwp'", "did you mean '3dpw'?")),
        (("evaluate", "--dataset", "3dpw", "--protocol", "3dpw/spn"), ("no protocol '3dpw/spn'", "3dpw/spin")),
        (("evaluate", "--dataset", "npz:x.npz", "--device", "warp"), ("no device 'warp'", "--device cpu")),
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


def test_a_path_that_is_given_is_looked_at_first(posegen, tmp_path):
    ended = posegen("evaluate", "--dataset", f"3dpw:{tmp_path / 'nix'}")
    assert (ended.code, ended.err.splitlines()[1]) == (3, "hint: give 3dpw:PATH")
    assert "nix does not exist" in "".join(ended.err.split("\n")[:1])
    ended = posegen("evaluate", "--dataset", f"3dpw:{tmp_path}")
    assert "give 3dpw:PATH, the folder that holds sequenceFiles" in ended.err


@pytest.mark.parametrize(
    ("verb", "use"), [("evaluate", "measure"), ("pretrain", "train"), ("finetune", "improve"), ("run", "improve")]
)
def test_help_says_what_the_estimator_is_for(posegen, verb, use):
    assert f"The estimator to {use}." in posegen(verb, "--help").out
