"""A few small pictures to fit a field to, and options of a fit of seconds: for the tests of what a fit is made of."""

from __future__ import annotations

from functools import cache

import torch
from posegen_anerf.fit.options import FitOptions
from posegen_anerf.fit.pixels import rays_of

from posegen.assemble import make
from posegen.datasets.rendered_views import Plan, render_views
from posegen.settings import Selection
from posegen.types import Views

CPU = torch.device("cpu")
TINY = FitOptions(
    width=32, depth=3, skip=5, view_width=16, iterations=40, images=4, rays=48,
    every=20, lr=5e-3, step=0.06, bf16=False,
    multires=7, direction=1.0, calibration=0,
)  # fmt: skip


@cache
def small_views() -> Views:
    artist = make("renderer", Selection(name="mesh"), CPU)
    motion = make("motion", Selection(name="starter"), CPU)
    rng = torch.Generator().manual_seed(1)
    return render_views(artist, motion, Plan(poses=6, held_out=1, cameras=6, size=32), rng, artist.body.betas)


def some_rays(views, skts, image=0, count=64, seed=0):
    place = torch.randint(32 * 32, (1, count), generator=torch.Generator().manual_seed(seed))
    index = torch.tensor([image])
    return rays_of(views, index, place, skts[views.pose_index[index]], codes=False)
