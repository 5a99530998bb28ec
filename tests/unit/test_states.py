"""The states that a run goes on from: saved, put back, and trained on to the same bits."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from blob_parts import Filters, bank, finetuning, method

from posegen import states
from posegen.checkpoint import load_tensors, save_tensors
from posegen.errors import AssetError, PosegenError
from posegen.finetune import Finetuning
from posegen.loop import PoseGen
from posegen.pool import PosePool


def parameters(posegen: PoseGen) -> list[torch.Tensor]:
    return [*posegen.generator.state_dict().values(), *posegen.discriminator.state_dict().values()]


def run_on(posegen: PoseGen, until: int) -> list[torch.Tensor]:
    return [progress.total for progress in posegen.train(until)]


class TestGenerator:
    @pytest.mark.parametrize("stop", [0, 1, 3, 6])
    def test_training_goes_on_to_the_same_bits(self, tmp_path: Path, stop: int) -> None:
        whole = method()
        whole.pool = PosePool(12)  # full after two batches, so that it matters
        expected = run_on(whole, 8)

        first = method()
        first.pool = PosePool(12)
        losses = run_on(first, stop)
        states.save_generator(tmp_path / "g", first)
        again = method(seed=99)
        again.pool = PosePool(12)
        states.load_generator(tmp_path / "g", again)
        assert again.iteration == stop
        losses += run_on(again, 8)
        assert torch.equal(torch.stack(losses), torch.stack(expected))
        assert all(torch.equal(a, b) for a, b in zip(parameters(again), parameters(whole), strict=True))
        assert torch.equal(
            again.draw(4, torch.Generator().manual_seed(1))[0], whole.draw(4, torch.Generator().manual_seed(1))[0]
        )

    def test_saving_changes_nothing(self, tmp_path: Path) -> None:
        posegen, other = method(), method()
        run_on(posegen, 3)
        states.save_generator(tmp_path / "g", posegen)
        run_on(posegen, 6)
        run_on(other, 6)
        assert all(torch.equal(a, b) for a, b in zip(parameters(posegen), parameters(other), strict=True))

    def test_what_is_not_finite_is_not_saved(self, tmp_path: Path) -> None:
        posegen = method()
        run_on(posegen, 2)
        states.save_generator(tmp_path / "g", posegen)
        good = (tmp_path / "g").read_bytes()
        with torch.no_grad():
            posegen.generator.head.bias[3] = torch.nan
        with pytest.raises(PosegenError, match=r"generator\.head\.bias holds values that are not finite"):
            states.save_generator(tmp_path / "g", posegen)
        assert (tmp_path / "g").read_bytes() == good

    @pytest.mark.parametrize("key", ["rng", "iteration", "generator.head.bias", "adam_d.0.exp_avg"])
    def test_what_lacks_a_part(self, tmp_path: Path, key: str) -> None:
        posegen = method()
        run_on(posegen, 2)
        states.save_generator(tmp_path / "g", posegen)
        tensors = load_tensors(tmp_path / "g", "")
        del tensors[key]
        save_tensors(tmp_path / "g", tensors)
        with pytest.raises(AssetError, match="lacks") as caught:
            states.load_generator(tmp_path / "g", method())
        assert "go on with --resume" in caught.value.hint


class TestFinetuning:
    @staticmethod
    def epochs(tuning: Finetuning, n: int) -> list[torch.Tensor]:
        losses = []
        for _ in range(n):
            losses += [p.loss for p in tuning.epoch(bank(6), torch.Generator().manual_seed(tuning.epochs))]
        return losses

    def test_of_a_version_with_another_pace(self, tmp_path: Path) -> None:
        states.save_finetuning(tmp_path / "f", finetuning(rotations=0.1))
        with pytest.raises(AssetError, match=r"another pace of fine-tuning: Pace\(.*rotations=0\.1") as caught:
            states.load_finetuning(tmp_path / "f", finetuning(rotations=0.2))
        assert "go on with --resume" in caught.value.hint

    @pytest.mark.parametrize(
        ("stop", "more"),
        [(1, {}), (2, {}), (1, {"rank": 2}), (1, {"optimizer": "muon"}), (2, {"turn": 30.0})],
    )
    def test_training_goes_on_to_the_same_bits(self, tmp_path: Path, stop: int, more: dict[str, Any]) -> None:
        settings: dict[str, Any] = {"epochs": 3, "batch": 4, **more}

        def start() -> Finetuning:
            return finetuning(estimator=Filters() if "optimizer" in more else None, **settings)

        whole = start()
        expected = self.epochs(whole, 3)
        first = start()
        losses = self.epochs(first, stop)
        states.save_finetuning(tmp_path / "f", first)
        again = start()
        states.load_finetuning(tmp_path / "f", again)
        assert again.epochs == stop
        losses += self.epochs(again, 3 - stop)
        assert torch.equal(torch.stack(losses), torch.stack(expected))
        for a, b in zip(again.module.parameters(), whole.module.parameters(), strict=True):
            assert torch.equal(a, b)
        assert all(torch.equal(again.original[k], whole.original[k]) for k in whole.original)

    def test_what_is_not_finite_is_not_saved(self, tmp_path: Path) -> None:
        tuning = finetuning()
        with torch.no_grad():
            next(tuning.module.parameters())[0] = torch.inf
        with pytest.raises(PosegenError, match=r"module\.weight holds values that are not finite"):
            states.save_finetuning(tmp_path / "f", tuning)
        assert not (tmp_path / "f").exists()

    def test_the_other_kind_of_checkpoint(self, tmp_path: Path) -> None:
        states.save_generator(tmp_path / "g", method())
        with pytest.raises(AssetError, match="lacks 'epochs': it is no checkpoint of this stage"):
            states.load_finetuning(tmp_path / "g", finetuning())
