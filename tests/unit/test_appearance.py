"""Backgrounds, light, noise and blur: varied, differentiable, repeatable, within range."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from blob_parts import PLAIN, rng

from posegen.appearance import Appearance
from posegen.settings import AppearanceSettings
from posegen.types import Render

N, SIZE = 6, 20
VARIED = AppearanceSettings()
EFFECTS = [name for name in AppearanceSettings.model_fields if name not in ("backgrounds", "wall", "occlude")]


def backgrounds(n: int = 3, size: int = SIZE) -> torch.Tensor:
    return torch.rand(n, 3, size, size, generator=rng(9))


def render(n: int = N) -> Render:
    """A soft disc of a person."""
    y, x = torch.meshgrid(*[torch.linspace(-1, 1, SIZE)] * 2, indexing="ij")
    alpha = torch.sigmoid(8 * (0.6 - (x**2 + y**2).sqrt())).expand(n, 1, SIZE, SIZE)
    colour = torch.rand(n, 3, SIZE, SIZE, generator=rng(8))
    return Render(colour * alpha, alpha.clone())


def plain(**changes: Any) -> AppearanceSettings:
    return PLAIN.model_copy(update=changes)


@pytest.mark.parametrize(
    "settings", [VARIED, PLAIN, plain(backgrounds=0.0), plain(brightness=3.0, noise=2.0, blur=9.0)]
)
def test_the_picture_is_a_picture(settings: AppearanceSettings) -> None:
    image = Appearance(settings, backgrounds()).compose(render(), rng())
    assert image.shape == (N, 3, SIZE, SIZE) and image.dtype == torch.float32
    assert image.isfinite().all() and image.min() >= 0 and image.max() <= 1


def test_without_effects_it_is_the_person_before_a_background() -> None:
    behind = backgrounds(1)
    image = Appearance(PLAIN, behind).compose(render(), rng())
    for one, picture in enumerate(image):
        possible = [render().over(b)[one] for b in (behind, behind.flip(-1))]
        assert any(torch.allclose(picture, p, atol=1e-6) for p in possible)


def test_photographs_are_kept_as_they_are_without_effects() -> None:
    photo = backgrounds(4)
    torch.testing.assert_close(Appearance(PLAIN, backgrounds()).photograph(photo, rng()), photo)


class TestSeed:
    def test_one_seed_gives_one_appearance(self) -> None:
        appearance = Appearance(VARIED, backgrounds())
        assert torch.equal(appearance.compose(render(), rng(1)), appearance.compose(render(), rng(1)))
        assert not torch.equal(appearance.compose(render(), rng(1)), appearance.compose(render(), rng(2)))

    def test_torch_s_own_generator_has_no_part(self) -> None:
        appearance = Appearance(VARIED, backgrounds())
        torch.manual_seed(0)
        first = appearance.compose(render(), rng(1))
        torch.manual_seed(1)
        state = torch.get_rng_state()
        assert torch.equal(appearance.compose(render(), rng(1)), first)
        assert torch.equal(torch.get_rng_state(), state)

    def test_every_image_has_its_own(self) -> None:
        one = render(1)
        many = Render(one.image.expand(N, -1, -1, -1), one.alpha.expand(N, -1, -1, -1))
        image = Appearance(VARIED, backgrounds()).compose(many, rng())
        assert len(image.flatten(1).unique(dim=0)) == N


class TestGradient:
    def test_reaches_colour_and_alpha(self) -> None:
        drawn = render()
        image, alpha = drawn.image.clone().requires_grad_(), drawn.alpha.clone().requires_grad_()
        Appearance(VARIED, backgrounds()).compose(Render(image, alpha), rng()).square().sum().backward()
        for gradient in (image.grad, alpha.grad):
            assert gradient is not None and gradient.isfinite().all()
            assert (gradient.flatten(1).abs().sum(1) > 0).all()

    def test_is_the_true_one(self) -> None:
        """Against central differences, in double precision, where nothing is clamped."""
        appearance = Appearance(
            AppearanceSettings(brightness=0.1, noise=0.001, contrast=0.1), 0.4 + 0.2 * backgrounds()
        )
        drawn = Render(*[0.3 + 0.1 * x.double() for x in (render(2).image, render(2).alpha)])
        weight = torch.randn(2, 3, SIZE, SIZE, generator=rng(3), dtype=torch.float64)
        image, alpha = drawn.image.requires_grad_(), drawn.alpha.requires_grad_()

        def loss(image: torch.Tensor, alpha: torch.Tensor) -> torch.Tensor:
            return (appearance.compose(Render(image, alpha), rng()) * weight).sum()

        gradients = torch.autograd.grad(loss(image, alpha), (image, alpha))
        step = 1e-6
        direction = [torch.randn(x.shape, generator=rng(4), dtype=torch.float64) for x in (image, alpha)]
        ends = [loss(image + s * step * direction[0], alpha + s * step * direction[1]) for s in (1, -1)]
        expected = sum((g * d).sum() for g, d in zip(gradients, direction, strict=True))
        assert ((ends[0] - ends[1]) / (2 * step)).item() == pytest.approx(float(expected), rel=1e-6)


def test_labels_and_renders_are_untouched() -> None:
    drawn = render()
    before = [drawn.image.clone(), drawn.alpha.clone()]
    photos = backgrounds()
    appearance = Appearance(VARIED, photos)
    kept = appearance.backgrounds.clone()
    appearance.compose(drawn, rng())
    appearance.photograph(photos, rng())
    assert torch.equal(drawn.image, before[0]) and torch.equal(drawn.alpha, before[1])
    assert torch.equal(appearance.backgrounds, kept) and torch.equal(photos, backgrounds())


class TestEffects:
    def changed(self, effect: str, value: float) -> torch.Tensor:
        """What one effect alone does to people that fill the picture, in muted colours: (N,3,H,W)."""
        person = 0.3 + 0.3 * backgrounds(64)
        filled = Render(person, torch.ones(64, 1, SIZE, SIZE))
        return Appearance(plain(**{effect: value}), backgrounds()).compose(filled, rng()) - person

    @pytest.mark.parametrize("effect", EFFECTS)
    def test_each_has_its_own_setting(self, effect: str) -> None:
        strong = {"blur": 2.0, "hue": 0.9}.get(effect, 0.4)  # pixels, and a share of people; the rest are changes
        change = self.changed(effect, strong).flatten(1).abs().mean(1)
        assert (change > 1e-4).float().mean() > 0.75
        assert change.std() > 0.05 * change.mean(), "by chance more or less"
        assert self.changed(effect, 0.0).abs().max() < 1e-6

    @pytest.mark.parametrize("effect", EFFECTS)
    def test_more_is_more(self, effect: str) -> None:
        assert self.changed(effect, 0.4).abs().mean() > 1.5 * self.changed(effect, 0.1).abs().mean()

    def test_brightness_and_colour_stay_within_their_share(self) -> None:
        photo = torch.full((500, 3, 4, 4), 0.5)
        brighter = Appearance(plain(brightness=0.3), backgrounds()).photograph(photo, rng())[:, :, 0, 0] / 0.5
        assert 0.7 <= brighter.min() < 0.72 and 1.28 < brighter.max() <= 1.3
        assert (brighter.max(1).values - brighter.min(1).values).max() < 1e-6, "brightness has no hue"
        coloured = Appearance(plain(colour=0.15), backgrounds()).photograph(photo, rng())[:, :, 0, 0] / 0.5
        assert 0.85 <= coloured.min() < 0.86 and 1.14 < coloured.max() <= 1.15
        assert (coloured.max(1).values - coloured.min(1).values).mean() > 0.05

    def test_contrast_keeps_the_mean(self) -> None:
        photo = 0.3 + 0.3 * backgrounds(32)
        image = Appearance(plain(contrast=0.3), backgrounds()).photograph(photo, rng())
        torch.testing.assert_close(image.mean((1, 2, 3)), photo.mean((1, 2, 3)))
        ratio = image.std((1, 2, 3)) / photo.std((1, 2, 3))
        assert ratio.min() < 0.8 and ratio.max() > 1.2

    def test_blur_keeps_flat_areas_and_brightness(self) -> None:
        blurred = Appearance(plain(blur=1.5), backgrounds())
        flat = torch.full((8, 3, SIZE, SIZE), 0.37)
        torch.testing.assert_close(blurred.photograph(flat, rng()), flat)
        dot = torch.zeros(8, 3, SIZE, SIZE)
        dot[..., 10, 10] = 1
        image = blurred.photograph(dot, rng())
        torch.testing.assert_close(image.sum((2, 3)), torch.ones(8, 3))
        assert image[..., 10, 10].max() < 1.0 + 1e-6 and image[..., 10, 10].min() < 0.3
        assert torch.allclose(image, image.transpose(2, 3), atol=1e-6)

    def test_a_wide_blur_is_as_wide_as_it_says(self) -> None:
        dot = torch.zeros(64, 3, 49, 49)
        dot[..., 24, 24] = 1
        image = Appearance(plain(blur=6.0), backgrounds()).photograph(dot, rng())[:, 0]
        along = torch.arange(49) - 24.0
        widths = (image.sum(1) * along.square()).sum(1).sqrt()  # standard deviations, of a kernel cut at two
        assert widths.max() > 5 and widths.min() < 1

    def test_light_falls_on_the_person_apart_from_the_background(self) -> None:
        """A brighter person before the same background, or cut-outs would be recognised by their light."""
        white = Render(torch.full((200, 3, 2, 2), 0.3), torch.full((200, 1, 2, 2), 1.0))
        nobody = Render(torch.zeros(200, 3, 2, 2), torch.zeros(200, 1, 2, 2))
        appearance = Appearance(plain(brightness=0.3), torch.full((1, 3, 2, 2), 0.3))
        person, behind = (appearance.compose(r, rng())[:, 0, 0, 0] for r in (white, nobody))
        ratio = person / behind
        assert ratio.min() < 0.75 and ratio.max() > 1.25


class TestBackgrounds:
    @pytest.mark.parametrize("share", [0.0, 0.7, 1.0])
    def test_share(self, share: float) -> None:
        nobody = Render(torch.zeros(400, 3, SIZE, SIZE), torch.zeros(400, 1, SIZE, SIZE))
        image = Appearance(plain(backgrounds=share), backgrounds()).compose(nobody, rng())
        photographed = image.std((2, 3)).amax(1) > 1e-3
        assert photographed.float().mean().item() == pytest.approx(share, abs=0.07)

    def test_walls_are_of_any_colour_or_white(self) -> None:
        nobody = Render(torch.zeros(50, 3, SIZE, SIZE), torch.zeros(50, 1, SIZE, SIZE))
        settings = [plain(backgrounds=0.0, wall=wall) for wall in ("any", "white")]
        walls, white = (Appearance(one, backgrounds()).compose(nobody, rng()) for one in settings)
        assert len(walls[:, :, 0, 0].unique(dim=0)) == 50
        torch.testing.assert_close(white, torch.ones_like(white))

    def test_all_are_used_mirrored_and_not(self) -> None:
        nobody = Render(torch.zeros(100, 3, SIZE, SIZE), torch.zeros(100, 1, SIZE, SIZE))
        image = Appearance(PLAIN, backgrounds(3)).compose(nobody, rng())
        assert len(image.flatten(1).round(decimals=4).unique(dim=0)) == 6

    @pytest.mark.parametrize("size", [7, 64])
    def test_of_another_size(self, size: int) -> None:
        image = Appearance(PLAIN, backgrounds(2, size)).compose(render(), rng())
        assert image.shape == (N, 3, SIZE, SIZE)
        grey = Appearance(PLAIN, torch.full((1, 3, size, size), 0.25)).compose(render(), rng())
        torch.testing.assert_close(grey, render().over(0.25))


class TestReduced:
    """What a small picture shows is what a large one shows, made small."""

    LARGE = torch.nn.functional.interpolate(
        torch.rand(4, 3, 24, 24, generator=rng(5)), (96, 96), mode="bicubic", antialias=True
    ).clamp(0, 1)

    def halved(self, image: torch.Tensor) -> torch.Tensor:
        return torch.nn.functional.avg_pool2d(image, 2)

    def test_blur(self) -> None:
        looks = Appearance(plain(blur=1.5), backgrounds())
        expected = self.halved(looks.photograph(self.LARGE, rng()))
        found, other = (a.photograph(self.halved(self.LARGE), rng()) for a in (looks.reduced(0.5), looks))
        inside = (slice(None), slice(None), slice(8, -8), slice(8, -8))
        near, far = ((x - expected)[inside].abs().mean() for x in (found, other))
        assert near < 0.01 and far > 4 * near, (near, far)

    def test_noise(self) -> None:
        looks, grey = Appearance(plain(noise=0.1), backgrounds()), torch.full((4, 3, 96, 96), 0.5)
        expected = self.halved(looks.photograph(grey, rng())).std((1, 2, 3))
        found = looks.reduced(0.5).photograph(self.halved(grey), rng()).std((1, 2, 3))
        torch.testing.assert_close(found, expected, rtol=0.05, atol=0)

    def test_nothing_else(self) -> None:
        settings = AppearanceSettings(blur=0.0, noise=0.0)
        looks, picture = Appearance(settings, backgrounds()), render()
        assert torch.equal(looks.reduced(0.5).compose(picture, rng()), looks.compose(picture, rng()))
        assert looks.settings == settings


class TestOcclusion:
    def hidden(self, share: float, n: int = 400) -> torch.Tensor:
        """Red discs before green, behind pieces of green: (n,H,W) where the person is hidden."""
        y, x = torch.meshgrid(*[torch.arange(SIZE) - SIZE / 2 + 0.5] * 2, indexing="ij")
        self.person = (x**2 + y**2 < 36).expand(n, SIZE, SIZE)
        red, green = torch.zeros(n, 3, SIZE, SIZE), torch.zeros(1, 3, SIZE, SIZE)
        red[:, 0], green[:, 1] = self.person.float(), 1
        image = Appearance(plain(occlude=share), green).compose(Render(red, self.person[:, None].float()), rng())
        return self.person & (image[:, 0] < 0.5)

    @pytest.mark.parametrize("share", [0.0, 0.3, 1.0])
    def test_a_share_of_the_people_is_hidden_in_part(self, share: float) -> None:
        part = self.hidden(share).flatten(1).sum(1) / self.person[0].sum()
        assert (part > 0).float().mean() == pytest.approx(0.95 * share, abs=0.06)
        assert part.max() < 0.6

    def test_any_part_of_them(self) -> None:
        often = self.hidden(1.0).float().mean(0)[self.person[0]]
        assert often.min() > 0.03 and often.max() < 0.3
