"""Pictures of people with what an estimator says of them under each: the skeleton in colour on the true one in grey."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
from PIL import Image, ImageDraw
from torch import Tensor

from posegen.body.joints import LIMBS
from posegen.metrics import mpjpe

SIDE, DRAWN = 192, 4  # pixels; drawn four times as large, then shrunk: smooth lines
SEEN = 2.2  # metres in the side of a panel, around the root
GREY, RED, GREEN = (190, 190, 190), (208, 64, 48), (28, 140, 84)
COLOURS = {"before": RED, "after": GREEN, "now": RED}
BONES = tuple(
    (LIMBS.index(a), LIMBS.index(b))
    for a, b in (
        *((f"{side}_{upper}", f"{side}_{lower}") for side in ("left", "right")
          for upper, lower in (("hip", "knee"), ("knee", "ankle"), ("shoulder", "elbow"), ("elbow", "wrist"),
                               ("hip", "shoulder"))),
        ("left_hip", "right_hip"),
        ("left_shoulder", "right_shoulder"),
    )
)  # fmt: skip


def sheet(image: Tensor, truth: Tensor, estimates: Mapping[str, Tensor], chosen: Sequence[int]) -> Image.Image:
    """A row of pictures, and one of skeletons for each time.

    image: (N,3,H,W) uint8.  truth: (N,12,3) limb joints, metres, camera axes, centred on the root.  estimates: the same
    of each time in COLOURS.  chosen: which of the N.
    """
    page = Image.new("RGB", (len(chosen) * SIDE, (1 + len(estimates)) * SIDE), "white")
    for column, i in enumerate(chosen):
        page.paste(_small(Image.fromarray(image[i].permute(1, 2, 0).cpu().numpy())), (column * SIDE, 0))
        for row, (time, estimate) in enumerate(estimates.items(), 1):
            error = mpjpe(estimate[i : i + 1], truth[i : i + 1]).item()
            page.paste(_panel(truth[i], estimate[i], COLOURS[time], error), (column * SIDE, row * SIDE))
    return page


def strip(images: Sequence[Image.Image]) -> Image.Image:
    """Pictures in a row, what is transparent before white."""
    page = Image.new("RGBA", (len(images) * SIDE, SIDE), "white")
    for column, image in enumerate(images):
        page.alpha_composite(_small(image.convert("RGBA")), (column * SIDE, 0))
    return page.convert("RGB")


def _small(image: Image.Image) -> Image.Image:
    return image.resize((SIDE, SIDE), Image.Resampling.LANCZOS)


def _panel(truth: Tensor, estimate: Tensor, colour: tuple[int, int, int], error: float) -> Image.Image:
    """Both skeletons (12,3), as the camera sees them along its line of sight."""
    size = SIDE * DRAWN
    image = Image.new("RGB", (size, size), "white")
    pen = ImageDraw.Draw(image)
    for joints, shade in ((truth, GREY), (estimate, colour)):
        places = ((joints[:, :2] / SEEN + 0.5) * size).to(torch.float64).tolist()
        for a, b in BONES:
            pen.line([tuple(places[a]), tuple(places[b])], fill=shade, width=5 * DRAWN // 2, joint="curve")
    pen.text((3 * DRAWN, 3 * DRAWN), f"{error:.0f} mm", fill=colour, font_size=13 * DRAWN)
    return _small(image)
