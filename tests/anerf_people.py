"""A small field that is a person without having been trained: a soft ball around each joint, coloured by direction."""

from __future__ import annotations

import torch
from posegen_anerf.config import FieldConfig
from posegen_anerf.field import Field
from posegen_anerf.subject import NerfSubject
from posegen_starter.body import OpenBody

RADIUS = 0.16
"""Of the balls, in NeRF units: 9 cm."""
SMALL = FieldConfig(width=32, depth=3, skip=1, view_width=16, multires=2, multires_views=1, cutoff=RADIUS, samples=64)


def balls(config: FieldConfig = SMALL, tau: float = 40.0, density: float = 60.0) -> Field:
    """Its density is ``density`` inside the balls and falls to zero around ``RADIUS`` within about 2 / tau."""
    field = Field(config).initialise(torch.Generator().manual_seed(0))
    with torch.no_grad():
        field.tau.fill_(tau)
        for i, layer in enumerate(field.pts_linears):
            layer.bias.zero_()
            if i:  # the first 24 units are carried on, whether the layer sees the input once more or not
                layer.weight.zero_()
                layer.weight[:24, -config.width :].copy_(torch.eye(24, config.width))
                layer.weight[24:, -config.width :].copy_(torch.eye(config.width)[24:])
        first = field.pts_linears[0]
        first.weight[:24].zero_()
        first.weight[:24, 48:72].copy_(torch.eye(24))  # cos(distance) times the cutoff weight
        first.bias[:24] = -0.3
        field.alpha_linear.weight.zero_()
        field.alpha_linear.weight[:, :24] = density
        field.alpha_linear.bias.zero_()
        field.rgb_linear.weight.mul_(12)
    return field.eval().requires_grad_(False)


def person(config: FieldConfig = SMALL, body: str = "open") -> NerfSubject:
    """On the open body's mean shape."""
    rest = OpenBody(OpenBody.Options()).body().rest_joints
    coarse = None if config.single else balls(config)
    return NerfSubject(config, balls(config), coarse, rest, body, source={"made": "by hand"})
