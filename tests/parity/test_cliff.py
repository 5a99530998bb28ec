"""CLIFF's networks, its box information, its camera and its crop against the published code."""

from __future__ import annotations

import pytest
import torch
from posegen_cliff.camera import box_info, default_focal, full_camera
from posegen_cliff.estimator import Cliff
from posegen_cliff.network import CliffNet

from posegen.nn.imagenet import standardise
from posegen.nn.integer_crop import whole_corners

from .weights import checksum, golden, layout, normal, uniform, weights

RES50, HR48 = golden("cliff_res50"), golden("cliff_hr48")
GAIN = {"res50": 1.0, "hr48": 0.6}
ATOL = 1e-4  # the golden arrays are reproducible to 1e-5


def arrays(*names: str) -> list[torch.Tensor]:
    return [torch.from_numpy(RES50[name]) for name in names]


def equal(value: torch.Tensor, golden: object, atol: float = ATOL) -> None:
    torch.testing.assert_close(value, torch.as_tensor(golden), rtol=0, atol=atol)


@pytest.mark.parametrize("variant", ["res50", "hr48"])
def test_state_dict_is_the_published_one(variant: str) -> None:
    with torch.device("meta"):
        network = CliffNet(variant)
    state = {name: tuple(value.shape) for name, value in network.state_dict().items()}
    assert state == layout(f"cliff_{variant}")


@torch.no_grad()
@pytest.mark.parametrize("variant", ["res50", "hr48"])
def test_network(variant: str) -> None:
    expected = golden(f"cliff_{variant}")
    state = weights(layout(f"cliff_{variant}"), GAIN[variant])
    sums = {"res50": (54880.98019875985, 87013.84867699693), "hr48": (105447.37410079828, 130053.12905243614)}
    assert checksum(state) == pytest.approx(sums[variant], rel=1e-12)
    network = CliffNet(variant).eval()
    network.load_state_dict(state)
    n = len(expected["rotmat"])
    image, context = normal(1002, (2, 3, 256, 192))[:n], arrays("bbox_info")[0][:n]
    features = network.pooled(image)
    out = network.regress(features, context)
    equal(features, expected["feat"])
    equal(out.rotations, expected["rotmat"])
    equal(out.betas, expected["betas"])
    equal(out.camera, expected["cam_crop"])


def pictures() -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Centre, height of the crop, width and height of the picture."""
    centre, scale, width, height = arrays("center", "scale", "img_w", "img_h")
    return centre, 200 * scale, torch.stack([width, height], dim=1)


def test_box_information() -> None:
    centre, height, picture = pictures()
    equal(default_focal(picture), RES50["focal"], atol=1e-3)
    equal(box_info(centre, height, picture, default_focal(picture)), RES50["bbox_info"])


def test_camera_of_the_whole_picture() -> None:
    centre, height, picture = pictures()
    for ours, theirs in (("cam_crop", "cam_full"), ("cam2_crop", "cam2_full")):
        full = full_camera(torch.from_numpy(RES50[ours]), centre, height, picture, default_focal(picture))
        equal(full, RES50[theirs])


def test_crop() -> None:
    cliff = Cliff(Cliff.Options(weights="untrained", crop="official"))
    cliff.input_size = (256, 192)
    box = arrays("crop_bbox")[0].float()[None]
    centre, height = cliff.square(box)
    equal(centre[0], RES50["crop_center"].astype("float32"))
    equal(height[0] / 200, RES50["crop_scale"].astype("float32"))
    low, high = whole_corners(centre, height, cliff.input_size, "rounded")
    assert (low[0].tolist(), high[0].tolist()) == (RES50["crop_ul"].tolist(), RES50["crop_br"].tolist())
    picture = (uniform(1003, (300, 400, 3)) * 255).floor().permute(2, 0, 1)[None] / 255
    equal(standardise(cliff.crop(picture, box))[0, :, 1::3, 1::3], RES50["crop_norm"])


def test_every_golden_array_is_compared() -> None:
    network = {"rotmat", "betas", "cam_crop", "feat"}
    assert set(HR48) - network == {"meta"}
    given = {"center", "scale", "img_w", "img_h", "cam2_crop", "crop_bbox", "meta"}
    crop = {f"crop_{name}" for name in ("center", "scale", "ul", "br", "norm")}
    assert set(RES50) - network - given - crop == {"focal", "bbox_info", "cam_full", "cam2_full"}
