"""Ablations without runs: statistics against scipy, recipes to cells, pairing, and the four forms of the table."""

from __future__ import annotations

import csv
import io
import json
import math
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console
from scipy import stats

from posegen import UsageError, recipes
from posegen.ablate.cells import Cell, cells
from posegen.ablate.execute import execute
from posegen.ablate.recipe import Ablation, chosen, parse_seeds, read
from posegen.ablate.statistics import interval, t_quantile, within
from posegen.ablate.table import tabulate
from posegen.config import to_toml
from posegen.errors import AssetError
from posegen.evaluate import METRICS, PROTOCOL
from posegen.report import ablation as report

SHIPPED = list(recipes.available(recipes.ABLATIONS))
RECIPE = """# Two rows
reference = "a"
metrics = ["usd.mpjpe", "usd.pck"]
[settings]
evaluate.splits = ["usd"]
[rows.b]
loop.samples = 7
[rows.a]
"""


@pytest.fixture
def ablation(tmp_path: Path) -> Any:
    def write(text: str = RECIPE, *assignments: str, grid: tuple[str, ...] = ()) -> Ablation:
        (tmp_path / "mine.toml").write_text(text)
        return read(str(tmp_path / "mine.toml"), assignments, grid)

    return write


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


class TestRecipe:
    @pytest.mark.parametrize("name", SHIPPED)
    def test_every_setting_of_every_shipped_cell_exists(self, name: str, tmp_path: Path) -> None:
        made = read(name)
        found = cells(made, (0,), tmp_path)
        assert len(found) == len(made.rows) * len(made.columns) == len({cell.folder for cell in found})
        settings = [cell.settings for cell in found]
        assert all(s not in settings[:i] for i, s in enumerate(settings)), "two cells are one"

    def test_shipped_ones_compare_at_equal_budgets(self, tmp_path: Path) -> None:
        for name in ("paper-components", "paper-scenarios", "paper-priors", "baselines"):
            settings = [cell.settings for cell in cells(read(name), (0,), tmp_path)]
            assert len({s.loop.samples for s in settings}) == 1
            assert all(s.finetune == settings[0].finetune and s.retain == settings[0].retain for s in settings)

    def test_rounds_of_improvements_are_as_many_steps(self, tmp_path: Path) -> None:
        found = {cell.row: cell.settings for cell in cells(read("improvements"), (0,), tmp_path)}
        for row, s in found.items():
            largest = min(s.loop.keep or s.loop.samples, s.loop.samples)
            seen = sum((round_ + 1) * largest * (s.finetune.epochs or 0) for round_ in range(s.loop.rounds))
            assert seen == 12000, row

    def test_what_the_paper_s_components_are(self, tmp_path: Path) -> None:
        found = cells(read("paper-components"), (0,), tmp_path)
        a1, a2, a3, uniform = (cell.settings for cell in found if cell.column == "blazepose")
        assert [s.feedback.w2 for s in (a1, a2, a3)] == [0, 0, 5]
        assert [s.loop.views for s in (a1, a2, a3)] == ["in_distribution", "generator", "generator"]
        assert [s.loop.roll for s in (a1, a2, a3, uniform)] == [0, 0, 0, 1], "K rolls of itself"
        assert {s.loop.poses for s in (a1, a2, a3)} == {"generator"}
        assert uniform.loop.poses == uniform.loop.views == "uniform"
        assert all(s.loop.real == s.loop.level == 0 for s in (a1, a2, a3, uniform))

    def test_rows_win_over_assignments_and_these_over_the_recipe(self, ablation: Any, tmp_path: Path) -> None:
        made = ablation(RECIPE, "loop.samples=5", "loop.batch=9", "rows.b.loop.rounds=2")
        b, a = (cell.settings for cell in cells(made, (4,), tmp_path))
        assert (b.loop.samples, b.loop.rounds, b.loop.batch) == (7, 2, 9)
        assert (a.loop.samples, a.loop.rounds, a.loop.batch) == (5, 1, 9)
        assert a.seed == b.seed == 4 and a.evaluate.splits == ("usd",)

    def test_another_component_drops_the_options_of_the_former(self, ablation: Any, tmp_path: Path) -> None:
        text = RECIPE + "[settings.estimator]\nname = 'blazepose'\nfreeze = []\n"
        (cell, _) = cells(ablation(text, "estimator=spin"), (0,), tmp_path)
        assert cell.settings.estimator.name == "spin"

    def test_columns_have_their_own_rows(self, ablation: Any, tmp_path: Path) -> None:
        made = ablation(RECIPE + "[columns]\nlow.finetune.lr = 1e-6\nhigh.finetune.lr = 1e-3\n")
        found = cells(made, (0, 1), tmp_path)
        assert [c.name for c in found][:5] == ["low/b/0", "low/b/1", "low/a/0", "low/a/1", "high/b/0"]
        assert found[-1].settings.finetune.lr == 1e-3
        assert found[0].folder == tmp_path / "low" / "b" / "0"

    def test_a_grid_is_every_combination(self, ablation: Any, tmp_path: Path) -> None:
        grid = ("feedback.w2=[0, 0.5]", 'prior=["normal", "uniform"]')
        found = cells(read("quick", (), grid), (0,), tmp_path)
        names = ["w2=0,prior=normal", "w2=0,prior=uniform", "w2=0.5,prior=normal", "w2=0.5,prior=uniform"]
        assert [c.row for c in found] == names
        assert [(c.settings.feedback.w2, c.settings.prior.name) for c in found] == [
            *((0, "normal"), (0, "uniform"), (0.5, "normal"), (0.5, "uniform"))
        ]
        within_rows = ablation(RECIPE.replace('"a"', '"before"'), grid=("loop.batch=[8, 16]",))
        assert list(within_rows.rows) == ["b,batch=8", "b,batch=16", "a,batch=8", "a,batch=16"]

    def test_keys_of_one_name_are_told_apart(self) -> None:
        made = read("quick", (), ("finetune.lr=[1e-4]", "generator.lr=[1e-3]"))
        assert list(made.rows) == ["finetune.lr=0.0001,generator.lr=0.001"]

    @pytest.mark.parametrize(
        ("text", "assignments", "message"),
        [
            (RECIPE.replace('"a"', '"c"'), (), "the reference 'c' is no row"),
            ("[rows.before]\nloop.batch = 3\n", (), "'before' cannot be a row"),
            ("[rows.'table.txt']\n", (), "'table.txt' cannot be a row"),
            ("[rows.a]\n[columns.'table.csv']\n", (), "'table.csv' cannot be a row or column"),
            (RECIPE, ("seed=3",), "'seed' (--set) cannot be set"),
            (RECIPE, ("rows.b.seed=3",), "'seed' (--set) cannot be set"),
            (RECIPE, ("grid.seed=[3]",), "'seed' (--set) cannot be set"),
            ("[rows.a]\nseed = 3\n", (), "mine.toml, line 2) cannot be set"),
            ("[columns.a]\nseed = 3\n[rows.b]\n", (), "mine.toml, line 2) cannot be set"),
            ("[settings]\nseed = 3\n[rows.a]\n", (), "mine.toml, line 2) cannot be set"),
            ("[rows.a]\n[grid]\nseed = [3]\n", (), "mine.toml, line 3) cannot be set"),
            (RECIPE, ("rows.bb.loop.batch=8",), "rows.bb.loop.batch (--set): there is no row 'bb'"),
            ("[rows.a]\n[columns.spin]\n", ("columns.spn.loop.batch=8",), "(--set): there is no column 'spn'"),
            (RECIPE, ("loop.sample=3",), "unknown key 'loop.sample' (--set)"),
            (RECIPE, ("loop.batch=none",), "loop.batch = none (--set)"),
            (RECIPE, ('metrics=["usd.mpjp"]',), "the metric 'usd.mpjp' is none"),
            (RECIPE, ('metrics=["ind.mpjpe"]',), "the metric 'ind.mpjpe' is of no split"),
            (RECIPE, ("evaluate.splits=[]",), "evaluate.splits (--set): there is nothing to measure"),
            (RECIPE, ("seeds=[]",), "seeds = [] (--set)"),
            (RECIPE, (f"seeds=[0, {2**63}]",), f"item 2 of seeds = {2**63} (--set)"),
            (RECIPE, ("grid.loop.batch=3",), "grid.loop.batch = 3 (--set) is no list"),
            (RECIPE, ("grid.loop.batch=[3, 3]",), "(--set) has two values for one row 'batch=3'"),
            (RECIPE, ("grid.retain.folder=['p/a', 'p_a']",), "has two values for one row 'folder=p_a'"),
            (RECIPE.replace("reference", "refrence"), (), "unknown key 'refrence'"),
            ("[rows.'a/b']\n", (), "'a/b' cannot be a row"),
            ("[rows.a]\nloop.samples = 'many'\n", (), "mine.toml, line 2"),
            ("[loop]\nsamples = 3\n", (), "mine compares nothing"),
        ],
    )
    def test_mistakes_are_told_with_their_place(
        self, ablation: Any, tmp_path: Path, text: str, assignments: tuple[str, ...], message: str
    ) -> None:
        with pytest.raises(UsageError) as error:
            cells(ablation(text, *assignments), (0,), tmp_path)
        assert message in error.value.message
        assert error.value.hint

    def test_a_slip_in_a_row_s_name_is_told_with_the_nearest(self, ablation: Any) -> None:
        with pytest.raises(UsageError) as error:
            ablation(RECIPE.replace("rows.b", "rows.plain"), "rows.plan.loop.batch=8")
        assert error.value.hint == "did you mean 'plain'? there are: plain, a"

    def test_a_recipe_without_rows_and_columns_takes_those_of_assignments(self) -> None:
        made = read("quick", ("rows.a.loop.batch=8", "columns.lite.estimator.variant=lite"))
        assert (list(made.columns), list(made.rows)) == (["lite"], ["a"])

    def test_the_command_line_s_grid_takes_the_place_of_the_recipe_s(self, ablation: Any) -> None:
        text = RECIPE.replace('"a"', '"before"') + "[grid]\nloop.batch = [8, 16]\n'finetune.lr' = [1e-3]\n"
        made = ablation(text, "grid.loop.batch=[2]", grid=("loop.batch=[4]", "finetune.lr=[1]"))
        assert list(made.rows) == ["b,batch=4,lr=1", "a,batch=4,lr=1"]

    @pytest.mark.parametrize(
        ("grid", "message"),
        [
            (("loop.batch",), "--grid loop.batch is not an assignment"),
            (("loop.batch=3",), "grid.loop.batch = 3 (--grid) is no list"),
            (("loop.batch=[3]", "loop.rounds=[1]", "loop.batch=[4]"), "--grid loop.batch is given twice"),
            (("seed=[3]",), "'seed' (--grid) cannot be set"),
        ],
    )
    def test_mistakes_of_a_grid_name_its_option(self, grid: tuple[str, ...], message: str) -> None:
        with pytest.raises(UsageError) as error:
            read("quick", (), grid)
        assert message in error.value.message and "--set" not in error.value.hint

    def test_seeds(self) -> None:
        assert parse_seeds("0,1, 2") == (0, 1, 2)
        assert parse_seeds(f"3-5,9,{2**63 - 1}") == (3, 4, 5, 9, 2**63 - 1)
        assert len(parse_seeds("0-999")) == 1000
        for wrong in ("", "a", "1-", "-3", "4-2", "0,4-2", str(2**63), "9" * 5000):
            with pytest.raises(UsageError, match="is no list of seeds"):
                parse_seeds(wrong)
        for many in ("0-100000000", "0-999,1000"):
            with pytest.raises(UsageError, match="is more than 1000 seeds"):
                parse_seeds(many)

    def test_a_seed_that_is_given_twice_is_one(self, ablation: Any, tmp_path: Path) -> None:
        made = ablation(RECIPE, "seeds=[3, 0, 3]")
        assert [cell.name for cell in cells(made, made.keys.seeds, tmp_path)] == ["b/3", "b/0", "a/3", "a/0"]

    def test_only_some_rows(self, ablation: Any) -> None:
        made = ablation()
        assert list(chosen(made.rows, ["a"], "row")) == ["a"]
        assert list(chosen({"a=1,b=2": {}, "a=1,b=3": {}, "c": {}}, ["a=1,b=3", "c"], "row")) == ["a=1,b=3", "c"]
        assert chosen(made.rows, None, "row") == made.rows
        with pytest.raises(UsageError, match="there is no row 'x'"):
            chosen(made.rows, ["a,x"], "row")


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
        up = {"mean": 3.0, "low": 1.0, "high": 5.0}
        assert report._coloured("usd.pck", up).startswith("[green]")
        assert report._coloured("usd.mpjpe", up).startswith("[red]")
        assert report._coloured("usd.mpjpe", up | {"low": -1.0}).startswith("[dim]")


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
        with pytest.raises(UsageError, match="holds a run with other settings"):
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
