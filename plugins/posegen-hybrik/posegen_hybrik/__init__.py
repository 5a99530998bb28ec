"""Hybrik as an estimator. Importing this imports no torch."""

from __future__ import annotations

from collections.abc import Iterator

import posegen


@posegen.hookimpl
def posegen_components() -> Iterator[posegen.Component]:
    yield posegen.Component(
        kind="estimator",
        name="hybrik",
        target="posegen_hybrik.estimator:Hybrik",
        summary="HybrIK (Li et al. 2021): official checkpoints, or small open weights (open-compact)",
        licence="Apache-2.0 (code), CC0-1.0 (open-compact weights); official checkpoints: SMPL licence",
    )
