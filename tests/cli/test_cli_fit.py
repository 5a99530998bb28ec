"""``posegen fit``: from images to a person that is drawn, and what it says where it cannot."""

from __future__ import annotations

import pytest
import torch
from posegen_anerf.fit.options import FitOptions

from posegen import fit as fitting
from posegen.nn.checkpoint import save_tensors

TINY = ("width=16", "depth=2", "view_width=8", "iterations=6", "images=2", "rays=16", "every=3", "calibration=0",
        "bf16=false")  # fmt: skip
VIEWS = ("views.poses=3", "views.held_out=1", "views.cameras=2", "views.size=24")


def settings(*values):
    return [part for value in values for part in ("--set", value)]


def test_subject_folder_and_official_file(posegen, tmp_path):
    """Images are drawn, fitted to, written as a folder; the folder and the official file are fitted to as well."""
    out, folder = tmp_path / "s1.safetensors", tmp_path / "views"
    done = posegen("fit", "anerf", "--subject", "s1", "--out", out, "--write-views", folder, *settings(*TINY, *VIEWS))
    assert done.code == 0, done.err
    assert "psnr" in done.out and "renderer.subject=" in done.out
    assert out.is_file() and len(list((folder / "images").iterdir())) == 3 * 2 + 3
    again = tmp_path / "folder.safetensors"
    done = posegen("fit", "anerf", "--data", folder, "--out", again, *settings(*TINY))
    assert done.code == 0, done.err
    pytest.importorskip("h5py")
    file = tmp_path / "views.h5"
    keeping = tmp_path / "keeping.safetensors"
    done = posegen("fit", "anerf", "--data", folder, "--out", keeping, "--write-views", file, *settings(*TINY))
    assert done.code == 0, done.err
    done = posegen("fit", "anerf", "--data", file, "--out", tmp_path / "file.safetensors", *settings(*TINY))
    assert done.code == 0, done.err


def test_a_fitted_person_is_drawn(posegen, tmp_path):
    out, picture = tmp_path / "p.safetensors", tmp_path / "p.png"
    more = ("iterations=60", "lr=0.01", "width=32", "images=4", "rays=64", "calibration=4")
    assert posegen("fit", "anerf", "--subject", "s0", "--out", out, *settings(*TINY, *VIEWS, *more)).code == 0
    slow = settings(f"renderer.subject={out}", "renderer.march=reference")
    done = posegen("render", "--renderer", "anerf", "--size", "16", "--out", picture, *slow)
    assert done.code == 0, done.err
    assert picture.is_file()


@pytest.fixture
def blind(monkeypatch):
    """A command that comes to look at images has not said in time what is wrong."""

    def never(*_):
        raise AssertionError("images were asked for")

    monkeypatch.setattr(fitting, "_views", never)


def test_a_fit_that_was_stopped_at_once_is_resumed(posegen, tmp_path):
    """Ctrl-C before anything was kept: the command that it names simply starts. A finished fit is not begun again."""
    out = tmp_path / "p.safetensors"
    again = ("fit", "anerf", "--subject", "s0", "--out", out, "--resume", *settings(*TINY, *VIEWS))
    done = posegen(*again)
    assert done.code == 0, done.err
    done = posegen(*again)
    assert done.code == 2
    assert "p.safetensors is finished" in " ".join(done.err.split())


def test_nothing_is_written_over(posegen, tmp_path, blind):
    out = tmp_path / "p.safetensors"
    for path, says in ((out, "is there already"), (tmp_path / "p.safetensors.fit", "holds an interrupted fit")):
        path.write_bytes(b"hours of work")
        done = posegen("fit", "anerf", "--subject", "s0", "--out", out, *settings(*TINY, *VIEWS))
        assert done.code == 2
        assert f"{path.name} {says}" in " ".join(done.err.split()) and "--resume" in done.err
        assert path.read_bytes() == b"hours of work"
        path.unlink()


@pytest.mark.parametrize("option", ["--out", "--write-views"])
def test_a_place_that_cannot_be_is_told_before_images_are_drawn(posegen, tmp_path, blind, option):
    (tmp_path / "file").touch()
    places = {"--out": tmp_path / "out" / "p.safetensors", "--write-views": tmp_path / "views"}
    places[option] = tmp_path / "file" / places[option].name
    done = posegen("fit", "anerf", "--subject", "s0", *(part for pair in places.items() for part in pair))
    assert done.code == 2
    assert f"{places[option]} cannot be written: a file is where a folder is needed" in " ".join(done.err.split())
    assert f"hint: choose another {option}" in done.err
    assert [p.name for p in tmp_path.iterdir()] == ["file"]


def test_other_options_are_told_before_images_are_drawn(posegen, tmp_path, blind):
    state = tmp_path / "p.safetensors.fit"
    save_tensors(state, {"x": torch.zeros(1)}, {"options": FitOptions(lr=0.5).model_dump_json()})
    done = posegen("fit", "anerf", "--subject", "s0", "--out", tmp_path / "p.safetensors", "--resume")
    assert done.code == 2
    assert f"was fitted with lr=0.5, not {FitOptions().lr}" in " ".join(done.err.split())


@pytest.mark.parametrize("place", ["photographs", "views.h5"])
def test_views_are_not_written_over_photographs(posegen, tmp_path, blind, place):
    photograph = tmp_path / place if place == "views.h5" else tmp_path / place / "images" / "one.png"
    photograph.parent.mkdir(parents=True, exist_ok=True)
    photograph.write_bytes(b"the only copy")
    for source in (("--data", tmp_path / place), ("--subject", "s0")):
        done = posegen("fit", "anerf", *source, "--out", tmp_path / "p.safetensors", "--write-views", tmp_path / place)
        assert done.code == 2
        assert f"{place} is there already" in " ".join(done.err.split())
    assert photograph.read_bytes() == b"the only copy"


def test_a_dot_makes_no_file_and_what_is_written_stays(posegen, tmp_path):
    folder = tmp_path / "views-0.5"
    folder.mkdir()  # empty: it may be there
    first = ("fit", "anerf", "--subject", "s1", "--out", tmp_path / "p.safetensors", "--write-views", folder)
    assert posegen(*first, *settings(*TINY, *VIEWS)).code == 0
    about = folder / "cameras.json"
    written = about.stat().st_mtime_ns
    (tmp_path / "p.safetensors").unlink()
    done = posegen(*first, "--resume", *settings(*TINY, *VIEWS))
    assert done.code == 0, done.err
    assert about.stat().st_mtime_ns == written
    (folder / "poses.npz").unlink()  # an interruption: it is written last
    (tmp_path / "p.safetensors").unlink()
    assert posegen(*first, "--resume", *settings(*TINY, *VIEWS)).code == 0
    assert (folder / "poses.npz").is_file()


@pytest.mark.parametrize(
    ("arguments", "code", "says"),
    [
        (("fit", "mesh", "--subject", "s0", "--out", "p.safetensors"), 2, "'mesh' cannot be fitted"),
        (("fit", "anerv", "--subject", "s0", "--out", "p.safetensors"), 4, "anerf"),
        (("fit", "anerf", "--out", "p.safetensors"), 2, "either --subject or --data"),
        (("fit", "anerf", "--subject", "s0", "--data", "x", "--out", "p.safetensors"), 2, "either --subject or --data"),
        (("fit", "anerf", "--subject", "s0", "--out", "p.tar"), 2, "not a .safetensors"),
        (("fit", "anerf", "--subject", "s9", "--out", "p.safetensors"), 2, "s9"),
        (("fit", "anerf", "--data", "nowhere", "--out", "p.safetensors"), 3, "cameras.json does not exist"),
        (("fit", "anerf", "--subject", "s0", "--out", "p.safetensors", "--set", "widht=3"), 2, "did you mean 'width'?"),
        (("fit", "anerf", "--subject", "s0", "--out", "p.safetensors", "--set", "loss=l3"), 2, "loss = 'l3'"),
        (
            ("fit", "anerf", "--subject", "s0", "--out", "p.safetensors", "--set", "views.pose=3"),
            2,
            "did you mean 'poses'?",
        ),
        (("fit", "anerf", "--subject", "s0", "--out", "p.safetensors", "--set", "views.poses=0"), 2, "views.poses = 0"),
        (("fit", "anerf", "--subject", "s0", "--out", "p.safetensors", "--set", "views=3"), 2, "'views' is a section"),
    ],
)
def test_what_cannot_be_done_is_one_sentence(posegen, tmp_path, monkeypatch, arguments, code, says):
    monkeypatch.chdir(tmp_path)
    done = posegen(*arguments)
    assert done.code == code, done.err
    assert says in " ".join(done.err.split())
    assert "Traceback" not in done.err


def test_renderers_that_can_are_named(posegen, tmp_path):
    done = posegen("fit", "mesh", "--subject", "s0", "--out", tmp_path / "p.safetensors")
    assert "anerf" in done.err
