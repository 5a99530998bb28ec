"""Spin as an estimator. Importing this imports no torch."""

from __future__ import annotations

from collections.abc import Iterator

import posegen


@posegen.hookimpl
def posegen_components() -> Iterator[posegen.Component]:
    yield posegen.Component(
        kind="estimator",
        name="spin",
        target="posegen_spin.estimator:Spin",
        summary="SPIN (Kolotouros et al. 2019): official checkpoints, or small open weights (open-compact)",
        licence="Apache-2.0 (code), CC0-1.0 (open-compact weights); official checkpoints: research use",
    )
