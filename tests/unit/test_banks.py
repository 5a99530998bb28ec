"""What batches are drawn from: generated pictures with all that is true of them, and photographs with what was seen."""

from __future__ import annotations

from dataclasses import replace

import torch
from blob_parts import PLAIN, appearance, bank, body, rng, samples
from torch import Tensor

from posegen.appearance import Appearance
from posegen.banks import PHOTO_COPIES, Bank, labelled, photographs, recalled
from posegen.datasets.photos import MARGIN
from posegen.geometry import resample, rotvec_to_rotmat, square
from posegen.labels import Labels
from posegen.settings import AppearanceSettings
from posegen.testing.blobs import BlobEstimator
from posegen.types import Estimate


def dark() -> Appearance:
    """Nothing but the person, before black."""
    return Appearance(PLAIN, torch.zeros(1, 3, 24, 24))


class Dot:
    """Sees where a bright dot stands: x right, y down from the middle, in halves of the crop."""

    joint_set, input_size, differentiable, module, lr, frozen = "smpl24", 64, False, None, 0.0, ()

    def square(self, box: Tensor) -> tuple[Tensor, Tensor]:
        return square(box, MARGIN)

    def crop(self, image: Tensor, box: Tensor) -> Tensor:
        return resample(image, *self.square(box), self.input_size)

    def predict(self, crop: Tensor) -> Estimate:
        light = crop.mean(1)
        place = (torch.arange(self.input_size) + 0.5) / self.input_size * 2 - 1
        x, y = ((light.sum(d) * place).sum(1) / light.sum((1, 2)) for d in (1, 2))
        return Estimate(torch.stack([x, y, torch.full_like(x, 0.3)], 1)[:, None].expand(-1, 24, 3))


class TestPhotographs:
    def made(self, copies: int = 0) -> Bank:
        """Two dots off the middle, on black."""
        photos = torch.zeros(2, 3, 64, 64)
        photos[0, :, 18:22, 30:34] = 1
        photos[1, :, 36:40, 44:48] = 1
        return photographs(photos, Dot(), appearance(), copies, rng(6))

    def test_what_was_seen_turns_with_the_picture(self) -> None:
        bank = self.made()
        crops, target = bank.draw(torch.arange(len(bank)), rng())
        seen = target.joints
        torch.testing.assert_close(Dot().predict(crops).joints, seen, atol=0.03, rtol=0)
        x, y, z = seen[:, 0].unbind(1)
        assert (z == seen[0, 0, 2]).all()
        angle = torch.atan2(y, x)
        assert angle.max() - angle.min() > 3, "turned by any angle"

    def test_every_photograph_several_times(self) -> None:
        bank = self.made()
        assert len(bank) == 2 * PHOTO_COPIES
        assert len(bank.labels.joints[:, 0].round(decimals=3).unique(dim=0)) == len(bank)

    def test_one_seed_gives_one_bank(self) -> None:
        one, other = (self.made(copies=1).draw(torch.arange(12), rng())[0] for _ in range(2))
        assert torch.equal(one, other)


class TestBank:
    VARIED = AppearanceSettings()

    def test_labelled_keeps_the_truth(self) -> None:
        drawn = samples(5)
        pool = labelled(drawn, BlobEstimator(rng(2)), appearance(), 0, rng())
        crops, labels = pool.draw(torch.tensor([3, 0]), rng())
        assert crops.shape == (2, 3, 16, 16) and torch.equal(labels.joints, drawn.truth[[3, 0]]) and len(pool) == 5
        root, turned = labels.rotations[:, 0], rotvec_to_rotmat(drawn.theta[[3, 0]])
        straight = body().joints(drawn.theta[[3, 0]])
        torch.testing.assert_close(straight @ root.transpose(1, 2), labels.joints)
        torch.testing.assert_close(labels.rotations[:, 1:], turned)
        assert labels.place.isnan().all()  # nobody says what this estimator cuts out

    def test_those_that_are_chosen_in_their_order(self) -> None:
        drawn, chosen, estimator = samples(5), torch.tensor([4, 1, 3]), BlobEstimator(rng(2))
        for make in (labelled, recalled):
            one = make(drawn, estimator, appearance(), 1, rng(), chosen=chosen)
            other = make(drawn[chosen], estimator, appearance(), 1, rng())
            assert len(one) == 3 and torch.equal(one.labels.joints, other.labels.joints)
            assert torch.equal(one.draw(torch.arange(3), rng())[0], other.draw(torch.arange(3), rng())[0])

    def test_places_are_known_where_an_estimator_says_what_it_cuts_out(self) -> None:
        """A dot in the middle of every joint of a person is seen where the place says."""
        drawn, n = samples(6, size=64), 6
        estimator = Dot()
        for j in (0, 15, 20):
            grid = torch.arange(64) + 0.5
            across, down = ((grid - drawn.points[:, j, i, None]).square() for i in (0, 1))
            dots = (-(across[:, None] + down[:, :, None]) / 4).exp()[:, None]
            image = (255 * dots).round().to(torch.uint8)
            spotted = replace(drawn, image=image.expand(n, 3, 64, 64), alpha=image)
            pool = labelled(spotted, estimator, dark(), 0, rng())
            crops, labels = pool.draw(torch.arange(n), rng())
            torch.testing.assert_close(
                estimator.predict(crops).joints[:, 0, :2], 2 * labels.place[:, j], atol=0.03, rtol=0
            )

    def test_without_copies_every_look_is_another(self) -> None:
        pool = bank(3, varied=self.VARIED)
        index, random = torch.arange(3), rng()
        assert not torch.equal(pool.draw(index, random)[0], pool.draw(index, random)[0])

    def test_copies_are_drawn_once(self) -> None:
        pool, random = bank(40, copies=2, varied=self.VARIED), rng(3)
        looks = [pool.draw(torch.arange(40), random)[0] for _ in range(12)]
        distinct = torch.stack(looks).flatten(1).unique(dim=0)
        assert len(distinct) == 2 and looks[0].dtype == torch.float32

    def test_pick_is_random_and_of_the_seed(self) -> None:
        pool = bank(9)
        first, again, other = (pool.pick(30, rng(seed))[1] for seed in (1, 1, 2))
        assert torch.equal(first.joints, again.joints) and not torch.equal(first.joints, other.joints)
        assert len(first.joints.flatten(1).unique(dim=0)) > 6


class TestKept:
    def kept(self, low: float, high: float) -> tuple[Tensor, Bank]:
        """40 crops between two numbers; the second part of them alone reaches both."""
        crops = low + (high - low) * torch.rand(40, 3, 4, 4, generator=rng(1))
        crops[:32] = crops[:32].clamp(0, 1)
        return crops, Bank(lambda index, _: crops[index], Labels.of_joints(torch.zeros(40, 24, 3)), 2, rng())

    def test_pictures_are_kept_in_bytes(self) -> None:
        crops, bank = self.kept(0.0, 1.0)
        assert [kept.dtype for kept in bank.kept] == [torch.uint8] * 2
        torch.testing.assert_close(bank.draw(torch.arange(40), rng())[0], crops, atol=0.5 / 255 + 1e-6, rtol=0)

    def test_what_is_no_picture_is_kept_as_it_is(self) -> None:
        """Even if only a part of the crops leaves [0,1]."""
        crops, bank = self.kept(-2.0, 2.0)
        assert [kept.dtype for kept in bank.kept] == [torch.float16] * 2
        kept = bank.draw(torch.arange(40), rng())[0]
        torch.testing.assert_close(kept[32:], crops[32:], atol=1e-3, rtol=0)
        torch.testing.assert_close(kept[:32], crops[:32], atol=0.5 / 255 + 1e-3, rtol=0)
