"""Draws ``run.webp`` and ``errors.webp``: a run before and after. ``python docs/images/run.py runs/FOLDER``

Eight pictures of ``usd``, evenly taken and not chosen; under each, the skeleton before and after fine-tuning (colour)
on the truth (grey), as the camera sees it, with the mean limb error. And all of ``usd`` on the sphere of cameras.
"""

from __future__ import annotations

import sys
from pathlib import Path

import torch

from posegen import assemble, config
from posegen.report import error_map, pictures, stage
from posegen.track import Track

HERE = Path(__file__).parent


def main(run: Path) -> None:
    settings = assemble.complete(config.load([str(run / "run.toml")]).settings)
    (usd,) = (seen for seen in stage.look(settings, run, Track(None))[1] if seen.name == "usd")
    chosen = torch.linspace(0, len(usd.shots.image) - 1, stage.IN_A_ROW).long().tolist()
    page = pictures.sheet(usd.shots.image, usd.truth, usd.estimates, chosen)
    page.save(HERE / "run.webp", quality=88, method=6)
    errors = {time: error.double().numpy() for time, error in usd.errors().items()}
    error_map.draw(*usd.cameras(), errors).save(HERE / "errors.webp", quality=85, method=6)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
