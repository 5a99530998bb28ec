"""The programs of docs/guides.md are run as a reader runs them."""

from __future__ import annotations

import runpy

import pytest
import torch
from documents import ROOT, files
from PIL import Image

from posegen import assemble, config
from posegen.checkpoint import save_tensors
from posegen.datasets.sources import Source
from posegen.scoring.stage import Request, evaluate
from posegen.settings import Selection

PROGRAMS = files(ROOT / "docs" / "guides.md")


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name, code in PROGRAMS.items():
        (tmp_path / name).write_text(code, encoding="utf-8")
    photos = assemble.make("photos", Selection(name="starter"), torch.device("cpu")).people("test")
    for i, name in enumerate(("one.jpg", "two.jpg")):
        Image.fromarray((255 * photos[i]).byte().permute(1, 2, 0).numpy()).save(tmp_path / name)
    return tmp_path


def test_a_test_set_of_four_arrays_is_measured(folder):
    runpy.run_path("write_npz.py")
    settings = assemble.complete(config.load((), {"--estimator": ("estimator", "blazepose")}, ()).settings)
    result = evaluate(settings, Request(Source("npz", folder / "test.npz")))
    assert result["judged"] == 2 and not result["left_out"]
    assert result["all"]["mpjpe"]["mean"] > 0


def test_a_picture_is_looked_at(folder, capsys):
    estimator = assemble.make("estimator", Selection(name="blazepose"), torch.device("cpu"))
    save_tensors(folder / "estimator.safetensors", estimator.module.state_dict(), {})
    joints = runpy.run_path("look.py")["joints"]
    assert capsys.readouterr().out == "blazepose33 (33, 3)\n"
    height = joints[:, 1].max() - joints[:, 1].min()
    assert 0.3 < height < 2.5  # metres
