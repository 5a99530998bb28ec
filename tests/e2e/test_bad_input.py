"""Damaged files, a full disk, a directory in use: a sentence that names the file, and nothing is lost.

Every test that damages a run then does what the error's hint says, and must end with the result of an undisturbed run.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import torch
from PIL import Image
from safetensors.torch import load, save_file

from posegen.errors import AssetError, PosegenError, UsageError
from posegen.run import finetune, generate, run
from posegen.rundir import RunDirectory

from .tiny import ctrl_c, figures, files, same, settings

GENERATOR, FINETUNING = "checkpoints/generator.safetensors", "checkpoints/finetuning.safetensors"
ROUND, REPLAY = "dataset/round-0", "dataset/replay"


@pytest.fixture(scope="module", autouse=True)
def frequent_checkpoints() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("posegen.stages.SAVE_EVERY", 2)
        yield


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The run that nothing happens to."""
    out = tmp_path_factory.mktemp("whole") / "out"
    run(settings(), out)
    return out


@pytest.fixture(scope="module")
def stopped(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run that was stopped in its second epoch of fine-tuning: it has every file but the last ones."""
    out = tmp_path_factory.mktemp("stopped") / "out"
    with ctrl_c("fine-tune 0", 3):
        run(settings(), out)
    return out


@pytest.fixture
def out(tmp_path: Path, stopped: Path) -> Path:
    """A copy of the stopped run, to be damaged."""
    return Path(shutil.copytree(stopped, tmp_path / "out"))


def truncate(path: Path) -> None:
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def empty(path: Path) -> None:
    path.write_bytes(b"")


def scramble(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[4:24] = b"\xff" * 20
    path.write_bytes(content)


def remove(path: Path) -> None:
    path.unlink()


def tensors(change: Callable[[dict[str, torch.Tensor]], Any]) -> Callable[[Path], None]:
    def damage(path: Path) -> None:
        content = load(path.read_bytes())  # not mapped: the file is written over
        change(content)
        save_file(content, path)

    damage.__name__ = change.__name__
    return damage


def lacks_a_key(content: dict[str, torch.Tensor]) -> None:
    del content[min(content)]


def has_a_strange_key(content: dict[str, torch.Tensor]) -> None:
    content["module.strange"], content["generator.strange"] = torch.zeros(2), torch.zeros(2)


def has_wrong_shapes(content: dict[str, torch.Tensor]) -> None:
    for key in content:
        if content[key].ndim == 2:
            content[key] = content[key][:, :-1].contiguous()


def has_wrong_moments(content: dict[str, torch.Tensor]) -> None:
    for key in content:
        if "exp_avg" in key:
            content[key] = torch.zeros(3, 3)


def is_of_something_else(content: dict[str, torch.Tensor]) -> None:
    content.clear()
    content["weight"] = torch.zeros(2)


def two_samples_fewer(content: dict[str, torch.Tensor]) -> None:
    for key in content:
        content[key] = content[key][:-2].contiguous()


def text(content: str) -> Callable[[Path], None]:
    def damage(path: Path) -> None:
        path.write_text(content)

    damage.__name__ = content[:20]
    return damage


def another_size(path: Path) -> None:
    with Image.open(path) as picture:
        picture.resize((32, 32)).save(path)


CHECKPOINT = (
    truncate,
    empty,
    scramble,
    *map(tensors, (lacks_a_key, has_a_strange_key, has_wrong_shapes, has_wrong_moments, is_of_something_else)),
)
DAMAGES = [
    *((GENERATOR, damage) for damage in CHECKPOINT),
    *((FINETUNING, damage) for damage in CHECKPOINT),
    *((f"{ROUND}/labels.safetensors", d) for d in (truncate, scramble, remove, *map(tensors, (two_samples_fewer,)))),
    (f"{REPLAY}/labels.safetensors", tensors(lacks_a_key)),
    (f"{REPLAY}/labels.safetensors", tensors(has_wrong_shapes)),
    *((f"{ROUND}/images/000002.png", damage) for damage in (truncate, empty, scramble, remove, another_size)),
    (f"{ROUND}/dataset.json", truncate),
    (f"{ROUND}/dataset.json", text("[]")),
    (f"{ROUND}/dataset.json", text('{"samples": "many", "joint_set": "smpl24", "format": "posegen-dataset-2"}')),
    (f"{ROUND}/dataset.json", text('{"samples": -1, "joint_set": "smpl24", "format": "posegen-dataset-2"}')),
    (f"{ROUND}/dataset.json", text('{"samples": 6, "joint_set": "smpl24", "format": "posegen-dataset-9"}')),
    ("before.json", truncate),
    ("before.json", text("3")),
    ("before.json", text("[]")),
    ("before.json", text("{}")),
    ("before.json", text('{"usd": {"mpjpe": [1, 2]}}')),
]


@pytest.mark.parametrize(("name", "damage"), DAMAGES, ids=[f"{n.split('/')[-1]}-{d.__name__}" for n, d in DAMAGES])
def test_a_damaged_file_is_named_and_the_advice_repairs(out: Path, whole: Path, name: str, damage: Callable) -> None:
    path = out / name
    damage(path)
    with pytest.raises(AssetError) as caught:
        run(settings(), out, resume=True)
    dataset = path if "dataset" not in name else out / "/".join(name.split("/")[:2])
    assert str(dataset) in caught.value.message
    assert "\n" not in caught.value.message
    assert "delete" in caught.value.hint and "--resume" in caught.value.hint
    if dataset.is_dir():
        shutil.rmtree(dataset)
    else:
        dataset.unlink()
    run(settings(), out, resume=True)
    assert figures(out) == figures(whole)
    ours, theirs = files(out), files(whole)
    outcome = [n for n in theirs if n.endswith(".png") or n == "estimator.safetensors"]
    assert len(outcome) == 8
    assert {n: ours[n] for n in outcome} == {n: theirs[n] for n in outcome}


def test_a_log_that_a_kill_left_unfinished_is_cleaned(out: Path, whole: Path) -> None:
    log = out / "metrics.jsonl"
    log.write_bytes(log.read_bytes()[:-20] + b"\xff\xfe")
    run(settings(), out, resume=True)
    result = json.loads((out / "result.json").read_text())
    assert result["splits"] == json.loads((whole / "result.json").read_text())["splits"]
    lines = log.read_text().splitlines()
    assert lines[:-4] == (whole / "metrics.jsonl").read_text().splitlines()[: len(lines) - 4]


def test_a_checkpoint_of_another_estimator(out: Path, tmp_path: Path) -> None:
    blazepose, other = settings(estimator="blazepose", retain__replay=0), tmp_path / "blazepose"
    with ctrl_c("draw the benchmark"):
        run(blazepose, other)
    shutil.copytree(out / "checkpoints", other / "checkpoints")
    with pytest.raises(AssetError, match=r"finetuning\.safetensors lacks 'stem\..*': it is of another network"):
        run(blazepose, other, resume=True)


def test_the_weights_of_another_estimator(whole: Path, tmp_path: Path) -> None:
    weights = whole / "estimator.safetensors"
    with pytest.raises(AssetError, match=r"estimator\.safetensors"):
        run(settings(estimator="blazepose", estimator__checkpoint=str(weights)), tmp_path / "out")
    assert not (tmp_path / "out" / "run.toml").exists()


def test_a_dataset_for_another_estimator(whole: Path, tmp_path: Path) -> None:
    blazepose = settings(estimator="blazepose")
    with pytest.raises(UsageError, match="labelled with joint set 'smpl24', the estimator has 'blazepose33'"):
        finetune(blazepose, tmp_path / "out", dataset=whole / ROUND)
    with pytest.raises(AssetError, match="nowhere does not exist"):
        finetune(settings(), tmp_path / "other", dataset=tmp_path / "nowhere")
    assert not list(tmp_path.iterdir())


def test_a_complete_run_without_its_weights(whole: Path, tmp_path: Path) -> None:
    out = shutil.copytree(whole, tmp_path / "out")
    (out / "estimator.safetensors").unlink()
    with pytest.raises(AssetError, match=r"its weights are gone: .*estimator\.safetensors does not exist") as caught:
        run(settings(), out, resume=True)
    assert "delete result.json" in caught.value.hint
    (out / "result.json").unlink()
    run(settings(), out, resume=True)
    assert (out / "estimator.safetensors").read_bytes() == (whole / "estimator.safetensors").read_bytes()


class TestDirectory:
    def test_other_settings_cannot_go_on(self, out: Path) -> None:
        before = files(out)
        with pytest.raises(UsageError, match=r"was started with other settings.*: seed is 0 there, and 5 here"):
            run(settings(seed=5), out, resume=True)
        assert files(out) == before

    def test_a_run_does_not_go_on_with_what_finetune_began_nor_the_reverse(self, whole: Path, tmp_path: Path) -> None:
        tuned = tmp_path / "tuned"
        finetune(settings(), tuned, dataset=whole / ROUND)
        with pytest.raises(UsageError, match="is of posegen finetune") as caught:
            run(settings(), tuned, resume=True)
        assert f"finetune --resume --dataset {whole / ROUND}" in caught.value.hint
        with pytest.raises(UsageError, match="is of posegen run"):
            finetune(settings(), whole, dataset=whole / ROUND, resume=True)
        assert not (whole / "samples.json").exists()
        begun = tmp_path / "begun"  # a run without a generator, which was stopped before anything was learned
        begun.mkdir()
        for name in ("run.toml", "before.json"):
            shutil.copy(whole / name, begun)
        with pytest.raises(UsageError, match="is of posegen run"):
            finetune(settings(), begun, dataset=whole / ROUND, resume=True)

    def test_a_run_is_not_overwritten(self, out: Path) -> None:
        before = files(out)
        with pytest.raises(UsageError, match="is not empty") as caught:
            run(settings(), out)
        assert "--resume" in caught.value.hint
        assert files(out) == before

    def test_two_runs_at_once(self, out: Path) -> None:
        before = files(out)
        with RunDirectory(out).opened(resume=True):
            for resume in (True, False):
                with pytest.raises(UsageError, match="another run is using"):
                    run(settings(), out, resume=resume)
        assert files(out) == before

    def test_a_mistake_leaves_the_directory_free(self, tmp_path: Path) -> None:
        out = tmp_path / "out"
        for changes in ({"evaluate__splits": ["no"]}, {"estimator": "opaque"}, {"motion": "none"}):
            with pytest.raises(UsageError):
                run(settings(**changes), out)
            assert not out.exists()
        for changes in ({"retain__subjects": ["s0", "nobody"]}, {"retain__dataset": f"3dpw:{tmp_path / 'nowhere'}"}):
            with pytest.raises(PosegenError, match=r"nobody|nowhere"):
                run(settings(**changes), out)
            assert not out.exists()
        with pytest.raises(AssetError, match=r"retain\.folder: .*nobody is not a folder"):
            run(settings(retain__photos=1, retain__folder=str(tmp_path / "nobody")), out)
        assert not out.exists()
        run(settings(), out)

    def test_a_log_that_cannot_be_written(self, tmp_path: Path) -> None:
        with ctrl_c("draw the benchmark"):
            run(settings(), tmp_path / "out")
        (tmp_path / "out" / "metrics.jsonl").mkdir()
        with pytest.raises(PosegenError, match=r"metrics\.jsonl could not be written: Is a directory"):
            run(settings(), tmp_path / "out", resume=True)


@contextmanager
def full_disk(size: int) -> Iterator[None]:
    """No file can grow beyond ``size`` bytes: the system refuses the write itself, as a full disk does."""
    resource = pytest.importorskip("resource", reason="limits of POSIX")
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, limits[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)


class TestFullDisk:
    @pytest.mark.parametrize(
        ("phase", "size", "name"),
        [
            ("draw the benchmark", 100, "before.json"),
            ("measure before", 600, "labels.safetensors"),
            ("draw replay", 200, "000000.png"),
            ("warm-up", 100, "metrics.jsonl"),
            ("feedback 0", 20_000, "generator.safetensors"),
            ("draw round-0", 1000, "000000.png"),
            ("fine-tune 0", 20_000, "finetuning.safetensors"),
            ("measure after", 20_000, "estimator.safetensors"),
        ],
    )
    def test_the_file_is_named_and_the_run_goes_on_later(
        self, tmp_path: Path, whole: Path, phase: str, size: int, name: str
    ) -> None:
        out = tmp_path / "out"
        with ctrl_c(phase, 7 if phase == "feedback 0" else 1):
            run(settings(), out)
        before = files(out)
        with full_disk(size), pytest.raises(PosegenError, match=rf"{name} could not be written: ") as caught:
            run(settings(), out, resume=True)
        assert caught.value.exit_code == 1 and "run it again, with --resume" in caught.value.hint
        after = files(out)
        assert {k: after.get(k) for k in before if k != "metrics.jsonl"} == {
            k: v for k, v in before.items() if k != "metrics.jsonl"
        }
        assert not [k for k in after if k.endswith(".part")]
        run(settings(), out, resume=True)
        same(out, whole)

    def test_at_the_very_start(self, tmp_path: Path, whole: Path) -> None:
        with full_disk(100), pytest.raises(PosegenError, match=r"run\.toml could not be written"):
            run(settings(), tmp_path / "out")
        run(settings(), tmp_path / "out")
        same(tmp_path / "out", whole)

    def test_labels(self, tmp_path: Path) -> None:
        """Pictures of a few pixels, so that the labels are the largest file."""
        small = settings(camera__size=16, renderer="blobs")
        with full_disk(6000), pytest.raises(PosegenError, match=r"could not be written"):
            generate(small, tmp_path / "out")
        assert not (tmp_path / "out" / ROUND / "dataset.json").exists()


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="Linux")
def test_no_space_left_is_called_by_its_name(tmp_path: Path) -> None:
    """/dev/full answers every write with ENOSPC."""
    with ctrl_c("draw the benchmark"):
        run(settings(), tmp_path / "out")
    (tmp_path / "out" / "metrics.jsonl").symlink_to("/dev/full")
    with pytest.raises(PosegenError, match=r"metrics\.jsonl could not be written: the disk is full"):
        run(settings(), tmp_path / "out", resume=True)
