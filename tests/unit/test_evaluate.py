"""Stage 3: the numbers, computed by hand."""

from __future__ import annotations

import json
import math
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from posegen import evaluate
from posegen.body.joints import JOINT_SETS, LIMBS
from posegen.datasets.open import Shots
from posegen.errors import PosegenError
from posegen.evaluate import (
    GROUPINGS,
    METRICS,
    belong,
    broken_down,
    compare,
    limbs,
    measure,
    parts,
    predict,
    summarise,
)
from posegen.geometry import from_spherical
from posegen.geometry.viewpoint import view_rotation
from posegen.types import Estimate

SET = JOINT_SETS["smpl24"]


def rng(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


class Oracle:
    """Says prepared joints, row by row, whatever it sees; a black box."""

    input_size, differentiable, module, lr, frozen = 4, False, None, 0.0, ()

    def __init__(self, joints: Tensor, joint_set: str = "smpl24") -> None:
        self.joints, self.joint_set, self.said, self.batches = joints, joint_set, 0, []  # type: ignore[var-annotated]

    def crop(self, image: Tensor, box: Tensor) -> Tensor:
        assert image.dtype == torch.float32 and image.max() <= 1
        return image[..., :4, :4]

    def predict(self, crop: Tensor) -> Estimate:
        start, self.said = self.said, self.said + len(crop)
        self.batches.append(len(crop))
        return Estimate(self.joints[start : self.said])


def each(n: int) -> tuple[str, ...]:
    """Every picture of a clip of its own."""
    return tuple(str(i) for i in range(n))


def shots(joints: Tensor, joint_set: str = "smpl24") -> Shots:
    n = len(joints)
    image = torch.randint(0, 256, (n, 3, 8, 8), generator=rng(), dtype=torch.uint8)
    return Shots("usd", image, torch.tensor([[0.0, 0, 8, 8]]).expand(n, 4), joints, joint_set, each(n))


def truth(n: int) -> Tensor:
    return 0.4 * torch.randn(n, 24, 3, generator=rng(1))


class TestMeasure:
    def test_by_hand(self) -> None:
        """Three of twelve limbs are 300 mm off, along z."""
        true = truth(5)
        said = true.clone()
        moved = [SET.joints.index(name) for name in ("left_wrist", "left_elbow", "right_ankle")]
        said[:, moved, 2] += 0.3
        figures = measure(Oracle(said), shots(true))
        assert figures["mpjpe"] == pytest.approx([75.0] * 5, abs=1e-3)
        assert figures["pck"] == pytest.approx([75.0] * 5, abs=1e-4)

    def test_against_numpy(self) -> None:
        true, said = truth(6), truth(6) + 0.1 * torch.randn(6, 24, 3, generator=rng(2))
        figures = measure(Oracle(said), shots(true))
        for i in range(6):
            t, s = ((x[i] - x[i, list(SET.root)].mean(0))[list(SET.limbs)].double().numpy() for x in (true, said))
            assert figures["mpjpe"][i] == pytest.approx(1000 * np.linalg.norm(t - s, axis=1).mean(), rel=1e-5)
            scale = (t * s).sum() / (s * s).sum()
            assert figures["n_mpjpe"][i] == pytest.approx(1000 * np.linalg.norm(t - scale * s, axis=1).mean(), rel=1e-5)
            assert figures["pa_mpjpe"][i] == pytest.approx(procrustes_error(s, t), rel=1e-4)
            assert figures["pck"][i] == pytest.approx(100 * (np.linalg.norm(t - s, axis=1) < 0.15).mean(), rel=1e-5)

    def test_where_the_person_stands_does_not_matter(self) -> None:
        true = truth(4)
        figures = measure(Oracle(true + torch.tensor([0.3, -2.0, 7.0])), shots(true))
        assert max(figures["mpjpe"]) < 1e-2 and min(figures["pck"]) == 100

    def test_what_alignment_forgives(self) -> None:
        true = truth(4)
        turn = torch.tensor([[0.0, -1.0, 0.0], [1.0, 0.0, 0.0], [0.0, 0.0, 1.0]])
        figures = measure(Oracle(1.2 * true @ turn.T), shots(true))
        assert max(figures["pa_mpjpe"]) < 1e-2 < min(figures["n_mpjpe"])
        figures = measure(Oracle(1.2 * true), shots(true))
        assert max(figures["n_mpjpe"]) < 1e-2 < min(figures["mpjpe"])

    def test_joint_sets_are_compared_limb_by_limb(self) -> None:
        """``real`` has the joints of another set than the estimator: the same limbs in the same order."""
        other = JOINT_SETS["blazepose33"]
        names = [SET.joints[j] for j in SET.limbs]
        assert [other.joints[j] for j in other.limbs] == names
        said, true = torch.zeros(1, 24, 3), torch.zeros(1, 33, 3)
        for k, name in enumerate(names):
            place = torch.tensor([0.1 * k, 0.0, 0.0])
            said[0, SET.joints.index(name)] = place
            true[0, other.joints.index(name)] = place
        difference = limbs(said, "smpl24") - limbs(true, "blazepose33")
        torch.testing.assert_close(difference, difference[:, :1].expand_as(difference), msg="all by one constant")

    @pytest.mark.parametrize("batch", [1, 3, 32])
    def test_batches(self, monkeypatch: pytest.MonkeyPatch, batch: int) -> None:
        monkeypatch.setattr(evaluate, "BATCH", batch)
        said = truth(7)
        oracle = Oracle(said)
        assert torch.equal(predict(oracle, shots(said)), said)
        assert sum(oracle.batches) == 7 and max(oracle.batches) <= batch

    @pytest.mark.parametrize("value", [math.nan, math.inf])
    def test_what_is_not_a_number_is_not_measured(self, value: float) -> None:
        said = truth(3)
        said[1, 20, 0] = value
        with pytest.raises(PosegenError, match="split usd: what the estimator says holds values that are not finite"):
            measure(Oracle(said), shots(truth(3)))


def procrustes_error(source: np.ndarray, target: np.ndarray) -> float:
    """Umeyama (1991), mm."""
    s, t = source - source.mean(0), target - target.mean(0)
    u, d, vt = np.linalg.svd(t.T @ s)
    sign = np.diag([1, 1, np.sign(np.linalg.det(u @ vt))])
    scale = (d * np.diag(sign)).sum() / (s * s).sum()
    return float(1000 * np.linalg.norm(scale * s @ (u @ sign @ vt).T - t, axis=1).mean())


def rows(values: list[float], pck: list[float] | None = None) -> dict[str, list[float]]:
    return {name: values for name in METRICS} | ({"pck": pck} if pck else {})


def compared(before: dict[str, list[float]], after: dict[str, list[float]]) -> dict[str, Any]:
    return compare(before, after, clips=each(len(before["mpjpe"])))


class TestCompare:
    def test_means_and_the_paired_change(self) -> None:
        """Every image is 10 % better: the paired interval is narrow although the images differ widely."""
        before = [100.0, 200.0, 300.0, 400.0, 500.0]
        split = compared(rows(before), rows([0.9 * v for v in before]))
        assert split["images"] == 5
        assert split["mpjpe"]["before"]["mean"] == pytest.approx(300)
        assert split["mpjpe"]["after"]["mean"] == pytest.approx(270)
        change = split["mpjpe"]["change_percent"]
        assert change["mean"] == pytest.approx(-10)
        wide = split["mpjpe"]["before"]
        assert change["high"] < -5 and wide["high"] - wide["low"] > 150

    def test_the_interval_is_that_of_the_paired_ratio(self) -> None:
        """By the delta method, which many images of as many clips keep to."""
        before = (200 + 50 * torch.randn(400, generator=rng(3))).tolist()
        after = [b - 20 + 10 * x for b, x in zip(before, torch.randn(400, generator=rng(4)).tolist(), strict=True)]
        change = compared(rows(before), rows(after))["mpjpe"]["change_percent"]
        difference = 100 * (np.array(after) - np.array(before)) / np.mean(before)
        left = difference - difference.mean() * np.array(before) / np.mean(before)
        error = left.std() / math.sqrt(400)
        assert change["mean"] == pytest.approx(difference.mean(), rel=1e-4)
        assert change["low"] == pytest.approx(difference.mean() - 1.96 * error, abs=0.15 * error)
        assert change["high"] == pytest.approx(difference.mean() + 1.96 * error, abs=0.15 * error)

    def test_nothing_changed(self) -> None:
        change = compared(rows([1.0, 2.0, 3.0]), rows([1.0, 2.0, 3.0]))["pck"]["change_percent"]
        assert change == {"mean": 0, "low": 0, "high": 0}

    def test_no_change_relative_to_nothing(self) -> None:
        """An estimator that never comes within 150 mm: JSON has no infinity."""
        split = compared(rows([500.0, 600.0], [0.0, 0.0]), rows([400.0, 500.0], [10.0, 0.0]))
        assert split["pck"]["change_percent"] is None
        assert split["pck"]["after"]["mean"] == 5
        json.dumps(split, allow_nan=False)

    def test_is_repeatable(self) -> None:
        values = torch.rand(30, generator=rng()).tolist()
        assert compared(rows(values), rows(values[::-1])) == compared(rows(values), rows(values[::-1]))

    def test_one_image(self) -> None:
        assert compared(rows([3.0]), rows([6.0]))["mpjpe"]["change_percent"]["mean"] == pytest.approx(100)


def test_summarise() -> None:
    summary = summarise(rows([10.0, 20.0, 30.0]), clips=each(3))
    assert summary["images"] == 3 and set(summary) == {"images", *METRICS}
    assert summary["mpjpe"]["mean"] == pytest.approx(20)
    assert summary["mpjpe"]["low"] < 10 and summary["mpjpe"]["high"] > 30  # three clips say little
    assert summary["mpjpe"]["low"] + summary["mpjpe"]["high"] == pytest.approx(40)


@pytest.mark.parametrize(
    ("figures", "fits"),
    [
        ({"usd": rows([1.0, 2.0])}, True),
        ({"usd": rows([1.0, 2.0]), "ind": rows([1.0])}, True),
        ({"usd": rows([1.0])}, False),
        ({"ind": rows([1.0, 2.0])}, False),
        ({"usd": {"mpjpe": [1.0, 2.0]}}, False),
        ({"usd": None}, False),
        ({"usd": 3}, False),
        ({}, False),
    ],
)
def test_figures_of_other_images_are_noticed(figures: dict[str, Any], fits: bool) -> None:
    assert belong(figures, [shots(truth(2))]) is fits


VIEWS = {
    ("front", "upright"): (0, 0, 0),
    ("left", "upright"): (90, 0, 0),
    ("back", "tilted"): (180, 20, 90),
    ("above", "upright"): (20, 60, 0),
    ("below", "upside down"): (-100, -60, 180),
}
"""{(seen from, how it lies in the picture): azimuth, elevation, roll in degrees}"""


class TestParts:
    """A person who stands, as cameras see him: his left is +x, up +y, front +z."""

    def seen(self) -> Shots:
        places = {
            "hip": (0.1, -0.1), "shoulder": (0.2, 0.4), "knee": (0.1, -0.5), "ankle": (0.1, -0.9),
            "elbow": (0.4, 0.4), "wrist": (0.6, 0.4),
        }  # fmt: skip
        body = torch.zeros(24, 3)
        for name, joint in zip(LIMBS, SET.limbs, strict=True):
            side, part = name.split("_")
            x, y = places[part]
            body[joint, 0], body[joint, 1] = (x if side == "left" else -x), y
        angles = torch.tensor(list(VIEWS.values())).deg2rad()
        turn = view_rotation(from_spherical(*angles.unbind(-1)))
        return shots(torch.einsum("nij,kj->nki", turn, body))

    def test_where_from_and_how_it_lies(self) -> None:
        found = parts(self.seen())
        assert found["viewpoint"] == {where: [i] for i, (where, _) in enumerate(VIEWS)}
        assert found["roll"] == {"upright": [0, 1, 3], "tilted": [2], "upside down": [4]}

    def test_in_the_order_of_tables(self) -> None:
        for grouping, names in GROUPINGS.items():
            found = list(parts(self.seen())[grouping])
            assert found == [name for name in names or sorted(found) if name in found]

    def test_clips_by_name(self) -> None:
        seen = replace(self.seen(), clips=("walk", "dance", "walk", "kick", "walk"))
        assert list(parts(seen)["clip"].items()) == [("dance", [1]), ("kick", [3]), ("walk", [0, 2, 4])]

    def test_who_has_no_trunk_is_in_no_part(self) -> None:
        seen = self.seen()
        seen.joints[1] = 0
        assert {i for images in parts(seen)["roll"].values() for i in images} == {0, 2, 3, 4}

    def test_of_each_part_its_own_images(self) -> None:
        before = {name: [10.0, 20.0, 30.0, 40.0, 50.0] for name in METRICS}
        after = {name: [5.0, 20.0, 30.0, 80.0, 25.0] for name in METRICS}
        found = broken_down(self.seen(), compare, before, after)
        assert found["viewpoint"]["above"]["mpjpe"]["change_percent"]["mean"] == pytest.approx(100)
        upright = found["roll"]["upright"]
        assert (upright["images"], upright["mpjpe"]["after"]["mean"]) == (3, pytest.approx(35))
