"""Cliff as an estimator. Importing this imports no torch."""

from __future__ import annotations

from collections.abc import Iterator

import posegen


@posegen.hookimpl
def posegen_components() -> Iterator[posegen.Component]:
    yield posegen.Component(
        kind="estimator",
        name="cliff",
        target="posegen_cliff.estimator:Cliff",
        summary="CLIFF (Li et al. 2022): official checkpoints, or small open weights (open-compact)",
        licence="Apache-2.0 (code), CC0-1.0 (open-compact weights); official checkpoints: research use",
    )
