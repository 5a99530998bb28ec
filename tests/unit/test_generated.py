"""The dataset on disk: bit for bit what was in memory."""

from __future__ import annotations

import json
from dataclasses import fields, replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from blob_parts import samples
from PIL import Image
from safetensors.torch import load, save_file

from posegen import drawing
from posegen.datasets import generated
from posegen.datasets.generated import Samples, concatenate, gather, to_bytes
from posegen.errors import AssetError, PosegenError, UsageError

NAMES = [f.name for f in fields(Samples)]


def equal(one: Samples, other: Samples) -> bool:
    return all(
        torch.equal(getattr(one, n), getattr(other, n)) and getattr(one, n).dtype == getattr(other, n).dtype
        for n in NAMES
    )


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    generated.save(samples(3), tmp_path / "data", joint_set="smpl24")
    return tmp_path / "data"


class TestRoundTrip:
    def test_every_colour_under_every_alpha(self, tmp_path: Path) -> None:
        """Premultiplied -> straight -> premultiplied, for all 32,896 pairs of colour <= alpha, through the files."""
        alpha = torch.arange(256, dtype=torch.uint8)[:, None].expand(256, 256)
        colour = torch.minimum(torch.arange(256, dtype=torch.uint8)[None].expand(256, 256), alpha)
        one = replace(
            samples(1),
            image=torch.stack([colour, colour.flip(1), colour.roll(77, 1)])[None],
            alpha=alpha[None, None].clone(),
        )
        assert len(torch.stack([colour, alpha]).flatten(1).unique(dim=1)[0]) == 256 * 257 // 2
        generated.save(one, tmp_path, joint_set="smpl24")
        assert equal(generated.load(tmp_path, joint_set="smpl24"), one)

    def test_rendered_samples(self, tmp_path: Path) -> None:
        drawn = samples(5)
        generated.save(drawn, tmp_path, joint_set="smpl24")
        assert equal(generated.load(tmp_path, joint_set="smpl24"), drawn)

    def test_twice_written_is_the_same_files(self, tmp_path: Path) -> None:
        for name in "ab":
            generated.save(samples(2), tmp_path / name, joint_set="smpl24")
        for path in (tmp_path / "a").rglob("*.*"):
            assert path.read_bytes() == (tmp_path / "b" / path.relative_to(tmp_path / "a")).read_bytes()

    def test_the_files_are_what_they_say(self, folder: Path) -> None:
        """For readers that know nothing of PoseGen."""
        about = json.loads((folder / "dataset.json").read_text())
        assert (about["format"], about["samples"], about["joint_set"]) == ("posegen-dataset-2", 3, "smpl24")
        assert "straight alpha" in about["conventions"]
        drawn = samples(3)
        with Image.open(folder / "images" / "000001.png") as picture:
            assert picture.mode == "RGBA" and picture.size == (24, 24)
            pixels = np.asarray(picture).astype(float)
        composite = pixels[..., :3] * pixels[..., 3:] / 255 + 255 - pixels[..., 3:]
        expected = 255 * samples(3)[1:2].render().over(1.0)[0].permute(1, 2, 0).numpy()
        assert np.abs(composite - expected).max() <= 0.5
        assert drawn.alpha.max() > 200


class TestSamples:
    def test_index_and_concatenate(self) -> None:
        drawn = samples(4)
        assert equal(concatenate([drawn[:1], drawn[torch.tensor([1, 2])], drawn[3:]]), drawn)
        assert equal(drawn[torch.tensor([True, False, True, False])], drawn[torch.tensor([0, 2])])
        assert concatenate([drawn]) is drawn
        assert len(drawn) == 4

    def test_gathered_as_they_come(self) -> None:
        drawn = samples(4)
        assert equal(gather(iter([drawn[:1], drawn[1:1], drawn[1:]]), most=6), drawn)
        assert len(gather([drawn[:0]], most=6)) == 0

    def test_render_is_premultiplied_floats(self) -> None:
        render = samples(2).render()
        assert render.image.dtype == torch.float32
        assert (render.image <= render.alpha).all() and render.alpha.max() <= 1

    def test_bytes_are_rounded(self) -> None:
        values = torch.tensor([0.0, 0.4 / 255, 0.6 / 255, 254.6 / 255, 1.0, 1.7, -0.2])
        assert to_bytes(values).tolist() == [0, 0, 1, 255, 255, 255, 0]
        everything = torch.arange(256, dtype=torch.uint8)
        assert torch.equal(to_bytes(everything.float() / 255), everything)


class TestDamage:
    def fails(self, folder: Path, name: str, kind: type[PosegenError] = AssetError) -> PosegenError:
        with pytest.raises(kind) as caught:
            generated.load(folder, joint_set="smpl24")
        assert str(folder / name) in caught.value.message
        return caught.value

    @pytest.mark.parametrize("name", ["dataset.json", "labels.safetensors", "images/000002.png"])
    def test_missing(self, folder: Path, name: str) -> None:
        (folder / name).unlink()
        hint = "give RUN/dataset/round-0" if name == "dataset.json" else "generate the dataset again"
        assert hint in self.fails(folder, name if name != "dataset.json" else "").hint

    def test_only_what_a_run_wrote_itself_may_be_deleted(self, folder: Path) -> None:
        (folder / "labels.safetensors").unlink()
        assert "delete" not in self.fails(folder, "labels.safetensors").hint
        with pytest.raises(AssetError) as caught:
            drawing.rendered(SimpleNamespace(estimator=SimpleNamespace(joint_set="smpl24")), folder, proposals=None)
        assert caught.value.hint == f"delete {folder} and go on with --resume"

    @pytest.mark.parametrize("name", ["dataset.json", "labels.safetensors", "images/000002.png"])
    @pytest.mark.parametrize("share", [0.0, 0.3, 0.9])
    def test_truncated(self, folder: Path, name: str, share: float) -> None:
        content = (folder / name).read_bytes()
        (folder / name).write_bytes(content[: int(share * len(content))])
        self.fails(folder, name)

    def test_scrambled_pictures_are_named_or_whole(self, folder: Path) -> None:
        """Whatever Pillow makes of flipped bytes, no other error leaves the loader."""
        path, random = folder / "images" / "000000.png", np.random.default_rng(0)
        content, refused = path.read_bytes(), 0
        for _ in range(300):
            bad = bytearray(content)
            for _ in range(3):
                bad[random.integers(len(bad))] = random.integers(256)
            path.write_bytes(bad)
            try:
                assert generated.load(folder, joint_set="smpl24").image.shape == (3, 3, 24, 24)
            except AssetError as error:
                assert str(folder / "images") in error.message
                refused += 1
        assert refused > 200

    @pytest.mark.parametrize(
        "content",
        [
            "[]",
            "3",
            "null",
            "{}",
            '{"samples": 3}',
            '{"samples": "x", "joint_set": "smpl24", "format": "posegen-dataset-2"}',
        ],
    )
    def test_description(self, folder: Path, content: str) -> None:
        (folder / "dataset.json").write_text(content)
        assert "Error" not in self.fails(folder, "dataset.json").message

    @pytest.mark.parametrize("name", ["dataset.json", "labels.safetensors", "images/000002.png"])
    def test_what_cannot_be_read_may_be_whole(self, folder: Path, name: str) -> None:
        (folder / name).unlink()
        (folder / name).mkdir()
        told = self.fails(folder, name)
        assert "cannot be read: Is a directory" in told.message and "permissions" in told.hint

    @pytest.mark.parametrize(("name", "value"), [("truth", np.nan), ("box", np.inf)])
    def test_labels_that_are_no_numbers(self, folder: Path, name: str, value: float) -> None:
        labels = load((folder / "labels.safetensors").read_bytes())
        labels[name][1, 0] = value
        save_file(labels, folder / "labels.safetensors")
        told = self.fails(folder, "labels.safetensors").message
        assert f"'{name}' of sample 1 holds values that are not finite" in told

    def test_labels_that_nobody_knows(self, folder: Path) -> None:
        labels = load((folder / "labels.safetensors").read_bytes())
        for name in ("theta", "view", "error", "points"):
            labels[name][1] = np.nan
        save_file(labels, folder / "labels.safetensors")
        assert generated.load(folder, joint_set="smpl24").theta[1].isnan().all()

    @pytest.mark.parametrize("count", [0, -1, 2, 4, 10**6])
    def test_count(self, folder: Path, count: int) -> None:
        about = json.loads((folder / "dataset.json").read_text())
        (folder / "dataset.json").write_text(json.dumps(about | {"samples": count}))
        with pytest.raises(AssetError):
            generated.load(folder, joint_set="smpl24")

    def test_later_format(self, folder: Path) -> None:
        about = json.loads((folder / "dataset.json").read_text())
        (folder / "dataset.json").write_text(json.dumps(about | {"format": "posegen-dataset-3"}))
        assert "'posegen-dataset-3'" in self.fails(folder, "dataset.json").message

    @pytest.mark.parametrize("name", ["box", "theta", "view", "truth", "error"])
    def test_labels_of_another_shape(self, folder: Path, name: str) -> None:
        labels = load((folder / "labels.safetensors").read_bytes())
        save_file(labels | {name: torch.zeros(3, 7)}, folder / "labels.safetensors")
        assert f"no '{name}' of shape (3" in self.fails(folder, "labels.safetensors").message

    def test_another_joint_set(self, folder: Path) -> None:
        with pytest.raises(UsageError, match="labelled with joint set 'smpl24', the estimator has 'blazepose33'"):
            generated.load(folder, joint_set="blazepose33")

    def test_pictures_of_several_sizes(self, folder: Path) -> None:
        Image.new("RGBA", (10, 12)).save(folder / "images" / "000001.png")
        assert "one size" in self.fails(folder, "images").message

    def test_a_folder_that_cannot_be_made(self, tmp_path: Path) -> None:
        (tmp_path / "file").write_text("")
        with pytest.raises(PosegenError, match="could not be written"):
            generated.save(samples(1), tmp_path / "file" / "data", joint_set="smpl24")
