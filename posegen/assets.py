"""Where the user's licensed files lie: SMPL, checkpoints, data sets. Nothing is ever downloaded.

``assets.toml`` in the configuration folder maps each name to a path, and to the file's sha256 at the time it was
registered.
"""

from __future__ import annotations

import hashlib
import os
import shlex
import sys
import tempfile
import tomllib
from pathlib import Path

from posegen.errors import AssetError, UsageError, nearest
from posegen.files import home
from posegen.registry import KnownAsset, registry

TORCH = {".pt", ".pth"}  # the same, by whose script wrote it


def config_dir() -> Path:
    """``$POSEGEN_CONFIG_DIR``, or posegen's folder where this platform keeps the user's configuration."""
    if given := os.environ.get("POSEGEN_CONFIG_DIR"):
        return Path(given)
    if sys.platform == "win32":
        return Path(os.environ.get("APPDATA", Path.home() / "AppData" / "Roaming")) / "posegen"
    if sys.platform == "darwin":
        return Path.home() / "Library" / "Application Support" / "posegen"
    return Path(os.environ.get("XDG_CONFIG_HOME") or Path.home() / ".config") / "posegen"


def cache_dir() -> Path:
    """``$POSEGEN_CACHE_DIR``, or posegen's folder where this platform keeps what can be made anew."""
    if given := os.environ.get("POSEGEN_CACHE_DIR"):
        return Path(given)
    if sys.platform == "win32":
        return Path(os.environ.get("LOCALAPPDATA", Path.home() / "AppData" / "Local")) / "posegen" / "cache"
    if sys.platform == "darwin":
        return Path.home() / "Library" / "Caches" / "posegen"
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "posegen"


def find(name: str) -> Path:
    """The registered file or folder.

    Raises AssetError, with the command that registers it, when it is unknown, not registered, or gone.
    """
    entry = registered().get(name)
    if entry is None:
        known = registry().assets.get(name)
        page = f" (get it from {known.page}; {known.licence})" if known else ""
        raise AssetError(f"asset '{name}' is not registered{page}", f"posegen assets set {name} PATH")
    path = Path(entry["path"])
    if not path.exists():
        raise AssetError(
            f"asset '{name}' is registered at {path}, which is not there", f"posegen assets set {name} PATH"
        )
    return path


def register(name: str, path: Path) -> Path:
    """Remember where an asset lies, and return the path that was stored: absolute, and for an asset that is a file,
    the accepted file inside ``path`` if that is a folder.

    Raises UsageError for an unknown name, AssetError for a path that cannot be this asset.
    """
    known = registry().assets.get(name)
    if known is None and name not in declared():
        names = sorted({*registry().assets, *declared()})
        raise UsageError(f"there is no asset '{name}'", f"{nearest(name, names)} posegen assets list".strip())
    path = _pick(known, name, home(path).absolute())
    check(name, path)
    entries = registered()
    entries[name] = {"path": str(path)} | ({"sha256": sha256(path)} if path.is_file() else {})
    _write(entries)
    return path


def check(name: str, path: Path) -> None:
    """Raises AssetError when a file or folder cannot be this asset: missing, empty, unreadable, a web page, cut off."""
    again = f"posegen assets set {name} PATH"
    if not path.exists():
        raise AssetError(f"{path} does not exist", again)
    if path.is_dir():
        return
    try:
        with path.open("rb") as file:
            start = file.read(64)
    except OSError as error:
        raise AssetError(f"{path} cannot be read: {error.strerror}", again) from error
    page = registry().assets[name].page if name in registry().assets else "its page"
    if not start:
        raise AssetError(f"{path} is empty", f"download it again from {page}; then {again}")
    if start.lstrip()[:1] == b"<":
        raise AssetError(f"{path} is a web page, not the file", f"log in at {page} and download it; then {again}")
    if start.startswith(b"version https://git-lfs"):
        raise AssetError(f"{path} is a git-lfs pointer, not the file", f"git lfs pull; then {again}")
    if start.startswith(b"PK") and not _whole_zip(path):
        raise AssetError(f"{path} is truncated", f"download it again from {page}; then {again}")


def verify(name: str) -> str:
    """Check a registered asset, and say what was compared: a sha256, or that it is a folder.

    Raises AssetError when it is missing, damaged, changed since it was registered, or not the published file.
    """
    path = find(name)
    check(name, path)
    if path.is_dir():
        return "folder"
    digest, known = sha256(path), registry().assets.get(name)
    if known and known.sha256 and digest != known.sha256:
        raise AssetError(f"{path} is not the published file: its sha256 is {digest}", f"download it from {known.page}")
    if digest != registered()[name].get("sha256", digest):
        raise AssetError(
            f"{path} has changed since it was registered",
            f"{shlex.join(('posegen', 'assets', 'set', name, str(path)))}  if that was on purpose",
        )
    return f"sha256 {digest}"


def registered() -> dict[str, dict[str, str]]:
    """Name -> ``path`` and, for a file, ``sha256``. Raises AssetError when assets.toml cannot be read."""
    file = config_dir() / "assets.toml"
    try:
        entries = tomllib.loads(file.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return {}
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise AssetError(f"{file} cannot be read: {error}", f"repair or delete {file}") from error
    for name, entry in entries.items():
        if not isinstance(entry, dict) or not isinstance(entry.get("path"), str):
            raise AssetError(f"{file} has no path for '{name}'", f"posegen assets set {name} PATH, or repair the file")
    return entries


def declared() -> set[str]:
    """The names of the assets that installed components need, third parties' own included."""
    from posegen.discovery import discover

    return {name for row in discover() if row.component and row.kind for name in row.component.assets}


def sha256(path: Path) -> str:
    """Of a file's contents, in hexadecimal."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _pick(known: KnownAsset | None, name: str, path: Path) -> Path:
    if known is None or not path.exists():
        return path
    if known.files and path.is_dir():
        found = [path / file for file in known.files if (path / file).is_file()]
        if not found:
            raise AssetError(
                f"{path} has none of: {', '.join(known.files)}", f"posegen assets set {name} FILE, whatever its name"
            )
        return found[0]
    suffixes = {Path(file).suffix for file in known.files}
    if suffixes & TORCH:
        suffixes |= TORCH
    if known.files and path.suffix not in suffixes:
        listed = " or ".join(sorted(suffixes))
        raise AssetError(f"{path.name} cannot be {name}: a {listed} file is expected", f"like {known.files[0]}")
    if known.contains and not (path.is_dir() and any(any(path.glob(pattern)) for pattern in known.contains)):
        raise AssetError(f"{path} is not {known.summary}", f"a folder that has {' or '.join(known.contains)}")
    return path


def _whole_zip(path: Path) -> bool:
    import zipfile

    return zipfile.is_zipfile(path)


def _write(entries: dict[str, dict[str, str]]) -> None:
    """Replace assets.toml in one step: a full disk or a power cut leaves the old one."""
    import tomli_w

    folder = config_dir()
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile("wb", dir=folder, delete=False) as file:
            temporary = Path(file.name)
            try:
                tomli_w.dump(entries, file)
                file.flush()
                os.fsync(file.fileno())
            except OSError:
                temporary.unlink()
                raise
        temporary.replace(folder / "assets.toml")
    except OSError as error:
        raise AssetError(
            f"{folder} cannot be written: {error.strerror}", "set POSEGEN_CONFIG_DIR to a folder that can"
        ) from error
