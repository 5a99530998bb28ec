"""Draws ``run.webp``: what the estimator saw before and after a run. ``python docs/images/run.py runs/FOLDER``

Eight pictures of ``usd``, evenly taken and not chosen; under each, the skeleton before and after fine-tuning (colour)
on the truth (grey), as the camera sees it, with the mean limb error.
"""

from __future__ import annotations

import sys
from pathlib import Path

import torch
from PIL import Image, ImageDraw

from posegen.assemble import make
from posegen.datasets.open import shots
from posegen.evaluate import limbs, predict
from posegen.metrics import mpjpe
from posegen.settings import EvaluateSettings, Selection

COLUMNS, SIDE, DRAWN = 8, 192, 4  # drawn four times as large, then shrunk: smooth lines
GREY, RED, GREEN = (190, 190, 190), (208, 64, 48), (28, 140, 84)
LIMBS = ((0, 2), (2, 4), (1, 3), (3, 5), (6, 8), (8, 10), (7, 9), (9, 11), (4, 5), (10, 11), (4, 10), (5, 11))


def panel(truth: torch.Tensor, estimate: torch.Tensor, colour: tuple[int, int, int], error: float) -> Image.Image:
    """Both skeletons (12,3) seen along the line of sight, 1.1 m around the root."""
    size = SIDE * DRAWN
    image = Image.new("RGB", (size, size), "white")
    pen = ImageDraw.Draw(image)
    for joints, shade in ((truth, GREY), (estimate, colour)):
        xy = [((x / 2.2 + 0.5) * size, (y / 2.2 + 0.5) * size) for x, y in joints[:, :2].tolist()]
        for a, b in LIMBS:
            pen.line([xy[a], xy[b]], fill=shade, width=5 * DRAWN // 2, joint="curve")
    pen.text((3 * DRAWN, 3 * DRAWN), f"{error:.0f} mm", fill=colour, font_size=13 * DRAWN)
    return image.resize((SIDE, SIDE), Image.Resampling.LANCZOS)


def main(run: Path) -> None:
    """A row of pictures, a row before, a row after."""
    cpu = torch.device("cpu")
    motion, photos = (make(kind, Selection(name="starter"), cpu) for kind in ("motion", "photos"))
    tuned = Selection(name="blazepose", options={"checkpoint": str(run / "estimator.safetensors")})
    estimators = [make("estimator", which, cpu) for which in (Selection(name="blazepose"), tuned)]
    usd = shots(
        "usd",
        estimators[0].joint_set,
        motion=motion,
        photos=photos,
        mesh=lambda subject: make("renderer", Selection(name="mesh", options={"subject": subject}), cpu),
        samples=EvaluateSettings().samples,
    )
    truth = limbs(usd.joints, usd.joint_set)
    seen = [limbs(predict(estimator, usd), usd.joint_set) for estimator in estimators]
    sheet = Image.new("RGB", (COLUMNS * SIDE, 3 * SIDE), "white")
    for column, i in enumerate(torch.linspace(0, len(usd.image) - 1, COLUMNS).long()):
        picture = Image.fromarray(usd.image[i].permute(1, 2, 0).numpy())
        sheet.paste(picture.resize((SIDE, SIDE), Image.Resampling.LANCZOS), (column * SIDE, 0))
        for row, (estimate, colour) in enumerate(zip(seen, (RED, GREEN), strict=True), 1):
            error = mpjpe(estimate, truth)[i].item()
            sheet.paste(panel(truth[i], estimate[i], colour, error), (column * SIDE, row * SIDE))
    sheet.save(Path(__file__).with_suffix(".webp"), quality=88, method=6)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
