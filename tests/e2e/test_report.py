"""``posegen report``: its numbers are those of the run, its pictures are there, and what it refuses."""

from __future__ import annotations

import base64
import io
import json
import re
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from posegen.report import stage
from posegen.run import generate, run

from .tiny import settings

SPLITS = ["ind", "usd", "real"]
CHANGES: dict[str, Any] = {"evaluate__splits": SPLITS, "evaluate__samples": 6}
Command = Callable[..., Any]


@pytest.fixture(scope="module")
def ended(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("report") / "run"
    run(settings(**CHANGES), out)
    return out


@pytest.fixture(scope="module")
def page(ended: Path, tmp_path_factory: pytest.TempPathFactory) -> str:
    out = tmp_path_factory.mktemp("page") / "report.html"
    stage.report(settings(**CHANGES), out, run=ended)
    return out.read_text("utf-8")


def rows(page: str) -> list[list[str]]:
    """The cells of all tables, without their tags."""
    found = re.findall(r"<tr>(.*?)</tr>", page)
    return [[re.sub("<.*?>", "", cell) for cell in re.findall(r"<td>(.*?)</td>", row)] for row in found]


def pictures(page: str) -> list[Image.Image]:
    return [Image.open(io.BytesIO(base64.b64decode(data))) for data in re.findall(r"image/webp;base64,([^\"]+)", page)]


class TestOfARun:
    def test_its_figures_are_those_of_the_run(self, page: str, ended: Path) -> None:
        said = json.loads((ended / "result.json").read_text())
        table = {row[0]: row[1:] for row in reversed(rows(page)) if row}
        for split in SPLITS:
            figures = said["splits"][split]
            before, after = (figures["mpjpe"][time]["mean"] for time in ("before", "after"))
            assert table[split][:2] == [str(figures["images"]), f"{before:.0f} → {after:.0f}"]
            assert f"{figures['mpjpe']['change_percent']['mean']:+.1f} %" in table[split][-1]

    def test_parts_and_joints_of_every_split(self, page: str, ended: Path) -> None:
        said = json.loads((ended / "result.json").read_text())
        names = [row[0] for row in rows(page) if row]
        expected = [*SPLITS]
        for split in SPLITS:
            expected += [part for parts in said["by"][split].values() for part in parts]
            expected += ["ankle", "knee", "hip", "wrist", "elbow", "shoulder"]
        assert names == expected

    def test_a_map_and_two_rows_of_pictures_a_split_and_the_samples(self, page: str) -> None:
        sizes = [picture.size for picture in pictures(page)]
        side, shown = 192, 6
        of_a_split = [(1456, 476), (shown * side, 3 * side), (shown * side, 3 * side)]
        real = [of_a_split[0], (8 * side, 3 * side), (8 * side, 3 * side)]
        assert sizes == [*of_a_split, *of_a_split, *real, (6 * side, side)]

    def test_is_one_file_that_asks_for_nothing_else(self, page: str) -> None:
        assert not re.findall(r"(?:src|href)=\"(?!data:)", page)
        assert "<script" not in page

    def test_says_how_the_run_was_made(self, page: str, ended: Path) -> None:
        text = (ended / "run.toml").read_text()
        assert text.strip() in re.search(r"<pre>(.*?)</pre>", page, re.S)[1].replace("&quot;", '"')  # type: ignore[index]


def test_of_an_estimator_alone_there_is_one_time(tmp_path: Path) -> None:
    out = tmp_path / "report.html"
    stage.report(settings(**CHANGES), out)
    page = out.read_text("utf-8")
    assert "Where tiny fails" in page
    assert "→" not in page
    assert [picture.size[1] // 192 for picture in pictures(page)] == [2, 2] * len(SPLITS)


class TestCommand:
    def test_writes_into_the_run_over_an_older_report(self, command: Command, ended: Path, tmp_path: Path) -> None:
        folder = tmp_path / "run"
        shutil.copytree(ended, folder)
        (folder / "report.html").write_text("of an older version")
        done = command("report", str(folder))
        assert (done.returncode, done.stdout.splitlines()[-1]) == (0, f"the report is in {folder / 'report.html'}")
        assert (folder / "report.html").read_text("utf-8").startswith("<!doctype html>")

    def test_writes_over_no_other_file(self, command: Command, ended: Path, tmp_path: Path) -> None:
        mine = tmp_path / "mine.html"
        mine.write_text("mine")
        done = command("report", str(ended), "--out", str(mine))
        assert (done.returncode, mine.read_text()) == (2, "mine")
        assert f"{mine} is there already" in done.stderr

    def test_a_run_has_its_own_settings(self, command: Command, ended: Path) -> None:
        done = command("report", str(ended), "--set", "evaluate.samples=3", "--device", "cpu")
        assert done.returncode == 2
        assert "a report of a run has the run's settings" in done.stderr

    def test_a_run_that_has_not_ended(self, command: Command, tmp_path: Path) -> None:
        out = tmp_path / "generated"
        generate(settings(**CHANGES), out)
        done = command("report", str(out))
        assert done.returncode == 2
        assert "has no fine-tuned weights" in done.stderr
        assert not (out / "report.html").exists()

    def test_no_run(self, command: Command, tmp_path: Path) -> None:
        done = command("report", str(tmp_path))
        assert done.returncode == 2
        assert "run.toml" in done.stderr and "give the --out of posegen run" in done.stderr

    def test_nothing_to_look_at(self, command: Command, tmp_path: Path) -> None:
        out = tmp_path / "page.html"
        given = ("evaluate.splits=[]", f"evaluate.datasets=['npz:{tmp_path}']")
        done = command("report", "--out", str(out), *(part for value in given for part in ("--set", value)))
        assert done.returncode == 2 and "there is nothing to look at" in done.stderr
        assert not out.exists()
