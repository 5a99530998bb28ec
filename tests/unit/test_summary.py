"""The tables that a person reads after a run."""

from __future__ import annotations

import io
from typing import Any

import pytest
from rich.console import Console

from posegen.evaluate import GROUPINGS, METRICS, PROTOCOL, compare, summarise
from posegen.report import summary


def printed(table: Any, **console: Any) -> str:
    text = io.StringIO()
    Console(**{"file": text, "width": 160, **console}).print(table)
    return text.getvalue()


def rows(values: list[float]) -> dict[str, list[float]]:
    return {name: 3 * values for name in METRICS}  # of five images at least, which an interval needs


def compared(before: dict[str, list[float]], after: dict[str, list[float]]) -> dict[str, Any]:
    """Every picture of a clip of its own."""
    return compare(before, after, clips=[str(i) for i in range(len(before["mpjpe"]))])


def summed(values: dict[str, list[float]]) -> dict[str, Any]:
    return summarise(values, clips=[str(i) for i in range(len(values["mpjpe"]))])


def result(**splits: tuple[list[float], list[float]]) -> dict[str, Any]:
    made = {name: compared(rows(b), rows(a)) for name, (b, a) in splits.items()}
    return {"estimator": "blazepose", "protocol": PROTOCOL, "splits": made}


def row(text: str, split: str) -> str:
    (line,) = [line for line in text.splitlines() if f" {split} " in line]
    return line


class TestBeforeAfter:
    TEXT = printed(
        summary.before_after(
            result(usd=([300.0, 320.0, 340.0], [270.0, 288.0, 306.0]), real=([100.0, 110.0], [102.0, 113.0]))
        )
    )

    def test_names_the_estimator_and_the_protocol(self) -> None:
        assert "blazepose, before → after fine-tuning" in self.TEXT
        assert "12 limb joints, root-centred, mm" in " ".join(self.TEXT.split())
        assert all(title in self.TEXT for title in ("MPJPE", "PA-MPJPE", "N-MPJPE", "PCK@150", "MPJPE [95 %]"))

    def test_fits_80_columns(self) -> None:
        wide = result(ood_people=([1300.0, 1320.0, 1340.0], [1270.0, 1288.0, 1306.0]))
        text = printed(summary.before_after(wide), width=80)
        assert "…" not in text
        assert max(len(line) for line in text.splitlines()) <= 80

    def test_no_number_is_cut_in_a_narrow_terminal(self) -> None:
        wide = result(ood_people=([1300.0, 1320.0, 1340.0], [1270.0, 1288.0, 1306.0]))
        text = printed(summary.before_after(wide), width=40, soft_wrap=True)
        assert "…" not in text and row(text, "ood_people").count("1320 → 1288") == 4

    def test_numbers(self) -> None:
        usd = row(self.TEXT, "usd")
        assert usd.count("320 → 288") == 4
        assert "-10.0% [-1" in usd
        assert "+2.4% [" in row(self.TEXT, "real")

    @pytest.mark.parametrize(
        ("after", "code"),
        [([50.0, 55.0, 60.0], "32"), ([150.0, 160.0, 170.0], "31"), ([90.0, 110.0, 121.0], None)],
    )
    def test_green_is_surely_better_and_red_surely_worse(self, after: list[float], code: str | None) -> None:
        text = printed(summary.before_after(result(usd=([100.0, 110.0, 120.0], after))), force_terminal=True)
        change = row(text, "usd").rsplit("→", 1)[1]
        assert ("\x1b[32m" in change, "\x1b[31m" in change) == (code == "32", code == "31")

    def test_a_perfect_estimator(self) -> None:
        assert (
            row(printed(summary.before_after(result(usd=([0.0, 0.0], [0.0, 0.0])))), "usd").rstrip(" │").endswith("-")
        )

    def test_of_few_images_no_interval(self) -> None:
        few = compared({name: [100.0, 110.0] for name in METRICS}, {name: [90.0, 99.0] for name in METRICS})
        made = result() | {"splits": {"usd": few}}
        assert row(printed(summary.before_after(made)), "usd").rstrip().endswith("-10.0%")
        alone = {"ind": summed({name: [10.0, 20.0] for name in METRICS})}
        assert "[" not in row(printed(summary.figures("blazepose", alone, PROTOCOL)), "ind")

    def test_of_one_clip_no_interval(self) -> None:
        """Frames of one film are one witness, however many they are."""
        film = compare(rows([100.0, 110.0]), rows([90.0, 99.0]), clips=["film"] * 6)
        text = printed(summary.before_after(result() | {"splits": {"real": film}}), force_terminal=True, width=200)
        assert "-10.0%" in text and "[-" not in text and "\x1b[32m" not in text
        alone = summarise(rows([10.0, 20.0]), clips=["film"] * 6)
        assert "[" not in row(printed(summary.figures("blazepose", {"real": alone}, PROTOCOL)), "real")

    def test_no_splits(self) -> None:
        assert "blazepose" in printed(summary.before_after(result()))


def test_figures() -> None:
    splits = {"ind": summed(rows([10.0, 20.0, 30.0]))}
    text = printed(summary.figures("blazepose", splits, PROTOCOL))
    low, high = splits["ind"]["mpjpe"]["low"], splits["ind"]["mpjpe"]["high"]
    assert row(text, "ind").count(f"20 [{low:.0f}, {high:.0f}]") == 4
    assert "blazepose" in text and "pck at 150 mm" in text
    narrow = printed(summary.figures("blazepose", splits, PROTOCOL), width=40, soft_wrap=True)
    assert row(narrow, "ind") in text


class TestParts:
    @staticmethod
    def compared(before: list[float], after: list[float]) -> dict[str, Any]:
        return compared(rows(before), rows(after))

    def test_before_and_after_of_one_split(self) -> None:
        below = self.compared([300.0, 320.0, 340.0], [270.0, 288.0, 306.0])
        by = {"viewpoint": {"below": below}, "roll": {"upside down": self.compared([100.0], [110.0])}}
        text = printed(summary.parts_before_after({"by": {"usd": by}}, "usd"), width=80)
        assert "parts of usd" in text
        assert row(text, "below").split()[:5] == ["below", "9", "320", "→", "288"] and "-10.0% [" in row(text, "below")
        assert "+10.0%" in row(text, "upside down") and "[" not in row(text, "upside down")  # of three images
        assert max(len(line) for line in text.splitlines()) <= 80
        narrow = printed(summary.parts_before_after({"by": {"usd": by}}, "usd"), width=20, soft_wrap=True)
        assert row(narrow, "below") == row(text, "below")

    def test_splits_side_by_side(self) -> None:
        ind, usd = (summed(rows(values)) for values in ([70.0, 90.0], [200.0]))
        text = printed(summary.parts("viewpoint", {"ind": {"front": ind}, "usd": {"front": usd, "below": usd}}))
        assert row(text, "front").split() == ["front", "80", "(6)", "200", "(3)"]
        assert row(text, "below").split() == ["below", "-", "200", "(3)"]
        assert [line.split()[0] for line in text.splitlines()[-7:-1]] == list(GROUPINGS["viewpoint"])
