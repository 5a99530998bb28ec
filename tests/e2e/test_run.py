"""``posegen run`` from end to end: what it leaves behind, and that one seed gives one result."""

from __future__ import annotations

import io
import json
import math
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from PIL import Image
from posegen_anerf.sources import subject_file
from rich.console import Console
from safetensors.torch import load_file

from posegen import assemble, banks, config, drawing, hardest, retention
from posegen.context import Context
from posegen.datasets import generated
from posegen.errors import AssetError, UsageError
from posegen.evaluate import METRICS
from posegen.pace import Pace
from posegen.run import evaluate, finetune, generate, run
from posegen.rundir import RunDirectory
from posegen.settings import Selection
from posegen.statistics import FEWEST
from posegen.track import Track

from .tiny import TINY, arguments, ctrl_c, figures, files, metrics, same, settings

EVERYTHING = {
    "loop__rounds": 2,
    "loop__real": 0.5,
    "loop__level": 0.5,
    "feedback__w3": 1.0,
    "retain__photos": 1,
    "retain__renders": 0.5,
    "retain__weights": 0.1,
    "retain__average": 0.7,
    "retain__subjects": ["s1", "s2"],
    "finetune__copies": 2,
    "evaluate__splits": ["ind", "usd", "real"],
}
BLAZEPOSE = {
    "estimator": "blazepose",
    "finetune__d": 0.2,
    "finetune__batch": 2,
    "finetune__epochs": 1,
    "finetune__lr": 1e-5,
}


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("whole") / "out"
    run(settings(**EVERYTHING), out)
    return out


def test_no_more_photographs_of_a_folder_are_read_than_the_steps_can_show(tmp_path: Path) -> None:
    for i in range(5):
        Image.new("RGB", (9, 9), (50 * i, 0, 0)).save(tmp_path / f"{i}.png")
    chosen = settings(retain__photos=1, retain__folder=str(tmp_path), finetune__epochs=6)
    context = Context(assemble.assemble(chosen), chosen, RunDirectory(tmp_path / "six"), Track(None))
    photos = retention.people(context, [6])  # 6 epochs of 2 steps with 2 of them each; each of them is cut out 6 times
    assert photos is not None and (photos[:, 0, 0, 0] * 255 / 50).round().tolist() == [0, 1, 2, 3]
    with pytest.raises(AssetError, match="no longer holds the photographs that this run began with"):
        retention.people(context, [3])
    context = Context(context.parts, chosen, RunDirectory(tmp_path / "three"), Track(None))
    photos = retention.people(context, [3])
    assert photos is not None and (photos[:, 0, 0, 0] * 255 / 50).round().tolist() == [0, 2]
    (tmp_path / "4.png").write_bytes(b"no picture")
    retention.check(context, [6])
    with pytest.raises(AssetError, match=r"4\.png cannot be read"):
        retention.check(context, [60])


class TestDirectory:
    def test_holds_what_its_documentation_lists(self, whole: Path) -> None:
        top = {p.name for p in whole.iterdir()}
        assert top == {
            *("run.toml", "env.json", "inputs.json", "metrics.jsonl", "before.json", "after.json", "result.json"),
            *("estimator.safetensors", "checkpoints", "dataset", ".lock"),
        }
        assert {p.name for p in (whole / "checkpoints").iterdir()} == {
            "generator.safetensors",
            "finetuning.safetensors",
        }
        assert {p.name for p in (whole / "dataset").iterdir()} == {"round-0", "round-1", "replay"}

    def test_run_toml_reproduces_the_settings(self, whole: Path) -> None:
        again = assemble.complete(config.load([str(whole / "run.toml")]).settings)
        assert again == settings(**EVERYTHING)

    def test_env_names_versions_and_plugins(self, whole: Path) -> None:
        text = (whole / "env.json").read_text()
        assert torch.__version__ in text
        assert "posegen-blobs" in text
        json.loads(text)

    def test_metrics_has_one_row_for_every_iteration(self, whole: Path) -> None:
        rows = metrics(whole)
        found: dict[str, list[int]] = {}
        for row in rows:
            found.setdefault(row["phase"], []).append(row["iteration"])
        fresh = TINY["finetune.batch"] - round(TINY["finetune.batch"] * 0.3)
        epochs = [2 * math.ceil(n * TINY["loop.samples"] / fresh) for n in (1, 2)]
        assert found == {
            "warm-up": list(range(1, 6)),
            "feedback 0": list(range(6, 12)),
            "fine-tune 0": list(range(1, epochs[0] + 1)),
            "feedback 1": list(range(12, 18)),
            "fine-tune 1": list(range(1, epochs[1] + 1)),
        }
        assert [r["iteration"] for r in rows if "error" in r] == [6, 8, 10, 12, 14, 16]
        assert all(math.isfinite(v) for r in rows for v in r.values() if isinstance(v, float))
        tuned = [r for r in rows if r["phase"].startswith("fine-tune")]
        assert all(r["kept"] == 1 and r["recalled"] > 0 for r in tuned)

    def test_datasets_are_complete(self, whole: Path) -> None:
        for name, count, size in (("round-0", 6, 64), ("round-1", 6, 64), ("replay", 9, 20)):  # 3 and, recalled, 6
            samples = generated.load(whole / "dataset" / name, joint_set="smpl24")
            assert len(samples) == count
            assert samples.image.shape == (count, 3, size, size), "replay: no more than a network of 16 pixels sees"
            assert samples.error.isnan().all() if name == "replay" else (samples.error > 0).all()

    def test_other_people_stand_in_their_share_of_the_pictures(self, tmp_path: Path) -> None:
        """Who it is tells the length of a shin; the generator's poses are shared out evenly."""
        alone = generate(settings(loop__samples=12), tmp_path / "alone")
        folder = generate(
            settings(loop__samples=12, loop__others=["s3", "s5"], loop__company=0.75), tmp_path / "together"
        )
        one, many = (generated.load(path, joint_set="smpl24") for path in (alone, folder))
        shin = (many.truth[:, 4] - many.truth[:, 7]).norm(dim=-1)
        assert torch.equal(many.theta[:3], one.theta[[0, 4, 8]])
        assert (many.error[:3] > 0).all() and many.error[3:].isnan().all()  # nobody asked what it sees of the others
        people = shin.split([3, 5, 4])
        assert all(person.max() - person.min() < 1e-5 for person in people)
        assert len({round(person.mean().item(), 4) for person in people}) == 3
        torch.testing.assert_close(people[0], (one.truth[:3, 4] - one.truth[:3, 7]).norm(dim=-1))

    def test_a_round_learns_from_those_that_are_kept(self, tmp_path: Path) -> None:
        """Of twelve the six on which the estimator errs most, and of these the four that differ most."""
        asked = settings(loop__samples=12, loop__keep=4, finetune__epochs=1, retain__replay=0)
        run(asked, tmp_path)
        kept = json.loads((tmp_path / "kept-0.json").read_text())["samples"]
        parts = assemble.assemble(asked)
        assert parts.estimator.module is not None
        parts.estimator.module.eval()
        samples = generated.load(tmp_path / "dataset/round-0", joint_set="smpl24")
        joint_set = parts.renderer.body.joint_set("smpl24")
        error = torch.cat(list(hardest.errors(samples, parts.estimator, joint_set)))
        assert len(set(kept)) == 4 and set(kept) <= set(error.topk(6).indices.tolist())
        assert int(error.argmax()) in kept
        assert [row["phase"] for row in metrics(tmp_path)].count("fine-tune 0") == 1

    def test_what_is_kept_is_judged_by_what_the_first_round_made_of_the_estimator(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        weights = []

        def judge(samples: Any, estimator: Any, *rest: Any) -> Any:
            weights.append([p.clone() for p in estimator.module.parameters()])
            return errors(samples, estimator, *rest)

        errors = hardest.errors
        monkeypatch.setattr(hardest, "errors", judge)
        asked = settings(loop__rounds=2, loop__keep=8, finetune__epochs=1, retain__replay=0)
        run(asked, tmp_path)
        assert not (tmp_path / "kept-0.json").exists(), "the first six are all kept"
        assert len(set(json.loads((tmp_path / "kept-1.json").read_text())["samples"])) == 8
        original = assemble.assemble(asked).estimator.module
        assert original is not None and len(weights) == 1
        assert any(not torch.equal(p, q) for p, q in zip(weights[0], original.parameters(), strict=True))
        phases = [row["phase"] for row in metrics(tmp_path)]
        assert (phases.count("fine-tune 0"), phases.count("fine-tune 1")) == (2, 2)

    def test_another_persons_nerf_stands_beside_a_mesh(self, tmp_path: Path) -> None:
        """A copy of s0's NeRF under another name: the run's renderer draws it, and nobody judges it."""
        nerf = tmp_path / "neighbour.safetensors"
        nerf.write_bytes(subject_file("s0").read_bytes())
        company = {"loop__others": [str(nerf), "s3"], "loop__company": 0.5, "renderer": "anerf"}
        folder = generate(settings(loop__samples=8, loop__real=1, camera__size=64, **company), tmp_path / "run")
        samples = generated.load(folder, joint_set="smpl24")
        shin = (samples.truth[:, 4] - samples.truth[:, 7]).norm(dim=-1)
        own, neighbour, mesh = shin.split([4, 2, 2])
        torch.testing.assert_close(neighbour, own[:2])
        assert (mesh - own[:2]).abs().min() > 1e-3
        assert (samples.error[:4] > 0).all() and samples.error[4:].isnan().all()

    def test_company_costs_no_picture_where_the_hardest_are_kept(self, tmp_path: Path) -> None:
        company = {"loop__others": ["s3", "s5"], "loop__company": 0.7, "loop__candidates": 3}
        folder = generate(settings(loop__samples=11, **company), tmp_path)
        samples = generated.load(folder, joint_set="smpl24")
        assert len(samples) == 11 and (samples.error > 0).all()

    @pytest.mark.parametrize(
        ("repeats", "epochs", "rounds", "pictures"),
        [(1, 2, 1, 4), (2, 2, 1, 2), (1, 1, 1, 2), (9, 1, 1, 1), (1, 1, 2, 6)],
    )
    def test_replayed_pictures_are_as_many_as_are_seen_so_often(
        self, repeats: int, epochs: int, rounds: int, pictures: int, tmp_path: Path
    ) -> None:
        """An epoch of these runs has two steps with one replayed picture each, and four in the second round."""
        run(settings(retain__repeats=repeats, finetune__epochs=epochs, loop__rounds=rounds), tmp_path)
        assert len(list((tmp_path / "dataset/replay/images").iterdir())) == pictures

    def test_what_is_left_out_is_missing_from_replay_and_recall_alike(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Seven pictures, of which three are recalled; four are left out."""

        def lose(*args: Any, judged: bool, **rest: Any) -> Any:
            return (part if judged else part[:3] for part in render_samples(*args, judged=judged, **rest))

        sizes = []

        def labelled(samples: Any, *how: Any, chosen: Any) -> Any:
            sizes.append(len(chosen))
            return banks.labelled(samples, *how, chosen=chosen)

        render_samples = drawing.render_samples
        monkeypatch.setattr(drawing, "render_samples", lose)
        monkeypatch.setattr(retention, "banks", SimpleNamespace(**vars(banks) | {"labelled": labelled}))
        run(settings(retain__repeats=1, retain__renders=1, retain__share=0.5), tmp_path)
        assert len(list((tmp_path / "dataset/replay/images").iterdir())) == 3 and sizes == [1]

    def test_replayed_pictures_show_the_runs_own_person_too(self, tmp_path: Path) -> None:
        """Two of four, which nobody judges; the others show one of the others each."""
        who = {"retain__subjects": ["s3", "s5"], "retain__company": 0.5, "retain__repeats": 1}
        run(settings(renderer="mesh", renderer__subject="s1", **who), tmp_path)
        samples = generated.load(tmp_path / "dataset/replay", joint_set="smpl24")
        assert samples.person.tolist() == [0, 0, 1, 2] and samples.error.isnan().all()
        assert json.loads((tmp_path / "dataset/replay/dataset.json").read_text())["people"] == ["s1", "s3", "s5"]
        shin = (samples.truth[:, 4] - samples.truth[:, 7]).norm(dim=-1)
        alone = assemble.assemble(settings(renderer="mesh", renderer__subject="s1")).renderer.body
        joints = alone.joints(samples.theta[:2], joint_set="smpl24")
        torch.testing.assert_close(shin[:2], (joints[:, 4] - joints[:, 7]).norm(dim=-1))

    def test_the_weights_can_be_used(self, whole: Path) -> None:
        """estimator.safetensors is the network that result.json measured."""
        tensors = load_file(whole / "estimator.safetensors")
        estimator = assemble.make("estimator", Selection(name="tiny"), torch.device("cpu"))
        assert any((tensors[k] != v).any() for k, v in estimator.module.state_dict().items())
        estimator.module.load_state_dict(tensors)


class TestResult:
    def test_is_complete(self, whole: Path) -> None:
        result = figures(whole)
        assert (result["seed"], result["estimator"], result["renderer"]) == (0, "tiny", "mesh")
        assert {name: s["images"] for name, s in result["splits"].items()} == {"ind": 3, "usd": 3, "real": 52}
        assert len(result["by"]["real"]["clip"]) == 1
        for name, split in result["splits"].items():
            few = len(result["by"][name]["clip"]) < FEWEST
            for metric in METRICS:
                for row in (split[metric]["before"], split[metric]["after"], split[metric]["change_percent"]):
                    if row is not None and few:
                        assert row["low"] is row["high"] is None
                    elif row is not None:
                        assert row["low"] <= row["mean"] <= row["high"]
            assert 0 <= split["pck"]["after"]["mean"] <= 100
            assert split["pa_mpjpe"]["after"]["mean"] <= split["mpjpe"]["after"]["mean"]

    @pytest.mark.parametrize("when", ["before", "after"])
    def test_figures_are_the_means_of_each_images(self, whole: Path, when: str) -> None:
        each = json.loads((whole / f"{when}.json").read_text())
        for name, split in figures(whole)["splits"].items():
            for metric in METRICS:
                expected = sum(each[name][metric]) / len(each[name][metric])
                assert split[metric][when]["mean"] == pytest.approx(expected, rel=1e-5)

    def test_says_the_pace_that_it_had(self, whole: Path) -> None:
        pace, asked = figures(whole)["pace"], settings(**EVERYTHING)
        assert (pace["epochs"], pace["average"]) == (asked.finetune.epochs, asked.retain.average)
        assert asked.finetune.optimizer is None  # nor does the estimator say it
        assert pace["optimizer"] == Pace().optimizer

    def test_an_untrained_network_becomes_much_better(self, tmp_path: Path) -> None:
        """It says noise before; a few steps teach it roughly where a person's joints are."""
        run(settings(finetune__epochs=8, evaluate__splits=["ind"]), tmp_path)
        assert figures(tmp_path)["splits"]["ind"]["mpjpe"]["change_percent"]["high"] < -5

    def test_fine_tuning_with_no_share_in_the_average_changes_nothing(self, tmp_path: Path) -> None:
        run(settings(retain__average=0), tmp_path / "out")
        for metric in METRICS:
            split = figures(tmp_path / "out")["splits"]["usd"][metric]
            assert split["before"] == split["after"]

    @pytest.mark.parametrize(("d", "told"), [(1e-4, True), (10, False)])
    def test_tells_when_it_learned_from_next_to_nothing(self, tmp_path: Path, d: float, told: bool) -> None:
        text = io.StringIO()
        run(settings(finetune__d=d), tmp_path / "out", console=Console(file=text, width=200))
        assert ("finetune.d left out 100% of the samples" in text.getvalue()) is told


class TestSeed:
    def test_one_seed_gives_one_result_and_another_seed_another(self, tmp_path: Path) -> None:
        for name, seed in (("a", 1), ("b", 1), ("c", 2)):
            torch.rand(7)  # whatever was drawn before must not matter
            run(settings(seed=seed), tmp_path / name)
        same(tmp_path / "a", tmp_path / "b")
        a, c = files(tmp_path / "a"), files(tmp_path / "c")
        assert a.keys() == c.keys()
        assert not [name for name in a if a[name] == c[name] and not name.endswith("dataset.json")]

    def test_a_run_leaves_torch_generator_alone(self, tmp_path: Path) -> None:
        torch.manual_seed(3)
        expected = torch.rand(4)
        torch.manual_seed(3)
        run(settings(), tmp_path / "out")
        assert torch.equal(torch.rand(4), expected)


class TestCommandLine:
    def test_blazepose_gives_the_numbers_of_the_api(self, tmp_path: Path, command) -> None:
        ended = command(*arguments("run", tmp_path / "cli", **BLAZEPOSE))
        assert ended.returncode == 0, ended.stderr
        assert "blazepose, before → after fine-tuning" in ended.stdout
        assert f"everything is in {tmp_path / 'cli'}" in ended.stdout
        run(settings(**BLAZEPOSE), tmp_path / "api")
        same(tmp_path / "cli", tmp_path / "api")
        before = figures(tmp_path / "api")["splits"]["usd"]["mpjpe"]["before"]["mean"]
        assert 50 < before < 800, "BlazePose sees people, and fails from most sides"

        weights = tmp_path / "api" / "estimator.safetensors"
        again = evaluate(settings(**BLAZEPOSE, estimator__checkpoint=str(weights)))
        assert again["usd"]["mpjpe"] == figures(tmp_path / "api")["splits"]["usd"]["mpjpe"]["after"]

    def test_a_refusal_is_one_sentence_and_a_hint(self, tmp_path: Path, command) -> None:
        ended = command(*arguments("run", tmp_path / "out", estimator="opaque"))
        assert ended.returncode == 2
        error, hint = ended.stderr.strip().splitlines()
        assert error == "error: estimator 'opaque' is a black box: it has no network to fine-tune"
        assert hint.startswith("hint: posegen generate")
        assert not (tmp_path / "out" / "run.toml").exists()

    @pytest.mark.parametrize(("subject", "said"), [("s0", False), ("s3", True)])
    def test_a_run_says_that_somebody_else_stands_in_the_pictures_of_usd(
        self, tmp_path: Path, subject: str, said: bool
    ) -> None:
        console = Console(file=io.StringIO(), width=200)
        run(settings(renderer__subject=subject), tmp_path, console=console)
        assert isinstance(console.file, io.StringIO)
        assert (f"usd and ind show s0, not {subject}" in console.file.getvalue()) is said


class TestStages:
    def test_generate_then_finetune_is_what_run_does(self, tmp_path: Path) -> None:
        run(settings(), tmp_path / "run")
        dataset = generate(settings(), tmp_path / "generated")
        assert dataset == tmp_path / "generated" / "dataset" / "round-0"
        gone = settings(loop__others=["moved-away.safetensors"])  # it draws nobody
        weights = finetune(gone, tmp_path / "tuned", dataset=dataset)
        assert weights.read_bytes() == (tmp_path / "run" / "estimator.safetensors").read_bytes()
        whole, alone = files(tmp_path / "run"), files(tmp_path / "generated")
        assert alone == {name: whole[name] for name in alone} | {"metrics.jsonl": alone["metrics.jsonl"]}

    def test_generate_can_become_a_whole_run(self, tmp_path: Path) -> None:
        generate(settings(), tmp_path / "out")
        run(settings(), tmp_path / "out", resume=True)
        run(settings(), tmp_path / "at-once")
        same(tmp_path / "out", tmp_path / "at-once")

    @pytest.mark.parametrize(("rounds", "said"), [(1, False), (2, True)])
    def test_generate_says_that_it_draws_one_round(self, rounds: int, said: bool, tmp_path: Path) -> None:
        console = Console(file=io.StringIO(), width=200)
        folder = generate(settings(loop__rounds=rounds), tmp_path, console=console)
        assert folder.name == "round-0" and len(list(folder.parent.iterdir())) == 1
        assert isinstance(console.file, io.StringIO)
        assert ("this is the first of 2 rounds" in console.file.getvalue()) is said

    def test_finetune_goes_on_with_its_own_dataset_alone(self, tmp_path: Path) -> None:
        own = generate(settings(), tmp_path / "own")
        other = generate(settings(seed=1), tmp_path / "other")
        with ctrl_c("fine-tune 0", 3):
            finetune(settings(), tmp_path / "tuned", dataset=own)
        with pytest.raises(UsageError, match="was started with another dataset") as caught:
            finetune(settings(), tmp_path / "tuned", dataset=other, resume=True)
        assert f"--dataset {own}" in caught.value.hint
        weights = finetune(settings(), tmp_path / "tuned", dataset=own, resume=True)
        whole = finetune(settings(), tmp_path / "whole", dataset=own)
        assert weights.read_bytes() == whole.read_bytes()

    def test_evaluate_needs_nothing_of_a_run(self) -> None:
        """Neither renderer and feedback that fit each other, nor real poses that are there."""
        measured = evaluate(settings(feedback__mode="rendered", real_poses="bvh:nowhere"))
        assert measured == evaluate(settings())

    def test_evaluate_measures_what_run_measures_before(self, tmp_path: Path) -> None:
        run(settings(), tmp_path / "out")
        measured = evaluate(settings())
        assert measured["usd"]["mpjpe"] == figures(tmp_path / "out")["splits"]["usd"]["mpjpe"]["before"]

    def test_evaluate_breaks_down_what_run_breaks_down(self, tmp_path: Path) -> None:
        run(settings(), tmp_path / "out")
        by = figures(tmp_path / "out")["by"]["usd"]["viewpoint"]
        console = Console(file=io.StringIO(), width=80)
        evaluate(settings(), by=["viewpoint"], console=console)
        assert isinstance(console.file, io.StringIO)
        text = console.file.getvalue()
        assert by
        for name, part in by.items():
            assert f"{name} " in text and f"{part['mpjpe']['before']['mean']:.0f} ({part['images']})" in text

    def test_evaluate_refuses_a_grouping_that_there_is_not(self) -> None:
        with pytest.raises(UsageError, match="cannot be broken down by 'viewpiont'") as caught:
            evaluate(settings(), by=["viewpiont"])
        assert "viewpoint" in caught.value.hint
