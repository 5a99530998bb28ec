"""Ablations without runs: statistics against scipy, pairing, the four forms of the table, and the cells."""

from __future__ import annotations

import csv
import io
import json
import math
from pathlib import Path
from typing import Any

import pytest
from ablate_parts import RECIPE, reader
from rich.console import Console
from scipy import stats

from posegen import UsageError
from posegen.ablate.cells import Cell, cells
from posegen.ablate.execute import execute
from posegen.ablate.recipe import Ablation, read
from posegen.ablate.table import tabulate
from posegen.config import to_toml
from posegen.errors import AssetError
from posegen.evaluate import METRICS, PROTOCOL
from posegen.report import ablation as report
from posegen.statistics import interval, t_quantile, within


@pytest.fixture
def ablation(tmp_path: Path) -> Any:
    return reader(tmp_path)


class TestStatistics:
    @pytest.mark.parametrize("df", [1, 2, 3, 4, 5, 7, 10, 19, 30, 101])
    def test_student_against_scipy(self, df: int) -> None:
        assert t_quantile(df) == pytest.approx(stats.t.ppf(0.975, df), rel=1e-9)
        for t in (0.0, 0.3, 1.0, 2.5, 40.0):
            assert within(t, df) == pytest.approx(1 - 2 * stats.t.sf(t, df), abs=1e-12)

    def test_an_interval_against_scipy(self) -> None:
        values = [231.5, 240.2, 236.9, 228.4]
        made = interval(values)
        low, high = stats.t.interval(0.95, 3, loc=made.mean, scale=stats.sem(values))
        assert (made.low, made.high) == (pytest.approx(low), pytest.approx(high))
        assert (made.mean, made.n) == (pytest.approx(sum(values) / 4), 4)

    def test_an_interval_by_hand(self) -> None:
        """Mean 2, deviation 1, t(2) = 4.3027: 2 ± 4.3027 / sqrt(3)."""
        made = interval([1.0, 2.0, 3.0])
        assert made.high == pytest.approx(2 + 4.302652729911275 / math.sqrt(3), rel=1e-10)

    def test_one_value_has_no_interval(self) -> None:
        made = interval([3.0])
        assert (made.mean, made.low, made.high, made.n) == (3.0, None, None, 1)

    def test_equal_values_have_one_of_no_width(self) -> None:
        made = interval([4.0, 4.0, 4.0])
        assert made.low == made.mean == made.high == 4.0


def finish(cell: Cell, before: float, after: float) -> None:
    """A directory as a run leaves it, with figures of which the table needs the means."""
    cell.folder.mkdir(parents=True)
    (cell.folder / "run.toml").write_text(to_toml(cell.settings))
    figures = {m: {"before": {"mean": before}, "after": {"mean": after}} for m in METRICS}
    result = {"splits": {"usd": figures}, "seconds": {"draw": 2.0, "fine-tune": 3.0}}
    (cell.folder / "result.json").write_text(json.dumps(result))


BEFORE = {0: 300.0, 1: 310.0, 2: 305.0}
AFTER = {"a": {0: 250.0, 1: 264.0, 2: 257.0}, "b": {0: 240.0, 1: 251.0, 2: 248.0}}


@pytest.fixture
def measured(ablation: Any, tmp_path: Path) -> Any:
    def write(*assignments: str, leave: tuple[str, ...] = ()) -> tuple[Ablation, list[Cell]]:
        made = ablation(RECIPE, *assignments)
        found = cells(made, (0, 1, 2), tmp_path / "out")
        for cell in found:
            if cell.name not in leave:
                finish(cell, BEFORE[cell.seed], AFTER[cell.row][cell.seed])
        return made, found

    return write


class TestTable:
    def rows(self, table: dict[str, Any]) -> dict[str, Any]:
        return {row["row"]: row["metrics"]["usd.mpjpe"] for row in table["rows"]}

    def test_differences_are_paired_by_seed(self, measured: Any) -> None:
        table = tabulate(*measured(), {})
        rows = self.rows(table)
        assert list(rows) == ["before", "b", "a"]
        paired = stats.ttest_rel([240.0, 251.0, 248.0], [250.0, 264.0, 257.0]).confidence_interval()
        difference = rows["b"]["difference"]
        assert difference["mean"] == pytest.approx(-32 / 3)
        assert (difference["low"], difference["high"]) == (pytest.approx(paired.low), pytest.approx(paired.high))
        assert rows["a"]["difference"] is None, "the reference is not compared with itself"
        assert rows["before"]["difference"]["mean"] == pytest.approx(48.0)
        change = [100 * (240 / 300 - 1), 100 * (251 / 310 - 1), 100 * (248 / 305 - 1)]
        assert rows["b"]["change_percent"]["mean"] == pytest.approx(sum(change) / 3)
        assert rows["b"]["values"] == {"0": 240.0, "1": 251.0, "2": 248.0}
        assert table["rows"][1]["seconds"] == 5.0 and not table["missing"]

    def test_the_time_is_that_of_whole_runs(self, measured: Any) -> None:
        made, found = measured()
        for cell in found:
            if cell.row == "b" or cell.seed == 0:
                result = json.loads((cell.folder / "result.json").read_text())
                (cell.folder / "result.json").write_text(json.dumps(result | {"seconds": None}))
        seconds = {row["row"]: row["seconds"] for row in tabulate(made, found, {})["rows"]}
        assert seconds == {"before": None, "b": None, "a": 5.0}

    def test_a_seed_that_one_row_lacks_is_left_out_of_its_difference_alone(self, measured: Any) -> None:
        table = tabulate(*measured(leave=("a/1",)), {"a/1": AssetError("it burnt down")})
        rows = self.rows(table)
        assert (rows["b"]["after"]["n"], rows["a"]["after"]["n"], rows["b"]["difference"]["n"]) == (3, 2, 2)
        assert rows["b"]["difference"]["mean"] == pytest.approx((-10 - 9) / 2)
        assert table["missing"] == {"a/1": "it burnt down"}

    def test_how_many_seeds_a_difference_is_of_is_said(self, measured: Any, tmp_path: Path) -> None:
        report.write(tabulate(*measured(leave=("a/1",)), {"a/1": AssetError("it burnt down")}), tmp_path)
        assert "[-15.9, -3.1], n = 2 |" in (tmp_path / "table.md").read_text().replace("**", "")
        text = (tmp_path / "table.txt").read_text()
        assert "n = 2" in text and "missing: a/1: it burnt down" in text
        lines = list(csv.DictReader(io.StringIO((tmp_path / "table.csv").read_text())))
        assert [(line["row"], line["seeds"], line["difference_seeds"]) for line in lines[::2]] == [
            ("before", "3", "2"), ("b", "3", "2"), ("a", "2", "")
        ]  # fmt: skip

    def test_against_no_fine_tuning(self, measured: Any) -> None:
        rows = self.rows(tabulate(*measured("reference=before"), {}))
        assert rows["a"]["difference"]["mean"] == pytest.approx(-48.0)
        assert rows["before"]["difference"] is None

    def test_rows_that_start_from_different_networks_have_no_common_before(self, measured: Any) -> None:
        made, found = measured(leave=("b/2",))
        finish(found[2], 999.0, 1.0)
        assert found[2].name == "b/2"
        assert "before" not in self.rows(tabulate(made, found, {}))

    def test_nothing_measured_is_an_empty_table(self, ablation: Any, tmp_path: Path) -> None:
        made = ablation()
        table = tabulate(made, cells(made, (0,), tmp_path), {})
        assert table["rows"] == [] and set(table["missing"]) == {"a/0", "b/0"}
        report.write(table, tmp_path)
        assert "missing: a/0" in (tmp_path / "table.md").read_text()


class TestForms:
    @pytest.fixture
    def written(self, measured: Any, tmp_path: Path) -> Path:
        report.write(tabulate(*measured(), {}), tmp_path)
        return tmp_path

    def test_json_is_the_whole_table(self, written: Path) -> None:
        table = json.loads((written / "table.json").read_text())
        assert (table["title"], table["reference"], table["protocol"]) == ("Two rows", "a", PROTOCOL)
        assert [row["row"] for row in table["rows"]] == ["before", "b", "a"]

    def test_a_title_is_no_markup(self, measured: Any, tmp_path: Path) -> None:
        report.write(tabulate(*measured(), {}) | {"title": "what [renderer] adds [/a]"}, tmp_path)
        assert "what [renderer] adds [/a]" in (tmp_path / "table.txt").read_text()

    def test_csv_has_a_line_for_every_row_and_metric(self, written: Path) -> None:
        lines = list(csv.DictReader(io.StringIO((written / "table.csv").read_text())))
        assert [(line["row"], line["metric"]) for line in lines] == [
            (row, metric) for row in ("before", "b", "a") for metric in ("usd.mpjpe", "usd.pck")
        ]
        b = lines[2]
        assert float(b["after_mean"]) == pytest.approx(739 / 3)
        assert float(b["difference_low"]) < float(b["difference_mean"]) < float(b["difference_high"]) < 0
        assert lines[4]["difference_mean"] == "" and b["reference"] == "a" and b["seeds"] == "3"

    def test_markdown_is_one_table_with_every_figure(self, written: Path) -> None:
        lines = (written / "table.md").read_text().splitlines()
        rows = [line for line in lines if line.startswith("|")]
        assert len({line.count("|") for line in rows}) == 1
        half = t_quantile(2) * stats.sem([240.0, 251.0, 248.0])
        assert f"| b | 3 | 246.3 ± {half:.1f} | " in rows[3]
        assert "| **-10.7 [-15.8, -5.5]** |" in rows[3], "an interval without zero is bold"
        assert rows[2].startswith("| before | 3 | 305.0 ")

    def test_the_terminal_s_has_three_lines_a_row(self, written: Path) -> None:
        lines = (written / "table.txt").read_text().splitlines()
        (i,) = [i for i, line in enumerate(lines) if line.split()[:2] == ["b", "3"]]
        assert "246.3 ± " in lines[i]
        assert lines[i + 1].split() == ["-10.7", "-10.7"]
        assert lines[i + 2].split() == ["[-15.8,", "-5.5]", "[-15.8,", "-5.5]"]

    def test_four_metrics_fit_a_narrow_terminal(self, measured: Any) -> None:
        table = tabulate(*measured('metrics=["usd.mpjpe", "usd.pa_mpjpe", "usd.n_mpjpe", "usd.pck"]'), {})
        text = io.StringIO()
        Console(file=text, width=80).print(report.rich(table))
        assert text.getvalue().count("[-15.8, -5.5]") == 4 and "before" in text.getvalue()

    @pytest.mark.parametrize("width", [40, 80])
    def test_nothing_is_cut_where_there_is_no_room(self, measured: Any, width: int) -> None:
        table = tabulate(*measured('metrics=["usd.mpjpe", "usd.pa_mpjpe", "usd.n_mpjpe", "usd.pck"]'), {})
        for row in table["rows"]:
            row["column"], row["row"] = "a-long-column", f"{row['row']}-with-a-name"
        text = io.StringIO()
        Console(file=text, width=width, soft_wrap=True).print(report.rich(table))
        words = text.getvalue().split()
        assert "…" not in text.getvalue() and {"a-long-column", "before-with-a-name"} <= set(words)
        assert [words.count(word) for word in ("246.3", "-10.7", "[-15.8,", "-5.5]")] == [4, 4, 4, 4]

    def test_nor_in_a_file(self, measured: Any, tmp_path: Path) -> None:
        table = tabulate(*measured(), {})
        for row in table["rows"]:
            row["metrics"] = {f"split_{i}_of_many.mpjpe": row["metrics"]["usd.mpjpe"] for i in range(20)}
        report.write(table | {"metrics": list(table["rows"][0]["metrics"])}, tmp_path)
        assert (tmp_path / "table.txt").read_text().split().count("246.3") == 20

    def test_more_is_better_for_some(self) -> None:
        up = {"mean": 3.0, "low": 1.0, "high": 5.0, "n": 3}
        assert report._coloured("usd.pck", up, 3).startswith("[green]")
        assert report._coloured("usd.mpjpe", up, 3).startswith("[red]")
        assert report._coloured("usd.mpjpe", up | {"low": -1.0}, 3).startswith("[dim]")


class TestCells:
    def test_state(self, measured: Any) -> None:
        _, found = measured(leave=("a/0",))
        states = {cell.name: cell.state() for cell in found}
        assert states.pop("a/0") == "new" and set(states.values()) == {"done"}
        (found[0].folder / "result.json").unlink()
        assert found[0].state() == "interrupted"

    def test_what_is_done_is_not_run_again(self, measured: Any) -> None:
        _, found = measured()
        assert list(execute(found, 1, Console(quiet=True))) == []
        assert list(execute(found, 2, Console(quiet=True))) == []

    def test_a_directory_of_other_settings_is_refused(self, measured: Any, ablation: Any, tmp_path: Path) -> None:
        measured()
        again = cells(ablation(RECIPE, "loop.batch=99"), (0,), tmp_path / "out")
        with pytest.raises(UsageError, match=r"a run with other settings: loop\.batch is \d+ there, and 99 here"):
            again[0].state()

    @pytest.mark.parametrize("name", ["", "a"])
    def test_a_file_in_the_place_of_a_folder_is_refused(self, ablation: Any, tmp_path: Path, name: str) -> None:
        file = tmp_path / "out" / name
        file.parent.mkdir(exist_ok=True)
        file.write_text("kept")
        found = cells(ablation(), (0,), tmp_path / "out")
        with pytest.raises(UsageError, match=f"{file} is a file"):
            list(execute(found, 1, Console(quiet=True)))
        assert list(tmp_path.rglob("run.toml")) == []

    def test_which_cells_share_what(self, tmp_path: Path) -> None:
        by_row = {cell.row: cell for cell in cells(read("tradeoff"), (0,), tmp_path)}
        plain = by_row["plain"]
        for row in ("low-lr", "replay", "photos", "weights", "average-30"):
            assert by_row[row].draws_as(plain) and by_row[row].starts_as(plain)
        for row in ("few-layers", "no-appearance", "quick"):
            assert not by_row[row].draws_as(plain)
        (other,) = [cell for cell in cells(read("tradeoff"), (1,), tmp_path) if cell.row == "plain"]
        assert not other.draws_as(plain) and not other.starts_as(plain)

    def test_samples_of_several_rounds_are_not_shared(self, tmp_path: Path) -> None:
        one, two, *_ = cells(read("tradeoff", ("loop.rounds=2",)), (0,), tmp_path)
        assert not one.draws_as(two) and one.starts_as(two)
