"""Open assets: body, subjects, motion clips, photographs, BlazePose weights. Importing this imports no torch."""

from __future__ import annotations

from collections.abc import Iterator

import posegen


@posegen.hookimpl
def posegen_components() -> Iterator[posegen.Component]:
    yield posegen.Component(
        kind="body",
        name="open",
        target="posegen_starter.body:OpenBody",
        summary="open body in SMPL's format: 24 joints, 10 betas, face, hand and foot landmarks",
        licence="CC0-1.0",
    )
    yield posegen.Component(
        kind="motion",
        name="starter",
        target="posegen_starter.motion:StarterMotion",
        summary="20 real motion clips, split in train, validation and test",
        licence="Zlib (origin caveat in LICENSES.md)",
    )
    yield posegen.Component(
        kind="photos",
        name="starter",
        target="posegen_starter.photos:StarterPhotos",
        summary="101 crops of two filmed people with a stronger model's joints, and 12 backgrounds",
        licence="BSD-3-Clause (people), CC0-1.0 (backgrounds)",
    )
