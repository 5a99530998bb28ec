"""PoseGen: find where a 3D human pose estimator fails, generate the data that fixes it, prove the gain.

The names below are public, as are ``posegen.types``, ``.protocols``, ``.errors``, ``.options``, ``.pace``, ``.body``,
``.geometry``, ``.nn``, ``.assets``, ``.hdf5_file`` and ``.testing``. Importing ``posegen`` imports
neither torch nor pydantic.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from posegen.errors import AssetError, PluginError, PosegenError, UsageError
from posegen.hookspecs import API_VERSION, Component, hookimpl

if TYPE_CHECKING:
    from posegen.options import Options as Options

__version__ = "0.1.0"
__all__ = [
    "API_VERSION",
    "AssetError",
    "Component",
    "Options",
    "PluginError",
    "PosegenError",
    "UsageError",
    "__version__",
    "hookimpl",
    "load",
]


def load(kind: str, name: str, options: Mapping[str, Any] | None = None, *, device: str = "cpu") -> Any:
    """A component as a run makes it: ``load("estimator", "blazepose", {"checkpoint": "estimator.safetensors"})``.

    Raises PluginError or UsageError for one that there is not, or whose options are wrong.
    """
    from posegen.assemble import make, usable_device
    from posegen.settings import Selection

    return make(kind, Selection(name=name, options=dict(options or {})), usable_device(device))


def __getattr__(name: str) -> Any:
    if name == "Options":
        from posegen.options import Options

        return Options
    raise AttributeError(f"module 'posegen' has no attribute {name!r}")
