"""``posegen fit``: a person from images."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import Annotated

import typer

from posegen.cli import options


def fit(
    name: Annotated[str, typer.Argument(metavar="NAME", help="The renderer to fit, like anerf.")],
    out: Annotated[Path, typer.Option("-o", "--out", metavar="FILE", help="The person: a .safetensors.")],
    subject: Annotated[
        str | None, typer.Option("--subject", metavar="NAME", help="Draw the images of a starter subject, s0 .. s7.")
    ] = None,
    data: Annotated[
        Path | None,
        typer.Option("--data", metavar="FOLDER", help="Images, masks, cameras and poses (docs/fit.md), or an .h5."),
    ] = None,
    assignments: Annotated[
        list[str] | None,
        typer.Option("--set", metavar="KEY=VALUE", help="Any setting of docs/settings.md, like poses=true."),
    ] = None,
    write_views: Annotated[
        Path | None,
        typer.Option("--write-views", metavar="FOLDER", help="Also write what is fitted to, as --data takes it."),
    ] = None,
    resume: Annotated[bool, typer.Option("--resume", help="Go on with an interrupted fit of --out.")] = False,
) -> None:
    """Fit a renderer to images of one person from known cameras in known poses."""
    from posegen import fit as fitting
    from posegen.cli import screen

    request = fitting.Request(name, out, subject, data, tuple(assignments or ()), write_views, resume)
    console = screen.out()
    with options.resumable(f"posegen fit {name} --resume --out {shlex.quote(str(out))}, and the rest as it was"):
        figures = fitting.fit(request, console)
    shown = "  ".join(f"{key} {value:.3f}" for key, value in figures.items())
    console.print(f"{out}: {shown or 'no image was held out'}", markup=False)
    use = shlex.join(("--renderer", name, "--set", f"renderer.subject={out}"))
    console.print(f"{use}  draws this person", markup=False)
