"""A small ablation, and how a test writes and reads one of its own."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from posegen.ablate.recipe import Ablation, read

RECIPE = """# Two rows
reference = "a"
metrics = ["usd.mpjpe", "usd.pck"]
[settings]
evaluate.splits = ["usd"]
[rows.b]
loop.samples = 7
[rows.a]
"""


def reader(folder: Path) -> Callable[..., Ablation]:
    """Writes a recipe into a folder and reads it, with what ``--set`` and ``--grid`` say."""

    def write(text: str = RECIPE, *assignments: str, grid: tuple[str, ...] = ()) -> Ablation:
        (folder / "mine.toml").write_text(text)
        return read(str(folder / "mine.toml"), assignments, grid)

    return write
