"""The pictures and tables of a report, piece by piece."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from PIL import Image

from posegen.body.joints import JOINT_SETS, LIMBS
from posegen.datasets.open import NAMES, Shots
from posegen.report import error_map, mollweide, page, pictures, stage
from posegen.report.seen import Seen

SET = JOINT_SETS["smpl24"]


def test_every_split_is_said_in_words() -> None:
    assert set(stage.SPLITS) == set(NAMES)


def straight() -> torch.Tensor:
    """Limb joints (12,3) of a person: legs 0.2 m apart, arms hanging."""
    heights = {"ankle": 0.8, "knee": 0.4, "hip": 0.0, "shoulder": -0.5, "elbow": -0.2, "wrist": 0.1}
    aside = {"ankle": 0.1, "knee": 0.1, "hip": 0.1, "shoulder": 0.2, "elbow": 0.25, "wrist": 0.25}
    joints = [(aside[p] * (1 if s == "left" else -1), heights[p], 0.0) for s, p in (limb.split("_") for limb in LIMBS)]
    return torch.tensor(joints)


def has(image: Image.Image, colour: tuple[int, int, int], at: tuple[float, float]) -> bool:
    """Whether a pixel near a place is nearly of a colour."""
    x, y = (round(v) for v in at)
    near = np.asarray(image.convert("RGB")).astype(int)[max(y - 2, 0) : y + 3, max(x - 2, 0) : x + 3]
    return bool((np.abs(near - np.array(colour)).max(-1) < 40).any())


class TestSheet:
    def test_the_estimate_in_colour_where_it_is_and_the_truth_in_grey(self) -> None:
        truth = straight()[None].repeat(2, 1, 1)
        moved = truth + torch.tensor([0.4, 0.0, 0.0])
        image = torch.full((2, 3, 16, 16), 90, dtype=torch.uint8)
        sheet = pictures.sheet(image, truth, {"before": moved, "after": truth}, [1])
        side = pictures.SIDE
        assert sheet.size == (side, 3 * side)
        assert has(sheet, (90, 90, 90), (side / 2, side / 2))

        def shin(x: float, row: int) -> tuple[float, float]:
            return (x / pictures.SEEN + 0.5) * side, (0.6 / pictures.SEEN + 0.5 + row) * side

        assert has(sheet, pictures.GREY, shin(0.1, 1))
        assert has(sheet, pictures.RED, shin(0.5, 1))
        assert has(sheet, pictures.GREEN, shin(0.1, 2))
        assert not has(sheet, pictures.RED, shin(0.5, 2))

    def test_what_is_transparent_is_white(self) -> None:
        clear, red = Image.new("RGBA", (8, 8), (0, 0, 0, 0)), Image.new("RGB", (8, 8), "red")
        strip = pictures.strip([clear, red])
        assert strip.getpixel((96, 96)) == (255, 255, 255)
        assert strip.getpixel((192 + 96, 96)) == (255, 0, 0)


def ramp(share: float) -> tuple[int, int, int]:
    """The colour of a share of the largest error."""
    return tuple((mollweide.colour(np.array(share)) * 255).round().astype(int).tolist())


class TestErrorMap:
    def test_a_dot_where_the_camera_is_in_the_colour_of_its_error(self) -> None:
        azimuth, elevation = np.array([90.0, -90.0]), np.array([20.0, 45.0])
        drawn = error_map.draw(azimuth, elevation, {"now": np.array([200.0, 400.0])})
        most = np.percentile([200, 400], error_map.MOST)
        assert has(drawn, ramp(200 / most), mollweide.place(90, 20))
        assert has(drawn, ramp(1), mollweide.place(-90, 45))
        assert not has(drawn, ramp(1), mollweide.place(90, 20))

    def test_times_share_a_scale(self) -> None:
        at = np.array([20.0])
        drawn = error_map.draw(at, at, {"before": np.array([400.0]), "after": np.array([200.0])})
        x, y = mollweide.place(20, 20)
        assert has(drawn, ramp(1), (x, y))
        after = (x + mollweide.PANEL[0], y)
        assert has(drawn, ramp(200 / 390), after) and not has(drawn, ramp(1), after)

    def test_no_error_at_all(self) -> None:
        at = np.array([20.0])
        drawn = error_map.draw(at, at, {"now": np.array([0.0])})
        x, y = mollweide.place(20, 20)
        assert has(drawn, ramp(0), (x, y)) and has(drawn, mollweide.INK, (x + error_map.RADIUS, y))


class TestSeen:
    def seen(self) -> Seen:
        truth = torch.zeros(3, 24, 3)
        truth[:, list(SET.limbs)] = straight()
        still = straight()[None].repeat(3, 1, 1)
        moved = still.clone()
        moved[:, LIMBS.index("left_wrist"), 2] += 0.3
        image, box = torch.zeros(3, 3, 8, 8, dtype=torch.uint8), torch.tensor([[0.0, 0, 8, 8]]).repeat(3, 1)
        return Seen(Shots("usd", image, box, truth, "smpl24", ("a", "a", "b")), {"before": moved, "after": still})

    def test_errors_of_joints_left_and_right_together(self) -> None:
        found = self.seen().joints()
        assert found["wrist"] == pytest.approx({"before": 150, "after": 0}, abs=1e-3)
        assert all(found[joint]["before"] == pytest.approx(0, abs=1e-3) for joint in found if joint != "wrist")

    def test_figures_are_those_of_the_pictures(self) -> None:
        figures, parts = self.seen().result()
        assert figures["mpjpe"]["before"]["mean"] == pytest.approx(300 / 12, abs=1e-3)
        assert figures["mpjpe"]["change_percent"]["mean"] == pytest.approx(-100, abs=1e-3)
        assert {name: part["images"] for name, part in parts["roll"].items()} == {"upright": 3}


class TestPage:
    def test_words_are_words_and_not_html(self) -> None:
        text = page.page("a < b & c", [page.heading("<i>"), page.note("1 < 2"), page.code("x = '<'")])
        assert "<h1>a &lt; b &amp; c</h1>" in text
        assert "<h2>&lt;i&gt;</h2>" in text
        assert "<i>" not in text

    def test_of_few_pictures_no_interval(self) -> None:
        metric = {"mean": 100.0, "low": 90.0, "high": 110.0}
        part = {name: metric for name in ("mpjpe", "pa_mpjpe", "n_mpjpe", "pck")}
        text = page.figures("part", [{"few": part | {"images": 4}, "many": part | {"images": 5}}])
        assert text.count("[90, 110]") == 1

    @pytest.mark.parametrize(("low", "high", "side"), [(-20, -1, "better"), (1, 20, "worse"), (-5, 5, "")])
    def test_what_changed_is_coloured_where_the_interval_says_so(self, low: float, high: float, side: str) -> None:
        time = {"mean": 100.0}
        metric = {"before": time, "after": time, "change_percent": {"mean": 0.0, "low": low, "high": high}}
        part = {name: metric for name in ("mpjpe", "pa_mpjpe", "n_mpjpe", "pck")} | {"images": 9}
        assert f'<span class="{side}">' in page.figures("part", [{"all": part}])
