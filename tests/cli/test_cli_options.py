"""Options reach what they are for."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from test_evaluate_dataset import folder  # noqa: F401

from posegen.datasets.sources import parse
from posegen.scoring.stage import Request


@pytest.fixture
def asked(monkeypatch):
    """Requests of ``posegen evaluate --dataset`` in place of what they would measure."""
    requests = []
    monkeypatch.setattr("posegen.scoring.stage.evaluate", lambda settings, request, console: requests.append(request))
    return requests


def test_all_options_of_an_evaluation_are_in_its_request(posegen, asked, tmp_path):
    out = str(tmp_path / "out")
    ended = posegen(
        *("evaluate", "--dataset", "agora:/data/agora", "--split", "train", "--protocol", "agora/crops", "--out", out),
        *("--batch", "7", "--workers", "3", "--limit", "50", "--by", "viewpoint", "--by", "scene"),
        *("--agora-predictions", "--save-predictions", "--resume"),
    )
    assert ended.code == 0, ended.err
    assert asked == [
        Request(
            parse("agora:/data/agora"),
            split="train",
            protocol="agora/crops",
            batch=7,
            workers=3,
            limit=50,
            by=("viewpoint", "scene"),
            out=tmp_path / "out",
            save_predictions=True,
            agora_predictions=True,
            resume=True,
        )
    ]


def test_without_options_an_evaluation_is_the_usual_one(posegen, asked):
    assert posegen("evaluate", "--dataset", "3dpw").code == 0
    assert asked == [Request(parse("3dpw"))]


def test_groupings_of_the_open_benchmark(posegen, monkeypatch):
    given = []
    monkeypatch.setattr("posegen.run.evaluate", lambda settings, by, out, console: given.append((by, out)))
    assert posegen("evaluate", "--by", "viewpoint", "--by", "roll", "--out", "kept").code == 0
    assert given == [(("viewpoint", "roll"), Path("kept"))]


def test_only_so_many_people_are_measured(posegen, folder, tmp_path):  # noqa: F811
    out = tmp_path / "out"
    ended = posegen("evaluate", "--dataset", f"generated:{folder}", "--limit", "4", "--out", str(out))
    assert ended.code == 0, ended.err
    assert json.loads((out / "result.json").read_text())["people"] == 4


@pytest.mark.parametrize("verb", ["run", "generate"])
def test_the_discriminator_is_chosen(posegen, verb):
    ended = posegen(verb, "--discriminator", "mine", "--out", "nowhere")
    assert (ended.code, "there is no discriminator 'mine'" in ended.err) == (4, True)


def test_viewpoints_of_every_third_person(posegen, folder, tmp_path):  # noqa: F811
    out = tmp_path / "vp"
    ended = posegen("viewpoints", "--dataset", f"generated:{folder}", "--every", "3", "--out", str(out))
    assert ended.code == 0, ended.err
    with np.load(out / "generated-round-0.npz") as archive:
        assert len(archive["azimuth"]) == 2


def test_the_whole_view_shows_a_smaller_person(posegen, tmp_path):
    heights = []
    for name, more in (("near.png", ()), ("whole.png", ("--whole",))):
        ended = posegen("render", "--renderer", "mesh", "--size", "128", "-o", str(tmp_path / name), *more)
        assert ended.code == 0, ended.err
        rows = (np.array(Image.open(tmp_path / name)) < 250).any((1, 2)).nonzero()[0]
        heights.append(rows[-1] - rows[0])
    assert heights[1] < 0.9 * heights[0]


@pytest.mark.parametrize(("layout", "key"), [("spin", "S"), ("4d-humans", "body_keypoints_2d")])
def test_the_layout_of_an_export_is_chosen(posegen, folder, tmp_path, layout, key):  # noqa: F811
    run = tmp_path / "run"
    (run / "dataset").mkdir(parents=True)
    about = json.loads((folder / "dataset.json").read_text()) | {"people": ["s0"]}
    (folder / "dataset.json").write_text(json.dumps(about))
    folder.rename(run / "dataset" / "round-0")
    (run / "run.toml").write_text("")
    ended = posegen("export-dataset", str(run), "--format", layout, "-o", str(tmp_path / "out"))
    assert ended.code == 0, ended.err
    (file,) = (tmp_path / "out").glob("*.npz")
    with np.load(file) as archive:
        assert key in archive.files


def test_people_without_a_name_are_told(posegen, folder, tmp_path):  # noqa: F811
    run = tmp_path / "run"
    (run / "dataset").mkdir(parents=True)
    folder.rename(run / "dataset" / "round-0")
    (run / "run.toml").write_text("")
    ended = posegen("export-dataset", str(run), "-o", str(tmp_path / "out"))
    assert (ended.code, "dataset.json does not name all of its people" in ended.err) == (3, True)


def test_an_ablation_of_which_a_cell_fails_ends_with_its_cause(posegen, monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    out = tmp_path / "table"
    ended = posegen(
        "ablate", "quick", "--grid", "renderer.subject=['no.safetensors']", "--seeds", "0", "--out", "table"
    )
    assert ended.code == 1
    assert "error: 1 of 1 cells failed; subject=no.safetensors/0: " in ended.err
    assert ended.err.endswith("no.safetensors does not exist\nhint: give the path of a subject's .safetensors\n")
    with (out / "table.csv").open() as file:
        assert all(row["seeds"] == "0" for row in csv.DictReader(file))
