"""CLIFF as an estimator: where the box lies, its crops, and its checkpoints in and out."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from posegen_cliff.camera import box_info, default_focal, full_camera
from posegen_cliff.estimator import Cliff
from posegen_cliff.network import CliffNet
from torch import Tensor

from posegen.errors import AssetError, UsageError

FIXED = "official, fixed skeleton"


@pytest.fixture(autouse=True)
def no_assets(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("POSEGEN_CONFIG_DIR", str(tmp_path / "config"))


@pytest.fixture(scope="module")
def cliff() -> Cliff:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return Cliff(Cliff.Options(weights="untrained"))


@pytest.fixture(scope="module", params=["res50", "hr48"])
def official(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A published layout with random weights, as it was released: trained in parallel, under ``model``."""
    with torch.random.fork_rng():
        torch.manual_seed(0)
        state = CliffNet(request.param).state_dict()
    path: Path = tmp_path_factory.mktemp("cliff") / f"{request.param}.pt"
    torch.save({"model": {f"module.{name}": value for name, value in state.items()}}, path)
    return path


def pictures(n: int, size: tuple[int, int]) -> Tensor:
    return torch.rand(n, 3, *size, generator=torch.Generator().manual_seed(1))


def test_a_checkpoint_of_either_network_comes_in_is_fine_tuned_and_goes_out(official: Path) -> None:
    cliff = Cliff(Cliff.Options(checkpoint=official))
    assert (cliff.weights, cliff.variant, cliff.input_size) == (FIXED, official.stem, (256, 192))
    cliff.module.requires_grad_(True)
    adam = torch.optim.Adam(cliff.module.parameters(), lr=cliff.lr)
    cliff.predict(pictures(1, cliff.input_size)).joints.square().sum().backward()
    adam.step()
    before = {k.removeprefix("module."): v for k, v in torch.load(official, weights_only=True)["model"].items()}
    after = cliff.official_checkpoint()["model"]
    assert {k: (v.shape, v.dtype) for k, v in after.items()} == {k: (v.shape, v.dtype) for k, v in before.items()}
    changed = {k for k in before if not torch.equal(before[k], after[k])}
    assert {"encoder.conv1.weight", "fc1.weight", "decpose.bias"} <= changed
    assert not {k for k in changed if "running" in k or "init_" in k}


def test_spins_checkpoint_is_told(tmp_path: Path) -> None:
    state = {"conv1.weight": torch.zeros(64, 3, 7, 7), "decpose.weight": torch.zeros(144, 1024)}
    torch.save({"model": state}, tmp_path / "model_checkpoint.pt")
    with pytest.raises(AssetError, match="is a checkpoint of spin, not of cliff"):
        Cliff(Cliff.Options(checkpoint=tmp_path / "model_checkpoint.pt"))


def test_official_weights_need_the_asset() -> None:
    with pytest.raises(AssetError, match="cliff-checkpoint"):
        Cliff(Cliff.Options(weights="official"))


def test_the_small_network_is_not_exported_as_a_published_one(cliff: Cliff) -> None:
    with pytest.raises(UsageError, match="small network"):
        cliff.official_checkpoint()


def test_the_crop_is_3_to_4_around_the_box(cliff: Cliff) -> None:
    """A picture of columns and rows: the crop's corners tell what it shows."""
    x = (torch.arange(400.0) + 0.5).expand(1, 1, 300, 400)
    y = (torch.arange(300.0) + 0.5)[:, None].expand(1, 1, 300, 400)
    for box, height in (([100.0, 50, 200, 250], 220.0), ([50.0, 100, 290, 180], 240 * 4 / 3 * 1.1)):
        centre, side = cliff.square(torch.tensor([box]))
        assert side.item() == pytest.approx(height, rel=1e-6)
        crop = cliff.crop(torch.cat([x, y, x], dim=1), torch.tensor([box]))
        assert crop.shape == (1, 3, 128, 96)
        step = height / 128
        torch.testing.assert_close(crop[0, 0, 64, 48], centre[0, 0] + step / 2, rtol=0, atol=1e-2)
        torch.testing.assert_close(crop[0, 1, 64, 48], centre[0, 1] + step / 2, rtol=0, atol=1e-2)
        torch.testing.assert_close(crop[0, 0, 64, 53] - crop[0, 0, 64, 43], torch.tensor(10 * step), rtol=0, atol=1e-2)


def test_without_context_the_person_is_of_ordinary_size_in_the_middle(cliff: Cliff) -> None:
    crop = pictures(2, cliff.input_size)
    picture = torch.tensor([[1000.0, 1000.0]])
    height = 0.24 * default_focal(picture)
    half = height / 2 / cliff.options.scale
    box = torch.cat([500 - half * 0.5, 500 - half, 500 + half * 0.5, 500 + half])[None]
    context = cliff.context(picture, box)
    torch.testing.assert_close(context, torch.zeros(1, 3), rtol=0, atol=1e-5)
    with torch.no_grad():
        said = cliff.predict(crop, context.expand(2, -1)).joints
        torch.testing.assert_close(cliff.predict(crop).joints, said, rtol=0, atol=1e-5)


def test_known_intrinsics_take_the_place_of_the_diagonal(cliff: Cliff) -> None:
    picture, box = torch.tensor([[1080.0, 1920.0]]), torch.tensor([[700.0, 300.0, 900.0, 900.0]])
    intrinsics = torch.tensor([[[1960.0, 0, 540], [0, 1970.0, 960], [0, 0, 1]]])
    expected = box_info(*cliff.square(box), picture, torch.tensor([1965.0]))
    torch.testing.assert_close(cliff.context(picture, box, intrinsics), expected)
    assert not torch.allclose(cliff.context(picture, box), expected)


def test_the_camera_of_the_whole_picture_projects_to_where_the_crop_saw_it() -> None:
    """A point of the body by weak perspective in the crop, and by the whole picture's camera: the same pixel."""
    centre, height = torch.tensor([[300.0, 700.0]]), torch.tensor([400.0])
    picture, focal = torch.tensor([[1080.0, 1920.0]]), torch.tensor([5e4])  # far away: perspective is weak
    camera = torch.tensor([[0.9, 0.1, -0.2]])
    point = torch.tensor([[0.3, -0.5, 0.0]])
    in_crop = centre + height[:, None] / 2 * camera[:, :1] * (point[:, :2] + camera[:, 1:])
    moved = point + full_camera(camera, centre, height, picture, focal)
    in_picture = picture / 2 + focal[:, None] * moved[:, :2] / moved[:, 2:]
    torch.testing.assert_close(in_picture, in_crop, rtol=0, atol=0.05)
