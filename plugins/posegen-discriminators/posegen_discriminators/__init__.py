"""The paper's pose discriminator. Importing this imports no torch."""

from __future__ import annotations

from collections.abc import Iterator

import posegen


@posegen.hookimpl
def posegen_components() -> Iterator[posegen.Component]:
    yield posegen.Component(
        kind="discriminator",
        name="parts",
        target="posegen_discriminators.parts:Parts",
        summary="torso, head, arms, legs and the whole body, each judged by its own MLP (Eq 9-10)",
        licence="Apache-2.0",
    )
