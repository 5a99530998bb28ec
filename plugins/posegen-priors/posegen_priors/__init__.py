"""The distributions of z that the paper compares (Eq 3-5). Importing this imports no torch."""

from __future__ import annotations

from collections.abc import Iterator

import posegen

SUMMARIES = {
    "normal": "z ~ N(0, I) (Eq 3)",
    "uniform": "z ~ U[-1, 1] (Eq 4)",
    "spherical": "z / ||z|| with z ~ N(0, I): uniform on the unit sphere (Eq 5)",
}


@posegen.hookimpl
def posegen_components() -> Iterator[posegen.Component]:
    for name, summary in SUMMARIES.items():
        yield posegen.Component(
            kind="prior",
            name=name,
            target=f"posegen_priors.priors:{name.capitalize()}",
            summary=summary,
            licence="Apache-2.0",
        )
