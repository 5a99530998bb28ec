"""The state of an installation: plain facts, each found on its own, so that one failure hides no other."""

from __future__ import annotations

import os
import platform
import shutil
import sys
import tempfile
from collections.abc import Callable
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from posegen import __version__, assets
from posegen.discovery import discover, one_line
from posegen.errors import AssetError

PACKAGES = ("torch", "numpy", "numba", "smplx", "roma", "pydantic", "pluggy", "typer", "rich", "safetensors", "pillow")
CPU_FLAGS = ("avx2", "fma", "f16c", "avx512f", "avx512_bf16", "amx_bf16", "amx_tile", "asimd", "bf16", "sve")

Facts = dict[str, str | int | float | bool | None]


def environment() -> dict[str, Facts]:
    """Section -> facts. Never raises."""
    sections: dict[str, Callable[[], Facts]] = {
        "system": _system,
        "packages": _packages,
        "torch": _torch,
        "numba": _numba,
        "plugins": _plugins,
        "assets": _assets,
        "disk": _disk,
    }
    return {name: _safely(section) for name, section in sections.items()}


def _safely(section: Callable[[], Facts]) -> Facts:
    try:
        return section()
    except Exception as error:  # a doctor who falls ill is no use: the failure is the finding
        return {"failed": one_line(error)}


def usable_cpus() -> int:
    """Those that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _system() -> Facts:
    return {
        "posegen": __version__,
        "python": f"{platform.python_version()} {platform.python_implementation()}",
        "executable": sys.executable,
        "platform": platform.platform(),
        "cpus": os.cpu_count(),
        "usable cpus": usable_cpus(),
        "cpu flags": " ".join(_cpu_flags()) or "unknown",
    }


def _cpu_flags() -> list[str]:
    info = Path("/proc/cpuinfo")
    if not info.is_file():
        return []
    line = next((x for x in info.read_text().splitlines() if x.lower().startswith(("flags", "features"))), "")
    present = set(line.partition(":")[2].split())
    return [flag for flag in CPU_FLAGS if flag in present]


def _packages() -> Facts:
    return {name: _version(name) for name in PACKAGES}


def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return "not installed"


def _torch() -> Facts:
    import torch

    facts: Facts = {
        "threads": torch.get_num_threads(),
        "cpu capability": torch.backends.cpu.get_cpu_capability(),
        "cuda build": torch.version.cuda,
        "cuda available": torch.cuda.is_available(),
        "mps available": torch.backends.mps.is_available(),
    }
    for index in range(torch.cuda.device_count()):
        card = torch.cuda.get_device_properties(index)
        facts[f"cuda:{index}"] = f"{card.name}, {card.total_memory / 2**30:.0f} GiB"
    return facts


def _numba() -> Facts:
    folders = {
        Path(m.__file__).parent for m in map(sys.modules.get, {p.module for p in discover()}) if m and m.__file__
    }
    writable = [os.access(folder, os.W_OK) for folder in folders]
    return {
        "cache": os.environ.get("NUMBA_CACHE_DIR", "beside the code, or the user's cache folder"),
        "beside the code writable": bool(writable) and all(writable),
        "disabled": os.environ.get("NUMBA_DISABLE_JIT", "0") != "0",
    }


def _plugins() -> Facts:
    return {
        f"{row.kind or '?'} {row.name}": f"{row.distribution} {row.version}: {row.status} {row.cause}".strip()
        for row in discover()
    } or {"none": "pip install ./plugins/*  # in a checkout of PoseGen"}


def _assets() -> Facts:
    facts: Facts = {"registered in": str(assets.config_dir() / "assets.toml")}
    for name in sorted(assets.registered()):
        try:
            facts[name] = str(assets.find(name))
        except AssetError as error:
            facts[name] = error.message
    return facts


def _disk() -> Facts:
    places = {"here": Path.cwd(), "temporary": Path(tempfile.gettempdir())}
    return {f"{name}, GB free": round(shutil.disk_usage(path).free / 1e9, 1) for name, path in places.items()}
