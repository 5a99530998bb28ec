"""The one hook of the plugin system. Importing this file must stay cheap: no torch, no pydantic."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import pluggy

API_VERSION = 1
KINDS = ("renderer", "estimator", "prior", "discriminator", "body", "motion", "photos")

hookspec = pluggy.HookspecMarker("posegen")
hookimpl = pluggy.HookimplMarker("posegen")


@dataclass(frozen=True, slots=True)
class Component:
    """The declaration of one component: light data, so that listing it imports nothing heavy.

    target: ``"module:Class"``, imported when the component is used.  api: the version of the protocols it was
    written for.  licence: of code and weights, as a user should read it.  assets: names in registry.toml that it
    cannot work without.
    """

    kind: str
    name: str
    target: str
    api: int = API_VERSION
    summary: str = ""
    licence: str = ""
    assets: tuple[str, ...] = ()


@hookspec
def posegen_components() -> Iterable[Component]:  # type: ignore[empty-body]
    """Yield the components of this distribution."""
