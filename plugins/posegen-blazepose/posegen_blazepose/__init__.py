"""BlazePose as an estimator. Importing this imports no torch."""

from __future__ import annotations

from collections.abc import Iterator

import posegen


@posegen.hookimpl
def posegen_components() -> Iterator[posegen.Component]:
    yield posegen.Component(
        kind="estimator",
        name="blazepose",
        target="posegen_blazepose.estimator:BlazePose",
        summary="BlazePose GHUM, 33 landmarks in metres, variants lite and full (Bazarevsky et al. 2020)",
        licence="Apache-2.0",
    )
