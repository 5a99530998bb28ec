"""The built-in recipes, one commented TOML file each, and the look-up of one by name or file."""

from __future__ import annotations

from pathlib import Path

from posegen.errors import UsageError, nearest

FOLDER = Path(__file__).parent


def available() -> dict[str, Path]:
    """Name -> file of every built-in recipe."""
    return {path.stem: path for path in sorted(FOLDER.glob("*.toml"))}


def find(recipe: str) -> Path:
    """The file of a built-in recipe, or the file itself if ``recipe`` is the path of one.

    Raises UsageError for a name that is neither.
    """
    if path := available().get(recipe):
        return path
    path = Path(recipe).expanduser()
    if path.is_file():
        return path
    if path.suffix == ".toml" or path.name != recipe:
        raise UsageError(f"there is no recipe file {recipe}", f"built in: {', '.join(available())}")
    hint = nearest(recipe, list(available()))
    raise UsageError(f"there is no recipe '{recipe}'", f"{hint} built in: {', '.join(available())}; or a file".strip())


def summary(path: Path) -> str:
    """What a recipe is for: its first comment line."""
    first = path.read_text(encoding="utf-8").partition("\n")[0]
    return first.lstrip("# ").strip() if first.startswith("#") else ""
