"""Recipes of ablations: what they say, what ``--set`` and ``--grid`` change, and mistakes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from ablate_parts import RECIPE, reader

from posegen import UsageError, recipes
from posegen.ablate.cells import cells
from posegen.ablate.recipe import chosen, parse_seeds, read

SHIPPED = list(recipes.available(recipes.ABLATIONS))


@pytest.fixture
def ablation(tmp_path: Path) -> Any:
    return reader(tmp_path)


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
            (RECIPE.replace('"a"', '"c"'), (), "rows are compared with 'c', which is none of them"),
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
