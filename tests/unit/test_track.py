"""What is written down while a run works."""

from __future__ import annotations

import io
import json
from dataclasses import dataclass
from pathlib import Path

import pytest
import torch
from rich.console import Console
from torch import Tensor

from posegen.errors import PosegenError
from posegen.track import EVERY, Track


@dataclass(frozen=True)
class Losses:
    total: Tensor
    error: Tensor | None = None


def losses(value: float, error: float | None = None) -> Losses:
    return Losses(torch.tensor(value), None if error is None else torch.tensor(error))


def rows(path: Path) -> list[dict[str, object]]:
    return [json.loads(line) for line in path.read_text().splitlines()]


@pytest.fixture
def log(tmp_path: Path) -> Path:
    return tmp_path / "metrics.jsonl"


def walk(track: Track, name: str, first: int, last: int, done: int = 0) -> None:
    with track.phase(name, last, done) as phase:
        for i in range(first, last + 1):
            phase.advance(losses(float(i)))


class TestRows:
    def test_one_for_each_iteration(self, log: Path) -> None:
        track = Track(log)
        with track.phase("warm-up", 3) as phase:
            phase.advance(losses(1.5))
            phase.advance(losses(2.5, 0.25))
            phase.advance(losses(3.5))
        walk(track, "feedback 0", 1, 2)
        assert rows(log) == [
            {"phase": "warm-up", "iteration": 1, "total": 1.5},
            {"phase": "warm-up", "iteration": 2, "total": 2.5, "error": 0.25},
            {"phase": "warm-up", "iteration": 3, "total": 3.5},
            {"phase": "feedback 0", "iteration": 1, "total": 1.0},
            {"phase": "feedback 0", "iteration": 2, "total": 2.0},
        ]

    def test_are_read_in_groups(self, log: Path) -> None:
        """Each reading of a loss waits for the device."""
        with Track(log).phase("warm-up", 100) as phase:
            for i in range(2 * EVERY - 1):
                phase.advance(losses(float(i)))
            assert len(rows(log)) == EVERY
            phase.flush()
            assert len(rows(log)) == 2 * EVERY - 1

    def test_phases_without_losses_write_none(self, log: Path) -> None:
        with Track(log).phase("draw", 4) as phase:
            phase.advance(by=3)
            assert phase.iteration == 3
        assert not log.exists()

    def test_no_file_is_wanted(self) -> None:
        walk(Track(None), "measure", 1, 30)


class TestAfterAnInterruption:
    def test_repeated_iterations_are_written_once(self, log: Path) -> None:
        walk(Track(log), "warm-up", 1, 5)
        walk(Track(log), "feedback 0", 6, 17, done=5)
        walk(Track(log), "feedback 0", 11, 20, done=10)
        assert [(r["phase"], r["iteration"]) for r in rows(log)] == [
            *(("warm-up", i) for i in range(1, 6)),
            *(("feedback 0", i) for i in range(6, 21)),
        ]

    @pytest.mark.parametrize(
        "rest", ['{"phase": "warm', '{"phase": "warm-up", "iteration": 3}', "\x00\x00\n", "[]\n", "3\n"]
    )
    def test_half_a_line_is_dropped(self, log: Path, rest: str) -> None:
        walk(Track(log), "warm-up", 1, 2)
        with log.open("a") as file:
            file.write(rest)
        walk(Track(log), "feedback 0", 3, 4, done=2)
        assert [r["iteration"] for r in rows(log)] == [1, 2, 3, 4]

    def test_a_whole_log_is_not_written_again(self, log: Path) -> None:
        walk(Track(log), "warm-up", 1, 2)
        before = log.stat().st_ino
        walk(Track(log), "feedback 0", 3, 4, done=2)
        assert log.stat().st_ino == before


class TestAlarms:
    def test_the_bad_row_is_in_the_log(self, log: Path) -> None:
        bad = pytest.raises(PosegenError, match="warm-up, iteration 2: total is nan")
        with bad, Track(log).phase("warm-up", 3) as phase:
            for value in (1.0, float("nan"), 3.0):
                phase.advance(losses(value))
        assert len(rows(log)) == 3

    def test_what_an_error_follows_from_comes_first(self, log: Path) -> None:
        bad = pytest.raises(PosegenError, match="iteration 2: total is nan")
        with bad as caught, Track(log).phase("warm-up", 3) as phase:
            phase.advance(losses(1.0))
            phase.advance(losses(float("nan")))
            raise ValueError("a pose is not finite")
        assert isinstance(caught.value.__context__, ValueError)

    def test_other_errors_pass_and_what_is_known_is_written(self, log: Path) -> None:
        with pytest.raises(ValueError, match="other"), Track(log).phase("warm-up", 3) as phase:
            phase.advance(losses(1.0))
            raise ValueError("other")
        assert len(rows(log)) == 1

    def test_a_log_that_cannot_be_written(self, log: Path) -> None:
        log.mkdir()
        with pytest.raises(PosegenError, match=r"metrics\.jsonl could not be written: Is a directory"):
            walk(Track(log), "warm-up", 1, 2)


class TestConsole:
    def test_a_line_for_each_phase(self, log: Path) -> None:
        text = io.StringIO()
        track = Track(log, Console(file=text, width=120))
        walk(track, "warm-up", 1, 3)
        walk(track, "feedback [0]", 1, 3)
        first, second = text.getvalue().splitlines()
        assert first.startswith("✓ warm-up") and first.endswith("total 3.000") and " s " in first
        assert "feedback [0]" in second

    def test_a_terminal_shows_progress_and_keeps_nothing_of_it(self, log: Path) -> None:
        text = io.StringIO()
        track = Track(log, Console(file=text, width=120, force_terminal=True))
        walk(track, "warm-up", 1, 30)
        assert "30/30" in text.getvalue()
        assert text.getvalue().splitlines()[-1].count("warm-up") == 1

    def test_seconds_add_up(self, log: Path) -> None:
        track = Track(log)
        walk(track, "a", 1, 1)
        walk(track, "a", 1, 1)
        walk(track, "b", 1, 1)
        assert set(track.seconds) == {"a", "b"} and all(s >= 0 for s in track.seconds.values())
