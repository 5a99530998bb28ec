"""Folders of photographs, and the box that gives a crop back."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from posegen_blazepose.estimator import BlazePose
from posegen_starter.photos import StarterPhotos

from posegen.datasets.photos import MARGIN, photo_box, read_folder, read_picture
from posegen.errors import AssetError


class TestBox:
    def test_blazepose_sees_exactly_the_photograph(self) -> None:
        photos = StarterPhotos(StarterPhotos.Options()).people("test")[:4]
        estimator = BlazePose(BlazePose.Options())
        torch.testing.assert_close(estimator.crop(photos, photo_box(photos)), photos, atol=1e-4, rtol=0)

    @pytest.mark.parametrize("size", [64, 256, 333])
    def test_is_the_middle(self, size: int) -> None:
        boxes = photo_box(torch.zeros(2, 3, size, size))
        assert boxes.shape == (2, 4)
        x0, y0, x1, y1 = boxes[0].tolist()
        assert x0 == y0 and x1 == y1
        assert x0 + x1 == pytest.approx(size) and MARGIN * (x1 - x0) == pytest.approx(size)

    def test_of_no_photographs(self) -> None:
        assert photo_box(torch.zeros(0, 3, 256, 256)).shape == (0, 4)


def picture(width: int, height: int) -> Image.Image:
    """Red grows to the right, green to the bottom."""
    x, y = np.meshgrid(np.linspace(0, 255, width), np.linspace(0, 255, height))
    return Image.fromarray(np.stack([x, y, np.full_like(x, 40)], -1).astype(np.uint8))


class TestFolder:
    def test_square_pictures_in_the_order_of_their_names(self, tmp_path: Path) -> None:
        for value, name in enumerate(["b.png", "a.jpg", "c.webp", "D.PNG", "e.bmp", "f.jpeg"]):
            Image.new("RGB", (256, 256), (value * 40, 0, 0)).save(tmp_path / name)
        (tmp_path / "notes.txt").write_text("no picture")
        photos = read_folder(tmp_path)
        assert photos.shape == (6, 3, 256, 256) and photos.dtype == torch.float32
        order = (photos[:, 0].mean((1, 2)) * 255 / 40).round().int().tolist()
        assert order == [3, 1, 0, 2, 4, 5]  # capitals first, as names sort everywhere the same

    @pytest.mark.parametrize(("most", "taken"), [(3, [0, 2, 4]), (2, [0, 3]), (7, [*range(7)]), (9, [*range(7)])])
    def test_of_too_many_those_that_are_spread_evenly(self, tmp_path: Path, most: int, taken: list[int]) -> None:
        for i in range(7):
            Image.new("RGB", (9, 9), (30 * i, 0, 0)).save(tmp_path / f"{i}.png")
        reds = read_folder(tmp_path, most)[:, 0, 0, 0] * 255 / 30
        assert reds.round().int().tolist() == taken

    def test_pixels_are_exact(self, tmp_path: Path) -> None:
        picture(256, 256).save(tmp_path / "a.png")
        expected = torch.from_numpy(np.asarray(picture(256, 256)).copy()).permute(2, 0, 1).float() / 255
        assert torch.equal(read_folder(tmp_path)[0], expected)

    @pytest.mark.parametrize(("width", "height"), [(512, 256), (256, 512), (100, 40)])
    def test_others_are_cut_to_their_middle_square(self, tmp_path: Path, width: int, height: int) -> None:
        picture(width, height).save(tmp_path / "a.png")
        photo = read_folder(tmp_path)[0]
        assert photo.shape == (3, 256, 256)
        side = min(width, height)
        for channel, extent, line in ((0, width, photo[0, 128]), (1, height, photo[1, :, 128])):
            low, high = (extent - side) / 2 / extent, (extent + side) / 2 / extent
            assert line[0].item() == pytest.approx(low, abs=0.03), channel
            assert line[-1].item() == pytest.approx(high, abs=0.03), channel

    @pytest.mark.parametrize("mode", ["L", "P", "RGBA", "CMYK", "1", "LA"])
    def test_any_mode(self, tmp_path: Path, mode: str) -> None:
        ending = "jpg" if mode == "CMYK" else "png"
        picture(300, 200).convert(mode).save(tmp_path / f"a.{ending}")
        photo = read_folder(tmp_path)
        assert photo.shape == (1, 3, 256, 256) and photo.min() >= 0 and photo.max() <= 1

    @pytest.mark.parametrize(
        ("kind", "white", "ending"), [("u2", 65535, "png"), ("i4", 65535, "tiff"), ("f4", 1, "tiff")]
    )
    def test_greys_of_more_than_8_bits(self, tmp_path: Path, kind: str, white: int, ending: str) -> None:
        """Pillow's own conversion makes nearly everything of a 16-bit picture white."""
        shades = np.arange(256).reshape(16, 16)
        Image.fromarray((shades / 255 * white).astype(kind)).save(tmp_path / f"a.{ending}")
        read = read_picture(tmp_path / f"a.{ending}", "RGB", "")
        assert read.mode == "RGB" and np.abs(np.asarray(read).astype(int) - shades[..., None]).max() <= 1

    def test_a_turned_grey_of_16_bits(self, tmp_path: Path) -> None:
        shades, exif = np.linspace(0, 65535, 12).astype("u2").reshape(3, 4), Image.Exif()
        exif[0x0112] = 6
        Image.fromarray(shades).save(tmp_path / "a.png", exif=exif)
        turned = np.rot90(shades, -1) / 257
        assert np.abs(np.asarray(read_picture(tmp_path / "a.png", "L", "")) - turned).max() <= 0.51

    @pytest.mark.parametrize("orientation", range(1, 9))
    def test_turned_cameras(self, tmp_path: Path, orientation: int) -> None:
        """A phone writes how it was held beside the pixels."""
        turns = {
            2: [Image.Transpose.FLIP_LEFT_RIGHT],
            3: [Image.Transpose.ROTATE_180],
            4: [Image.Transpose.FLIP_TOP_BOTTOM],
            5: [Image.Transpose.TRANSPOSE],
            6: [Image.Transpose.ROTATE_90],
            7: [Image.Transpose.TRANSVERSE],
            8: [Image.Transpose.ROTATE_270],
        }
        upright = picture(256, 256)
        stored = upright
        for turn in turns.get(orientation, []):
            stored = stored.transpose(turn)
        exif = Image.Exif()
        exif[0x0112] = orientation
        stored.save(tmp_path / "a.png", exif=exif)
        expected = torch.from_numpy(np.asarray(upright).copy()).permute(2, 0, 1).float() / 255
        assert torch.equal(read_folder(tmp_path)[0], expected)

    def test_one_pixel(self, tmp_path: Path) -> None:
        Image.new("RGB", (1, 1), (255, 0, 0)).save(tmp_path / "a.png")
        assert read_folder(tmp_path)[0, :, 5, 5].tolist() == [1, 0, 0]


class TestMistakes:
    def test_missing(self, tmp_path: Path) -> None:
        with pytest.raises(AssetError, match=r"retain\.folder: .*nowhere is not a folder"):
            read_folder(tmp_path / "nowhere")

    def test_a_file(self, tmp_path: Path) -> None:
        picture(9, 9).save(tmp_path / "a.png")
        with pytest.raises(AssetError, match="is not a folder"):
            read_folder(tmp_path / "a.png")

    def test_empty(self, tmp_path: Path) -> None:
        (tmp_path / "readme.md").write_text("")
        with pytest.raises(AssetError, match="no picture in") as caught:
            read_folder(tmp_path)
        assert ".jpg" in caught.value.hint

    @pytest.mark.parametrize("ending", ["png", "jpg", "webp", "bmp"])
    def test_broken_pictures_are_named(self, tmp_path: Path, ending: str) -> None:
        """Truncated anywhere, or with flipped bytes: an AssetError with the file's name, or a whole picture."""
        path, random, refused = tmp_path / f"b.{ending}", np.random.default_rng(0), 0
        picture(24, 20).save(tmp_path / "a.png")
        picture(24, 20).save(path)
        content = path.read_bytes()
        for i in range(150):
            bad = bytearray(content)
            if i % 2:
                bad = bad[: random.integers(len(bad))]
            else:
                for _ in range(4):
                    bad[random.integers(min(len(bad), 120))] = random.integers(256)
            path.write_bytes(bad)
            try:
                assert read_folder(tmp_path).shape[1:] == (3, 256, 256)
            except AssetError as error:
                assert error.message.startswith(f"{path} cannot be read")
                refused += 1
        assert refused > 40

    def test_one_that_cannot_be_read_is_not_to_be_removed(self, tmp_path: Path) -> None:
        (tmp_path / "a.png").mkdir()
        with pytest.raises(AssetError, match=r"a\.png cannot be read: Is a directory") as caught:
            read_folder(tmp_path)
        assert "remove" not in caught.value.hint

    def test_one_that_is_too_large(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        picture(300, 200).save(tmp_path / "a.png")
        monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 20_000)
        with pytest.raises(AssetError, match=r"a\.png cannot be read: it has more than \d+ million pixels"):
            read_folder(tmp_path)

    def test_not_a_picture(self, tmp_path: Path) -> None:
        (tmp_path / "a.jpg").write_text("<html>404</html>")
        with pytest.raises(AssetError, match=r"a\.jpg cannot be read") as caught:
            read_folder(tmp_path)
        assert "remove it" in caught.value.hint
