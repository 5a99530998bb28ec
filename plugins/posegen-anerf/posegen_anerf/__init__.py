"""Renderer ``anerf``: an articulated radiance field. Importing this imports neither torch nor numba."""

from __future__ import annotations

from collections.abc import Iterator

import posegen


@posegen.hookimpl
def posegen_components() -> Iterator[posegen.Component]:
    yield posegen.Component(
        kind="renderer",
        name="anerf",
        target="posegen_anerf.renderer:AnerfRenderer",
        summary="A-NeRF (Su et al. 2021): a person learned from images, differentiable to pose and camera",
        licence="Apache-2.0 (code), CC0-1.0 (the open subject)",
    )
