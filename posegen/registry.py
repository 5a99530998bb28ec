"""What is known without being installed: components, assets and default picks, from ``registry.toml``. Data only."""

from __future__ import annotations

import functools
import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from posegen.errors import PosegenError


@dataclass(frozen=True, slots=True)
class KnownComponent:
    """A component that some distribution provides. ``assets``: names of KnownAssets that it cannot work without."""

    kind: str
    name: str
    distribution: str
    paper: str = ""
    assets: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class KnownAsset:
    """A licensed file, or folder, that users bring.

    files: accepted file names, the official one first (empty for a folder).  contains: glob patterns of which a folder
    must match one.  needed_by: what uses it, beside components and datasets.  page: where to register.
    sha256: of the published file, where known.
    """

    name: str
    summary: str
    page: str
    licence: str
    files: tuple[str, ...] = ()
    contains: tuple[str, ...] = ()
    needed_by: tuple[str, ...] = ()
    sha256: str = ""


@dataclass(frozen=True, slots=True)
class Registry:
    """The whole of ``registry.toml``. ``defaults``: kind -> name."""

    defaults: dict[str, str]
    components: tuple[KnownComponent, ...]
    assets: dict[str, KnownAsset]

    def component(self, kind: str, name: str) -> KnownComponent | None:
        """The known component of this kind and name."""
        return next((c for c in self.components if (c.kind, c.name) == (kind, name)), None)


def path() -> Path:
    """The file: inside the package when it came from a wheel, beside it in a checkout.

    Raises PosegenError when the installation has neither.
    """
    package = Path(__file__).parent
    for candidate in (package / "registry.toml", package.parent / "registry.toml"):
        if candidate.is_file():
            return candidate
    raise PosegenError("registry.toml is missing from this installation", "pip install --force-reinstall posegen")


@functools.cache
def registry() -> Registry:
    """The registry, read once."""
    with path().open("rb") as file:
        data = tomllib.load(file)
    return Registry(
        defaults=data["defaults"],
        components=tuple(KnownComponent(**_tuples(entry)) for entry in data["component"]),
        assets={name: KnownAsset(name=name, **_tuples(entry)) for name, entry in data["asset"].items()},
    )


def how_to_install(distribution: str) -> str:
    """A command for what the registry knows: no package index has these distributions, they come with the source."""
    return f"pip install ./plugins/{distribution}  # in a checkout of PoseGen"


def _tuples(entry: dict[str, Any]) -> dict[str, Any]:
    return {key: tuple(value) if isinstance(value, list) else value for key, value in entry.items()}
