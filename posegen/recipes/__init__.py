"""The built-in recipes, one commented TOML file each, and the look-up of one by name or file."""

from __future__ import annotations

from pathlib import Path

from posegen.errors import UsageError, nearest
from posegen.files import home

FOLDER = Path(__file__).parent
ABLATIONS = FOLDER / "ablations"


def available(folder: Path = FOLDER) -> dict[str, Path]:
    """Name -> file of every built-in recipe of a run, or with ``ABLATIONS`` of an ablation."""
    return {path.stem: path for path in sorted(folder.glob("*.toml"))}


def find(recipe: str, *folders: Path) -> Path:
    """The file of a built-in recipe, or the file itself if ``recipe`` is the path of one.

    folders: where built-in ones are looked for; without, those of a run. Raises UsageError for a name that is neither.
    """
    known = {name: path for folder in folders or (FOLDER,) for name, path in available(folder).items()}
    if path := known.get(recipe):
        return path
    path = home(recipe)
    if path.is_file():
        return path
    if path.suffix == ".toml" or path.name != recipe:
        raise UsageError(f"there is no recipe file {recipe}", f"built in: {', '.join(known)}")
    if recipe in available(ABLATIONS):
        raise UsageError(f"'{recipe}' is an ablation, many runs", f"posegen ablate {recipe}")
    hint = nearest(recipe, list(known))
    raise UsageError(f"there is no recipe '{recipe}'", f"{hint} built in: {', '.join(known)}; or a file".strip())


def summary(path: Path) -> str:
    """What a recipe is for: its first comment line."""
    first = path.read_text(encoding="utf-8").partition("\n")[0]
    return first.lstrip("# ").strip() if first.startswith("#") else ""
