"""Draws ``benchmark.webp``, eight pictures of each drawn split: ``python docs/images/benchmark.py``."""

from __future__ import annotations

from pathlib import Path

import torch
from PIL import Image

from posegen.assemble import make
from posegen.datasets.open import SPLITS, shots
from posegen.settings import EvaluateSettings, Selection

COLUMNS, SIDE = 8, 128


def main() -> None:
    """A row for each split, its pictures evenly taken from those that ``posegen run`` measures on."""
    cpu = torch.device("cpu")
    motion, photos = (make(kind, Selection(name="starter"), cpu) for kind in ("motion", "photos"))
    sheet = Image.new("RGB", (COLUMNS * SIDE, len(SPLITS) * SIDE))
    for row, split in enumerate(SPLITS):
        drawn = shots(
            split,
            "smpl24",
            motion=motion,
            photos=photos,
            mesh=lambda subject: make("renderer", Selection(name="mesh", options={"subject": subject}), cpu),
            samples=EvaluateSettings().samples,
        )
        for column, i in enumerate(torch.linspace(0, len(drawn.image) - 1, COLUMNS).long()):
            picture = Image.fromarray(drawn.image[i].permute(1, 2, 0).numpy())
            sheet.paste(picture.resize((SIDE, SIDE), Image.Resampling.LANCZOS), (column * SIDE, row * SIDE))
    sheet.save(Path(__file__).with_suffix(".webp"), quality=85, method=6)


if __name__ == "__main__":
    main()
