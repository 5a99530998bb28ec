"""Renderer ``mesh``: the starter subjects, drawn exactly. Importing this imports neither torch nor numba."""

from __future__ import annotations

from collections.abc import Iterator

import posegen


@posegen.hookimpl
def posegen_components() -> Iterator[posegen.Component]:
    yield posegen.Component(
        kind="renderer",
        name="mesh",
        target="posegen_mesh.renderer:MeshRenderer",
        summary="textured people (s0..s7) by a z-buffer on the CPU; exact, fast, not differentiable",
        licence="Apache-2.0 (code), CC0-1.0 (subjects)",
    )
