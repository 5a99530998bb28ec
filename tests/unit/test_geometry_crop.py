import math

import pytest
import torch
from torch.nn import functional as F

from posegen.geometry import box_from_alpha, resample, shown, square


def rng(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def whole(n: int, size: int) -> tuple[torch.Tensor, torch.Tensor]:
    return torch.full((n, 2), size / 2), torch.full((n,), float(size))


def test_box_is_tight_around_the_person_and_whole_where_there_is_none():
    alpha = torch.zeros(3, 1, 40, 50)
    alpha[0, 0, 10:21, 5:31] = 1
    alpha[0, 0, 0, 0] = 0.4  # below the threshold
    alpha[1, 0, 39, 49] = 0.6
    assert box_from_alpha(alpha).tolist() == [[5, 10, 31, 21], [49, 39, 50, 40], [0, 0, 50, 40]]


def test_what_is_drawn_at_a_point_or_beside_it():
    """300 x 200 pixels, within 2 of each other: a person from (100, 50) to (150, 120)."""
    alpha = torch.zeros(1, 1, 200, 300)
    alpha[..., 50:120, 100:150] = 1
    alpha[..., 150, 20] = 0.2
    inside, beside = [[120.0, 80], [98.5, 80], [149.5, 121.5]], [[97.5, 80], [149.5, 122.5], [20.5, 150.5], [-5, 80]]
    points = torch.tensor([*inside, *beside])
    assert shown(alpha, points[None]).tolist() == [[True] * 3 + [False] * 4]
    assert shown(alpha[..., :150, :], torch.tensor([[[120.0, 119.5]]])).tolist() == [[True]]


@pytest.mark.parametrize("sides", [(90, 140), (300, 240)])
def test_beside_is_a_square_of_pixels(sides: tuple[int, int]):
    """As the largest alpha of every square of pixels, looked up at the nearest one."""
    height, width = sides
    draw = rng()
    alpha = (torch.rand(3, 1, height, width, generator=draw) > 0.98).float()
    points = (torch.rand(3, 400, 2, generator=draw) * 1.2 - 0.1) * torch.tensor([width, height])
    reach = max(2, round(min(sides) / 100))
    near = F.max_pool2d(alpha, 2 * reach + 1, 1, reach)
    place = 2 * points / torch.tensor([width, height]) - 1
    expected = F.grid_sample(near, place[:, :, None], mode="nearest", align_corners=False)[:, 0, :, 0] > 0.5
    assert 200 < expected.sum() < 1000
    assert torch.equal(shown(alpha, points), expected)


def test_a_square_holds_the_longer_side():
    centre, side = square(torch.tensor([[3.0, 1.0, 7.0, 9.0]]), 1.5)
    assert centre.tolist() == [[5.0, 5.0]]
    assert side.tolist() == [12.0]


def test_whole_image_at_its_own_size_is_itself():
    image = torch.rand(2, 3, 32, 32, generator=rng())
    torch.testing.assert_close(resample(image, *whole(2, 32), 32), image, rtol=0, atol=1e-6)


def test_integer_square_is_a_slice():
    image = torch.rand(1, 3, 30, 40, generator=rng())
    crop = resample(image, torch.tensor([[20.0, 14.0]]), torch.tensor([16.0]), 16)
    torch.testing.assert_close(crop, image[:, :, 6:22, 12:28], rtol=0, atol=1e-5)


def test_angle_turns_the_crop_axes():
    image = torch.rand(1, 3, 16, 16, generator=rng())
    crop = resample(image, *whole(1, 16), 16, angle=torch.tensor([math.pi / 2]))
    # the crop's x axis points down the image, its y axis to the left
    torch.testing.assert_close(crop[0, :, 3, 10], image[0, :, 10, 12], rtol=0, atol=1e-5)
    torch.testing.assert_close(crop, image.flip(3).transpose(2, 3), rtol=0, atol=1e-5)


def test_outside_is_black():
    image = torch.ones(1, 3, 16, 16)
    crop = resample(image, torch.tensor([[0.0, 0.0]]), torch.tensor([16.0]), 16)
    assert torch.equal(crop[0, :, :7, :], torch.zeros(3, 7, 16))
    torch.testing.assert_close(crop[0, :, 8:, 8:], torch.ones(3, 8, 8))


@pytest.mark.parametrize(("height", "width", "size"), [(512, 512, 64), (301, 517, 64), (1080, 1920, 256)])
def test_shrinking_does_not_alias(height, width, size):
    rows, columns = torch.arange(height)[:, None], torch.arange(width)[None]
    checkers = ((rows + columns) % 2).float().expand(1, 3, height, width)
    side = float(min(height, width))
    crop = resample(checkers, torch.tensor([[width / 2, height / 2]]), torch.tensor([side]), size)
    inner = crop[:, :, 2:-2, 2:-2]
    assert (inner - 0.5).abs().max() < 0.05


@pytest.mark.parametrize("side", [64.0, 150.0, 256.0, 400.0, 512.0])
def test_shrinking_keeps_a_smooth_picture_in_place(side):
    ramp = (torch.arange(512) + 0.5).expand(1, 1, 512, 512)
    crop = resample(ramp, torch.tensor([[256.0, 256.0]]), torch.tensor([side]), 64)
    expected = 256 + side * ((torch.arange(64) + 0.5) / 64 - 0.5)
    torch.testing.assert_close(crop[0, 0, 32, 2:-2], expected[2:-2], rtol=0, atol=0.02)


def test_a_crop_does_not_depend_on_its_batch():
    image = torch.rand(3, 3, 100, 80, generator=rng())
    centre, side = torch.tensor([[40.0, 50.0], [10.0, 90.0], [60.0, 20.0]]), torch.tensor([20.0, 90.0, 300.0])
    together = resample(image, centre, side, 32)
    alone = torch.cat([resample(image[i : i + 1], centre[i : i + 1], side[i : i + 1], 32) for i in range(3)])
    torch.testing.assert_close(together, alone, rtol=0, atol=1e-6)


@pytest.mark.parametrize("pixels", [12, 40])
def test_gradients_reach_the_image_and_the_square(pixels):
    image = torch.rand(2, 1, pixels, pixels, generator=rng()).double().requires_grad_()
    centre = torch.tensor([[5.1, 6.2], [7.3, 4.4]], dtype=torch.float64, requires_grad=True)
    side = torch.tensor([9.3, 15.7], dtype=torch.float64, requires_grad=True)
    angle = torch.tensor([0.1, -0.7], dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(lambda i, c, s, a: resample(i, c, s, 8, a), (image, centre, side, angle), atol=1e-5)


def test_an_empty_square_has_finite_gradients():
    image = torch.rand(1, 3, 64, 64, generator=rng()).requires_grad_()
    side = torch.zeros(1, requires_grad=True)
    resample(image, torch.tensor([[3.0, 3.0]]), side, 16).sum().backward()
    assert side.grad is not None
    assert side.grad.isfinite().all()


def test_a_crop_need_not_be_square():
    image = torch.rand(1, 3, 30, 40, generator=rng())
    crop = resample(image, torch.tensor([[20.0, 14.0]]), torch.tensor([16.0]), (16, 12))
    torch.testing.assert_close(crop, image[:, :, 6:22, 14:26], rtol=0, atol=1e-5)
