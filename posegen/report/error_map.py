"""From where an estimator errs: every picture is a dot where its camera stands, its colour is its error."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from PIL import Image

from posegen.report import mollweide
from posegen.report.mollweide import INK, Floats

RADIUS = 7  # of a dot, pixels
MOST = 95  # percent of all errors that the scale shows apart; what is worse is as dark


def draw(azimuth: Floats, elevation: Floats, errors: Mapping[str, Floats]) -> Image.Image:
    """A map a time, with one scale of colour. azimuth, elevation: degrees (N,).  errors: {time: mm (N,)}."""
    most = max(1.0, float(np.percentile(np.concatenate(list(errors.values())), MOST)))
    page = mollweide.page(len(errors))
    for column, (time, error) in enumerate(errors.items()):
        panel, pen = mollweide.panel(time, f"mean {error.mean():.0f} mm, {len(error)} pictures")
        for i in np.argsort(error):  # the worst on top
            x, y = mollweide.place(float(azimuth[i]), float(elevation[i]))
            shade = (mollweide.colour(np.array(error[i] / most)) * 255).round().astype(int).tolist()
            pen.ellipse((x - RADIUS, y - RADIUS, x + RADIUS, y + RADIUS), tuple(shade), INK)
        mollweide.directions(pen)
        page.paste(panel, (column * mollweide.PANEL[0], 0))
    ramp, labels = mollweide.colour(np.linspace(0, 1, 400)), [f"{most * s:.0f}" for s in np.linspace(0, 1, 5)]
    mollweide.scale(page, ramp, [*labels[:-1], f"{labels[-1]} and more"], "MPJPE of a picture, mm, where its camera is")
    return page
