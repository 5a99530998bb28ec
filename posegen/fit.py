"""Fit a renderer to one person's images: find who can, collect the views, hand over."""

from __future__ import annotations

import shlex
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import torch
from pydantic import ValidationError
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

from posegen import layers, plugins, seeding
from posegen.assemble import make
from posegen.config import IN_THE_DOCS, explain
from posegen.datasets.rendered_views import Plan, render_views
from posegen.datasets.views import read_views, write_views
from posegen.discovery import discover
from posegen.errors import PosegenError, UsageError
from posegen.files import check_writable
from posegen.layers import Key, Layer
from posegen.options import Options
from posegen.protocols import Fittable
from posegen.settings import Selection
from posegen.types import Views

O = TypeVar("O", bound=Options)
CPU = torch.device("cpu")
FILES = (".h5", ".hdf5")
"""Endings of ``--write-views`` that are a file of the renderer's own; everything else is a folder."""


@dataclass(frozen=True, slots=True)
class Request:
    """What to fit, and to what. subject or data: a starter subject to draw, or a folder of views; exactly one.

    assignments: ``key=value``, of the renderer's ``FitOptions``, or of ``views`` (views.poses=400) for a subject.
    """

    renderer: str
    out: Path
    subject: str | None = None
    data: Path | None = None
    assignments: tuple[str, ...] = ()
    write_views: Path | None = None
    resume: bool = False


def fit(request: Request, console: Console) -> Mapping[str, float]:
    """Fit, showing progress -> the renderer's figures on held-out images.

    Raises UsageError for a renderer that cannot be fitted, for options and for an ``out`` or ``write_views`` that is
    there already, before any image is read or drawn; AssetError for views that cannot be read.
    """
    renderer = fittable(request.renderer)
    if (request.subject is None) == (request.data is None):
        raise UsageError("a fit needs either --subject or --data", "--subject s1 draws its own images; --data FOLDER")
    if request.out.suffix != ".safetensors":
        hint = f"--out {shlex.quote(str(request.out))}.safetensors"
        raise UsageError(f"--out {request.out} is not a .safetensors file", hint)
    if request.out.exists() and not request.resume:
        raise UsageError(
            f"{request.out} is there already",
            "go on with --resume if it is unfinished, choose another --out, or delete it",
        )
    options, plan, seed = read_options(renderer, request)
    check_writable(request.out)
    if hasattr(renderer, "check_fit"):
        renderer.check_fit(options, request.out, request.resume)
    write = _writer(renderer, request)
    with _live(console) as live:
        views = _views(renderer, request, plan, seed, _bar(live, "images"))
        if write is not None:
            write(request.write_views, views)
        bar = _bar(live, f"fit {request.renderer}")
        figures: Mapping[str, float] = renderer.fit(
            views, options, request.out, resume=request.resume, progress=lambda d, t, f: bar(d, t, f)
        )
    return figures


def fittable(name: str) -> Any:
    """The class of a renderer that can be fitted. Raises UsageError, naming those that can, for another."""
    loaded = plugins.load("renderer", name)
    if isinstance(loaded, Fittable):
        return loaded
    can = [row.name for row in discover() if row.kind == "renderer" and row.status == "ok" and _can(row.name)]
    raise UsageError(f"renderer '{name}' cannot be fitted to images", f"those that can: {', '.join(can) or 'none'}")


def _can(name: str) -> bool:
    try:
        return isinstance(plugins.load("renderer", name), Fittable)
    except PosegenError:  # a broken plugin is not what was asked about
        return False


def read_options(renderer: Any, request: Request) -> tuple[Options, Plan, int]:
    """The renderer's options, the plan of views, and the seed of both. Raises UsageError for any other setting."""
    given = layers.from_assignments(request.assignments, ())
    tree = layers.nest(given)
    views = tree.pop("views", {})
    if views != {} and request.data is not None:
        raise UsageError("views.* are for images that are drawn: --data has its own", "leave them out")
    plan = _checked(Plan, views, given, ("views",))
    options: Options = _checked(renderer.FitOptions, tree, given)
    return options, plan, int(getattr(options, "seed", 0))


def _checked(model: type[O], tree: dict[str, Any], given: Layer, prefix: Key = ()) -> O:
    try:
        return model.model_validate(tree)
    except ValidationError as error:
        raise explain(error, model, given, prefix, IN_THE_DOCS) from error


def _views(renderer: Any, request: Request, plan: Plan, seed: int, progress: Callable[[int, int], None]) -> Views:
    if request.data is not None and request.data.is_file():
        own: Views = _own(renderer, "read_views", request.data)(request.data)
        return own
    if request.data is not None:
        return read_views(request.data, make("body", Selection(name="open"), CPU))
    artist = make("renderer", Selection(name="mesh", options={"subject": request.subject}), CPU)
    motion = make("motion", Selection(name="starter"), CPU)
    return render_views(artist, motion, plan, seeding.stream(seed, "views"), artist.body.betas, progress)


def _writer(renderer: Any, request: Request) -> Callable[..., None] | None:
    """What writes the views: as a folder, or the file that the renderer's own training used. None: nothing is written,
    because it was not asked for or has been before the interruption."""
    path = request.write_views
    if path is None:
        return None
    taken = any(path.iterdir()) if path.is_dir() else path.exists()
    if taken and not request.resume:
        raise UsageError(f"--write-views {path} is there already", "give another name, or an empty folder")
    if taken and (path.is_file() or (path / "poses.npz").is_file()):  # what is written last
        return None
    check_writable(path / "poses.npz" if path.is_dir() else path, "--write-views")
    return _own(renderer, "write_views", path) if path.suffix.lower() in FILES else write_views


def _own(renderer: Any, name: str, path: Path) -> Callable[..., Any]:
    method: Callable[..., Any] | None = getattr(renderer, name, None)
    if method is None:
        raise UsageError(f"{path} is a file, which this renderer has no layout for", "give a folder; see docs/fit.md")
    return method


def _live(console: Console) -> Progress:
    columns = (
        TextColumn("{task.description:<20}"),
        BarColumn(bar_width=24),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TimeRemainingColumn(),
        TextColumn("[dim]{task.fields[figures]}"),
    )
    return Progress(*columns, console=console, disable=not console.is_terminal)


def _bar(live: Progress, name: str) -> Callable[..., None]:
    task = live.add_task(name, total=None, figures="")

    def advance(done: int, total: int, figures: Mapping[str, float] | Iterable[tuple[str, float]] = ()) -> None:
        shown = "  ".join(f"{key} {value:.2f}" for key, value in dict(figures).items())
        live.update(task, completed=done, total=total, figures=shown)

    return advance
