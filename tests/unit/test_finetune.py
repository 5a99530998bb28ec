"""Stage 2: what a step learns, what it leaves alone, and what keeps the network from forgetting."""

from __future__ import annotations

import math
from copy import deepcopy
from dataclasses import replace
from typing import Any

import pytest
import torch
from blob_parts import Filters, appearance, bank, body, finetuning, rng, samples
from torch import Tensor, nn

from posegen import losses
from posegen.banks import Bank, recalled
from posegen.finetune import Finetuning, Progress
from posegen.labels import Labels, concatenate
from posegen.pace import Pace
from posegen.protocols import PoseEstimator
from posegen.settings import AppearanceSettings
from posegen.testing.blobs import BlobEstimator
from posegen.types import Estimate, Marginals


class Deep:
    """A network with batch norm, dropout, and a first layer that may be kept."""

    joint_set, input_size, differentiable, lr = "smpl24", 16, True, 1e-3

    pace: Pace

    def __init__(self, frozen: tuple[str, ...] = (), dropout: float = 0.5) -> None:
        self.frozen = frozen
        with torch.random.fork_rng():
            torch.manual_seed(0)
            self.module: nn.Module = nn.Sequential(
                nn.Conv2d(3, 4, 4, 4),
                nn.BatchNorm2d(4),
                nn.ReLU(),
                nn.Flatten(),
                nn.Dropout(dropout),
                nn.Linear(64, 72),
            )
        self.module.eval().requires_grad_(False)

    def crop(self, image: Tensor, box: Tensor) -> Tensor:
        return BlobEstimator.crop(self, image, box)  # type: ignore[arg-type]

    def predict(self, crop: Tensor) -> Estimate:
        return Estimate(self.module(crop).unflatten(1, (24, 3)))


class Blind(Deep):
    """Says the same of every picture."""

    def predict(self, crop: Tensor) -> Estimate:
        joints = torch.randn(1, 24, 3, generator=rng(8)) + 0 * self.module(crop).sum()
        return Estimate(joints.expand(len(crop), -1, -1))


class Spy(Deep):
    """Says joints, rotations and heatmaps, and keeps what it was shown."""

    def __init__(self) -> None:
        super().__init__(dropout=0.0)
        self.shown: list[Tensor] = []

    def predict(self, crop: Tensor) -> Estimate:
        joints = self.module(crop).unflatten(1, (24, 3))
        bins = [(joints[..., i, None] * torch.linspace(-1, 1, 8)).softmax(-1) for i in range(3)]
        marginals = Marginals(bins[0], bins[1], bins[2], extent=2.0)
        self.shown.append(crop.detach().clone())
        return Estimate(joints, body_pose=joints[:, 1:], global_orient=joints[:, 0], marginals=marginals)


def placed(pool: Bank, seed: int) -> Bank:
    """The same pictures, and places of the joints too."""
    place = 0.3 * torch.rand(len(pool), 24, 2, generator=rng(seed)) - 0.15
    assert pool.look is not None
    return Bank(pool.look, replace(pool.labels, place=place), 0, rng())


class Counting(Bank):
    """Keeps count of what was drawn."""

    def __init__(self, n: int) -> None:
        pool = bank(n)
        assert pool.look is not None
        super().__init__(pool.look, pool.labels, 0, rng())
        self.drawn: list[int] = []

    def draw(self, index: Tensor, rng: torch.Generator) -> tuple[Tensor, Labels]:
        self.drawn.extend(index.tolist())
        return super().draw(index, rng)


def weights(tuning: Finetuning) -> dict[str, Tensor]:
    return {name: value.clone() for name, value in tuning.module.state_dict().items()}


def train(tuning: Finetuning, pool: Bank, epochs: int = 1) -> list[Progress]:
    return [p for _ in range(epochs) for p in tuning.epoch(pool, rng(tuning.epochs))]


class TestMirror:
    def steps(self, pool: Bank, share: float, estimator: PoseEstimator | None = None) -> list[float]:
        tuning = finetuning(
            estimator=estimator or Deep(dropout=0.0), mirror=share, batch=8, d=100.0, scale_aligned=False
        )
        return [p.loss.item() for p in train(tuning, pool)]

    def test_flipped_pictures_come_with_joints_of_the_other_side(self) -> None:
        """A pool that was flipped beforehand, joints by their names, teaches the same."""
        pool, joints = bank(8), body().joint_set("smpl24")
        names = [n.replace("left", "RIGHT").replace("right", "left").replace("RIGHT", "right") for n in joints.joints]
        order = [joints.joints.index(name) for name in names]
        truth = pool.labels.joints[:, order] * torch.tensor([-1.0, 1.0, 1.0])
        flipped = Bank(lambda index, random: pool.draw(index, random)[0].flip(-1), Labels.of_joints(truth), 0, rng())
        assert order != list(range(24))
        assert self.steps(pool, 1.0) == pytest.approx(self.steps(flipped, 0.0), rel=1e-5)
        assert self.steps(pool, 1.0) != pytest.approx(self.steps(pool, 0.0), rel=1e-2)

    def test_what_is_recalled_is_flipped_too(self) -> None:
        """A network that sees no side says the same of both pictures, and is told to say the opposite."""
        estimator = Blind()
        memory = recalled(samples(8), estimator, appearance(), 0, rng())
        tuning = finetuning(estimator=estimator, recall=[(1.0, memory)], mirror=1.0, batch=8)
        (progress,) = train(tuning, bank(8))
        seen, joint_set = memory.labels.joints[:1], body().joint_set("smpl24")
        other = losses.centred(seen - joint_set.mirrored(seen), joint_set).norm(dim=-1).mean()
        assert progress.recalled.item() == pytest.approx(other.item(), rel=1e-4)

    def test_joints_without_sides_stay_as_they_are(self) -> None:
        tuning = finetuning(mirror=1.0)
        tuning.joint_set = replace(tuning.joint_set, left_right=())
        crops, joints = torch.rand(4, 3, 8, 8), torch.randn(4, 24, 3)
        kept = tuning._mirror_some(crops, Labels.of_joints(joints), rng())
        assert torch.equal(kept[0], crops) and torch.equal(kept[1].joints, joints)


class TestMoved:
    """Turned, zoomed and shifted pictures, with what their labels make of it."""

    @staticmethod
    def seen(
        tuning: Finetuning, x: float, y: float, seed: int, height: int = 65
    ) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """Afterwards: where a bright spot is, from the middle in halves of the width, a joint that was there, the
        place in the crop that is told of it, and the root's rotation."""
        across, down = ((torch.arange(n) + 0.5 - n / 2) / 32.5 for n in (65, height))
        spot = (-((across - x) ** 2 + (down[:, None] - y) ** 2) / 0.005).exp()
        joints = torch.tensor([x, y, 0.3]).expand(1, 24, 3)
        place = torch.tensor([x, y]).expand(1, 24, 2) * 32.5 / height
        labels = Labels(joints, torch.eye(3).expand(1, 24, 3, 3), place)
        crops, labels = tuning._moved(spot.expand(1, 3, height, 65), labels, rng(seed))
        mass = crops[0, 0] / crops[0, 0].sum()
        found = torch.stack([(mass * across).sum(), (mass * down[:, None]).sum()])
        return found, labels.joints[0, 5], labels.place[0, 5] * height / 32.5, labels.rotations[0]

    @pytest.mark.parametrize("height", [65, 91])
    @pytest.mark.parametrize("seed", [1, 2, 3])
    def test_a_joint_is_turned_as_its_picture_is(self, seed: int, height: int) -> None:
        spot, joint, place, rotations = self.seen(finetuning(turn=120.0), 0.5, -0.2, seed, height)
        assert torch.allclose(spot, joint[:2], atol=0.01) and joint[2] == 0.3
        assert (joint[:2] - torch.tensor([0.5, -0.2])).norm() > 0.1
        assert torch.allclose(place, joint[:2], atol=1e-6)
        assert torch.allclose(rotations[0] @ torch.tensor([0.5, -0.2, 0.3]), joint, atol=1e-6)
        assert torch.equal(rotations[1:], torch.eye(3).expand(23, 3, 3))

    def test_a_joint_stays_in_a_picture_that_is_zoomed_and_shifted(self) -> None:
        spot, joint, *_ = self.seen(finetuning(zoom=0.3), 0.4, 0.2, 1)
        assert spot[0] / spot[1] == pytest.approx(2, abs=0.05) and abs(spot[1] / 0.2 - 1) > 0.05
        assert torch.equal(joint, torch.tensor([0.4, 0.2, 0.3]))
        spot, joint, *_ = self.seen(finetuning(shift=0.3), 0.4, 0.2, 1)
        assert 0.05 < (spot - torch.tensor([0.4, 0.2])).abs().max() <= 0.3
        assert torch.equal(joint, torch.tensor([0.4, 0.2, 0.3]))

    @pytest.mark.parametrize("height", [65, 91])
    @pytest.mark.parametrize("seed", [1, 2, 3])
    def test_its_place_is_known_in_a_picture_that_is_moved_in_every_way(self, seed: int, height: int) -> None:
        spot, _, place, _ = self.seen(finetuning(turn=50.0, zoom=0.3, shift=0.2), 0.4, 0.2, seed, height)
        assert torch.allclose(spot, place, atol=0.01)
        assert (place - torch.tensor([0.4, 0.2])).norm() > 0.05

    def test_every_picture_in_its_own_way_and_none_by_default(self) -> None:
        crops, labels = torch.rand(4, 3, 8, 8), Labels.of_joints(torch.randn(1, 24, 3).expand(4, -1, -1))
        kept = finetuning()._moved(crops, labels, rng())
        assert kept[0] is crops and kept[1] is labels
        turned = finetuning(turn=40.0)._moved(crops, labels, rng())[1].joints
        assert len(turned[:, 5].unique(dim=0)) == 4

    def test_a_step_looks_at_moved_samples_and_at_the_others_as_they_are(self) -> None:
        estimator = Spy()
        replay, memory = bank(8, 5), recalled(samples(8, 21), estimator, appearance(), 0, rng())
        tuning = finetuning(
            estimator=estimator,
            replay=replay,
            recall=[(1.0, memory)],
            batch=8,
            turn=90.0,
            retain={"replay": 0.5, "share": 0.5},
        )
        pool, index = bank(8), torch.arange(4)
        fresh, known = pool.draw(index, rng()), replay.draw(index, rng())
        tuning._unfreeze()
        estimator.shown.clear()
        tuning.step([fresh, known], rng(3))
        (shown,) = estimator.shown
        random = rng(3)
        memory.pick(4, random)
        torch.rand(12, generator=random)  # who is mirrored
        moved, _ = tuning._moved(fresh[0], fresh[1], random)
        assert torch.equal(shown[:4], moved) and (moved - fresh[0]).abs().max() > 0.1
        assert torch.equal(shown[4:8], known[0])
        assert torch.equal(shown[8:], memory.pick(4, rng(3))[0])


class TestOptimizer:
    def test_settings_say_which_or_else_the_estimator(self) -> None:
        estimator = Filters()
        assert set(finetuning(estimator=estimator).optimizers) == {"adam"}
        estimator.pace = Pace(optimizer="muon")
        assert set(finetuning(estimator=estimator).optimizers) == {"adam", "muon"}
        assert set(finetuning(estimator=estimator, optimizer="adam").optimizers) == {"adam"}

    def test_filters_but_for_the_first_and_large_matrices_are_muon_s(self) -> None:
        tuning = finetuning(estimator=Filters(), optimizer="muon")
        stepped = {name: [p.shape for p in o.param_groups[0]["params"]] for name, o in tuning.optimizers.items()}
        assert stepped == {
            "adam": [(16, 3, 4, 4), (16,), (16,), (128,), (72, 128), (72,)],
            "muon": [(16, 16, 3, 3), (128, 256)],
        }
        before = weights(tuning)
        train(tuning, bank(8))
        assert not any(torch.equal(before[k], v) for k, v in weights(tuning).items())

    def test_low_rank_factors_are_adam_s(self) -> None:
        assert set(finetuning(estimator=Filters(), optimizer="muon", rank=200).optimizers) == {"adam"}

    def test_both_follow_the_schedule(self) -> None:
        tuning = finetuning(estimator=Filters(), optimizer="muon", lr=0.01, epochs=1)
        for _ in tuning.epoch(bank(8), rng()):
            adam, muon = (o.param_groups[0]["lr"] for o in tuning.optimizers.values())
            assert adam == muon
        assert adam < 0.01


class TestEpoch:
    def test_settings_say_how_many_or_else_the_estimator(self) -> None:
        estimator = Deep()
        assert finetuning(estimator=estimator, epochs=None).pace.epochs == 3
        estimator.pace = Pace(epochs=7)
        assert finetuning(estimator=estimator, epochs=None).pace.epochs == 7
        assert finetuning(estimator=estimator, epochs=2).pace.epochs == 2

    @pytest.mark.parametrize(
        ("n", "batch", "replay", "steps"), [(8, 4, 0.0, 2), (9, 4, 0.0, 3), (9, 4, 0.5, 5), (3, 32, 0.3, 1)]
    )
    def test_steps(self, n: int, batch: int, replay: float, steps: int) -> None:
        tuning = finetuning(batch=batch, replay=bank(2, 5), retain={"replay": replay})
        assert tuning.steps(n) == steps == len(train(tuning, bank(n)))
        assert tuning.epochs == 1

    def test_every_sample_once(self) -> None:
        pool = Counting(9)
        train(finetuning(), pool)
        assert sorted(pool.drawn) == list(range(9)) and pool.drawn != sorted(pool.drawn)

    def test_no_replayed_sample_again_before_all_came(self) -> None:
        replay = Counting(8)
        train(finetuning(replay=replay, batch=10, retain={"replay": 0.3}), bank(49))  # 7 steps with 3 replayed
        assert len(replay.drawn) == 21
        assert sorted(replay.drawn[:8]) == sorted(replay.drawn[8:16]) == list(range(8))
        assert replay.drawn[:8] != replay.drawn[8:16] and len(set(replay.drawn[16:])) == 5

    def test_the_error_falls(self) -> None:
        progress = train(finetuning(estimator=Deep(), lr=1e-2, epochs=40), bank(8), 40)
        assert progress[-1].loss < 0.85 * progress[0].loss

    def test_one_seed_gives_one_network(self) -> None:
        one, other = (finetuning() for _ in range(2))
        for tuning in (one, other):
            train(tuning, bank(6, varied=AppearanceSettings()), 2)
        assert all(torch.equal(a, b) for a, b in zip(weights(one).values(), weights(other).values(), strict=True))

    def test_afterwards_the_network_is_ready_to_be_used(self) -> None:
        tuning = finetuning(estimator=Deep())
        train(tuning, bank(4))
        assert not tuning.module.training and not any(p.requires_grad for p in tuning.module.parameters())


class TestLearningRate:
    def rates(self, **settings: Any) -> list[float]:
        tuning, rates = finetuning(**settings), []
        for _ in range(tuning.pace.epochs):
            rates += [tuning.optimizers["adam"].param_groups[0]["lr"] for _ in tuning.epoch(bank(8), rng())]
        return rates

    def test_rises_and_falls_once_a_round(self) -> None:
        rates = self.rates(epochs=10, lr=0.01)
        peak = rates.index(max(rates))
        assert 0 < peak <= 2 and rates[0] < 0.1 * rates[peak] <= 0.01
        assert rates[peak:] == sorted(rates[peak:], reverse=True) and rates[-1] < 0.1 * rates[peak]

    def test_does_so_again_in_the_next_round(self) -> None:
        tuning, rates = finetuning(epochs=3, lr=0.01), []
        for _ in range(6):
            rates += [tuning.optimizers["adam"].param_groups[0]["lr"] for _ in tuning.epoch(bank(8), rng())]
        assert rates[:6] == rates[6:] and len(set(rates)) == 6

    def test_is_the_estimator_s_own_where_none_is_given(self) -> None:
        assert finetuning().lr == BlobEstimator.lr == 1e-3
        assert finetuning(lr=0.5).lr == 0.5


class TestWhatIsLeftAlone:
    def test_statistics_of_batch_norm(self) -> None:
        tuning = finetuning(estimator=Deep())
        before = weights(tuning)
        train(tuning, bank(8), 2)
        after = weights(tuning)
        moved = {name for name in before if not torch.equal(before[name], after[name])}
        assert moved == {"0.weight", "0.bias", "1.weight", "1.bias", "5.weight", "5.bias"}

    def test_layers_that_the_estimator_wants_kept(self) -> None:
        tuning = finetuning(estimator=Deep(frozen=("0.*", "5.bias")))
        before = weights(tuning)
        train(tuning, bank(8), 2)
        moved = {name for name, value in weights(tuning).items() if not torch.equal(before[name], value)}
        assert moved == {"1.weight", "1.bias", "5.weight"}

    def test_samples_and_originals(self) -> None:
        tuning, pool = finetuning(), bank(5)
        target, original = pool.labels.joints.clone(), {n: p.clone() for n, p in tuning.original.items()}
        train(tuning, pool, 2)
        assert torch.equal(pool.labels.joints, target)
        assert all(torch.equal(original[n], p) for n, p in tuning.original.items())


class TestThreshold:
    def test_progress_is_eq_13(self) -> None:
        """The loss of the batch as ``losses.finetune`` has it, before the step."""
        estimator, pool, limbs = BlobEstimator(rng(2)), bank(6), body().joint_set("smpl24")
        crops, truth = pool.draw(torch.arange(6), rng())
        joints = estimator.predict(crops).joints
        each = torch.stack(
            [losses.finetune(j[None], t[None], limbs, d=10)[0] for j, t in zip(joints, truth.joints, strict=True)]
        )
        d = each.sort().values[3:5].mean().item()  # four of six are below
        (progress,) = train(finetuning(estimator=estimator, batch=6, d=d), pool)
        assert progress.loss.item() == pytest.approx(each[each < d].mean().item(), rel=1e-5)
        assert progress.kept.item() == pytest.approx(4 / 6)

    def test_what_a_step_descends(self) -> None:
        """The sum of all that it is told, each with its weight, of the labels of the pictures that it was shown."""
        estimator, joint_set = Spy(), body().joint_set("smpl24")
        memories = [recalled(samples(8, s), estimator, appearance(), 0, rng()) for s in (21, 22)]
        for memory, far in zip(memories, (0.2, 0.5), strict=True):
            memory.labels.joints[:, 3] += far
        tuning = finetuning(
            estimator=estimator,
            recall=[(0.5, memories[0]), (2.0, memories[1])],
            batch=8,
            rotations=0.3,
            heatmaps=0.7,
            retain={"share": 0.5},
        )
        fresh = placed(bank(8), 4).draw(torch.arange(8), rng())
        tuning._unfreeze()
        before, random = deepcopy(estimator), rng(3)
        progress = tuning.step([fresh], rng(3))
        said = before.predict(estimator.shown[-1])
        eq_13, _ = losses.finetune(said.joints[:8], fresh[1].joints, joint_set, d=10.0)
        labels = concatenate([fresh[1], *(memory.pick(4, random)[1] for memory in memories)])
        first, second = (
            (losses.centred(said.joints[part], joint_set) - losses.centred(labels.joints[part], joint_set))
            .norm(dim=-1)
            .mean()
            for part in (slice(8, 12), slice(12, 16))
        )
        assert progress.loss.item() == pytest.approx(eq_13.item(), rel=1e-5)
        assert progress.recalled.item() == pytest.approx((first + second).item(), rel=1e-5)
        total = eq_13 + 0.3 * losses.rotations(said, labels) + 0.7 * losses.heatmaps(said, labels, joint_set)
        assert losses.rotations(said, labels) > 0.1 and losses.heatmaps(said, labels, joint_set) > 0.1
        wanted = torch.autograd.grad(total + 0.5 * first + 2.0 * second, list(before.module.parameters()))
        for p, gradient in zip(tuning.module.parameters(), wanted, strict=True):
            torch.testing.assert_close(p.grad, gradient, rtol=1e-3, atol=1e-6)

    def test_a_network_that_says_nan_is_seen_to(self) -> None:
        tuning = finetuning(d=0.2)
        with torch.no_grad():
            next(tuning.module.parameters()).fill_(torch.nan)
        assert all(p.loss.isnan() for p in train(tuning, bank(4)))

    def test_joints_in_one_point_can_be_learned_from(self) -> None:
        """Scaled to the truth's size, they have none of their own."""
        joint_set = body().joint_set("smpl24")
        said = torch.zeros(2, 24, 3, requires_grad=True)
        loss, _ = losses.finetune(said, samples(2).truth, joint_set, d=10.0)
        loss.backward()  # type: ignore[no-untyped-call]
        assert said.grad is not None and said.grad.isfinite().all()

    def test_a_batch_over_d_teaches_nothing(self) -> None:
        tuning = finetuning(d=1e-6)
        before = weights(tuning)
        progress = train(tuning, bank(4))
        assert all(p.loss == 0 and p.kept == 0 for p in progress)
        assert all(torch.equal(before[n], v) for n, v in weights(tuning).items())


class TestRetention:
    def seen(self, estimator: PoseEstimator, n: int = 8) -> Bank:
        return recalled(samples(n, 21), estimator, appearance(), 0, rng())

    def drift(self, tuning: Finetuning, memory: Bank) -> float:
        crops, before = memory.draw(torch.arange(len(memory)), rng())
        return (tuning.estimator.predict(crops).joints - before.joints).norm(dim=-1).mean().item()

    def test_recall_holds_what_the_original_network_said(self) -> None:
        drifts = []
        for weight in (0.0, 1.0, 10.0):
            estimator = Deep(dropout=0.0)
            memory = self.seen(estimator)
            tuning = finetuning(
                estimator=estimator, recall=[(weight, memory)], lr=1e-2, epochs=10, retain={"share": 1.0}
            )
            assert self.drift(tuning, memory) < 1e-6
            train(tuning, bank(8), 10)
            drifts.append(self.drift(tuning, memory))
        assert drifts[0] > drifts[1] > drifts[2] and drifts[0] > 2 * drifts[2]

    def test_recalled_is_the_distance_to_it(self) -> None:
        estimator = BlobEstimator(rng(2))
        memory = self.seen(estimator)
        memory.labels.joints.add_(torch.tensor([0.3, 0.0, 0.4]))  # all of them, which is no other pose
        memory.labels.joints[:, 15] += torch.tensor([0.0, 2.4, 0.0])
        (progress,) = train(finetuning(estimator=estimator, recall=[(1.0, memory)], batch=8, d=1e-6), bank(8))
        assert progress.recalled.item() == pytest.approx(2.4 / 24, abs=1e-5)

    def test_replay_takes_its_share_of_the_batch(self) -> None:
        tuning = finetuning(replay=bank(3, 5), batch=10, retain={"replay": 0.3})
        assert (tuning.pace.replayed, tuning.pace.fresh) == (3, 7)
        assert finetuning(replay=None, batch=10, retain={"replay": 0.3}).pace.fresh == 10
        assert finetuning(replay=bank(3, 5), batch=10, retain={"replay": 1.0}).pace.fresh == 1

    def test_replayed_samples_are_learned(self) -> None:
        """Only replayed samples are below d; the step must be theirs."""
        far = bank(4)
        far.labels.joints.add_(100 * torch.randn(far.labels.joints.shape, generator=rng(1)))
        tuning = finetuning(replay=bank(8, 5), lr=1e-2, batch=8, d=2.0, scale_aligned=False, retain={"replay": 0.5})
        progress = train(tuning, far)
        assert all(p.kept == 0 and p.loss > 0 for p in progress)
        assert any(not torch.equal(tuning.original[n], p) for n, p in tuning.module.named_parameters())

    def test_distance_to_the_original_weights(self) -> None:
        def moved(weight: float) -> float:
            tuning = finetuning(lr=1e-2, epochs=10, retain={"weights": weight})
            train(tuning, bank(8), 10)
            return math.sqrt(
                sum((p - tuning.original[n]).square().sum().item() for n, p in tuning.module.named_parameters())
            )

        assert moved(0.0) > 2 * moved(1.0) > 0

    @pytest.mark.parametrize("share", [0.0, 0.25, 1.0])
    def test_average(self, share: float) -> None:
        tuning = finetuning(retain={"average": share})
        train(tuning, bank(4))
        tuned = weights(tuning)
        tuning.average()
        for name, value in weights(tuning).items():
            expected = share * tuned[name] + (1 - share) * tuning.original[name]
            torch.testing.assert_close(value, expected, atol=1e-7, rtol=0)
            if share in (0.0, 1.0):
                assert torch.equal(value, tuned[name] if share else tuning.original[name])

    def test_without_a_setting_the_estimator_says_how_much_is_kept(self) -> None:
        def kept(average: float | None, own: float | None) -> float:
            estimator = Deep()
            if own is not None:
                estimator.pace = Pace(average=own)
            tuning = finetuning(estimator=estimator, retain={"average": average})
            train(tuning, bank(4))
            name, tuned = "5.weight", weights(tuning)["5.weight"]
            tuning.average()
            original = tuning.original[name]
            return ((weights(tuning)[name] - original).norm() / (tuned - original).norm()).item()

        assert kept(None, None) == pytest.approx(1)
        assert kept(None, 0.25) == pytest.approx(0.25, rel=1e-3)
        assert kept(0.5, 0.25) == pytest.approx(0.5, rel=1e-3)
