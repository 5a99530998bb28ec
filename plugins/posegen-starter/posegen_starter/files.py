"""The files of this distribution. Nothing is read before it is asked for, and nothing damaged is ever used."""

from __future__ import annotations

import hashlib
from functools import cache
from pathlib import Path

from posegen.errors import AssetError, nearest

DATA = Path(__file__).parent / "data"
_REPAIR = "reinstall it: pip install --force-reinstall --no-deps posegen-starter"


def read(name: str) -> bytes:
    """The content of a data file, ``name`` relative to the data folder.

    Raises AssetError, naming the file, when it is missing, unreadable, or does not have the sha256 it was shipped with.
    """
    path = DATA / name
    expected = _checksums(DATA).get(name)
    if expected is None:
        raise AssetError(f"posegen-starter has no file '{name}'", nearest(name, list(_checksums(DATA))))
    try:
        content = path.read_bytes()
    except OSError as error:
        raise AssetError(f"cannot read {path}: {error.strerror}", _REPAIR) from error
    if hashlib.sha256(content).hexdigest() != expected:
        raise AssetError(f"{path} is damaged: it does not have the sha256 that it was shipped with", _REPAIR)
    return content


def weights_path(network: str) -> Path:
    """The safetensors file of ``blazepose_lite`` or ``blazepose_full``; its layers are in the ``.json`` beside it.

    Raises AssetError for an unknown network or a damaged file.
    """
    for suffix in (".json", ".safetensors"):
        read(network + suffix)
    return DATA / f"{network}.safetensors"


@cache
def _checksums(folder: Path) -> dict[str, str]:
    try:
        lines = (folder / "SHA256SUMS").read_text("ascii").splitlines()
        return {name: digest for digest, name in (line.split() for line in lines)}
    except (OSError, ValueError) as error:
        raise AssetError(f"cannot read {folder / 'SHA256SUMS'}: {error}", _REPAIR) from error
