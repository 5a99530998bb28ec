"""``posegen evaluate``: the third stage alone, on the open benchmark or on a dataset that you have."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import Annotated

import typer

from posegen.cli import options
from posegen.errors import UsageError


def evaluate(
    checkpoint: Annotated[
        Path | None,
        typer.Option("--checkpoint", metavar="FILE", help="Fine-tuned weights; without, the original network."),
    ] = None,
    recipe: options.Recipe = None,
    estimator: Annotated[
        str | None, typer.Option("--estimator", metavar="NAME", help="The estimator to measure.")
    ] = None,
    assignments: options.Set = None,
    seed: options.Seed = None,
    device: options.Device = None,
    dataset: Annotated[
        str | None,
        typer.Option(
            "--dataset", metavar="NAME[:PATH]", help="3dpw, agora, ski, 3dhp, h36m, ...; without, the open benchmark."
        ),
    ] = None,
    split: Annotated[str | None, typer.Option("--split", metavar="NAME", help="Split of the dataset.")] = None,
    protocol: Annotated[
        str | None,
        typer.Option("--protocol", metavar="NAME", help="See docs/protocols.md; without, the dataset's usual one."),
    ] = None,
    by: Annotated[
        list[str] | None,
        typer.Option(
            "--by",
            metavar="GROUP",
            help="Also show parts: viewpoint, roll, clip; of a dataset viewpoint, action, ...",
        ),
    ] = None,
    batch: Annotated[
        int | None, typer.Option("--batch", min=1, metavar="N", help="People the estimator sees at once (default 32).")
    ] = None,
    workers: Annotated[
        int | None, typer.Option("--workers", min=0, metavar="N", help="Threads that read pictures ahead (default 2).")
    ] = None,
    limit: Annotated[int | None, typer.Option("--limit", min=1, metavar="N", help="Only the first N people.")] = None,
    out: Annotated[
        Path | None, typer.Option("--out", metavar="FOLDER", help="Keep the results there, in a new folder.")
    ] = None,
    save_predictions: Annotated[
        bool, typer.Option("--save-predictions", help="Also predictions.npz, one row a person.")
    ] = False,
    agora_predictions: Annotated[
        bool, typer.Option("--agora-predictions", help="Also predictions.zip, as AGORA's tool and server take it.")
    ] = False,
    resume: Annotated[bool, typer.Option("--resume", help="Go on with the interrupted evaluation in --out.")] = False,
) -> None:
    """Measure the estimator on the splits of the open benchmark, or on a dataset by a published protocol."""
    given = {
        "--split": split, "--protocol": protocol, "--batch": batch, "--workers": workers, "--limit": limit,
        "--save-predictions": save_predictions, "--agora-predictions": agora_predictions, "--resume": resume,
    }  # fmt: skip
    useless = [name for name, value in given.items() if value is not None and value is not False]
    if dataset is None and useless:
        raise UsageError(f"{useless[0]} is for a dataset", "--dataset NAME, like --dataset 3dpw")
    if out is None and (needy := [n for n in ("--save-predictions", "--agora-predictions", "--resume") if given[n]]):
        raise UsageError(f"{needy[0]} needs a folder", "--out FOLDER")
    configuration = options.configure(
        recipe, assignments, estimator=estimator, seed=seed, device=device, checkpoint=checkpoint
    )
    settings = options.complete(configuration)
    from posegen.cli import screen

    if dataset is None:
        from posegen import run as verbs

        verbs.evaluate(settings, by=tuple(by or ()), out=out, console=screen.out())
        return
    from posegen.datasets.sources import parse
    from posegen.scoring import stage

    request = stage.Request(
        parse(dataset),
        split=split,
        protocol=protocol,
        **{name: value for name, value in (("batch", batch), ("workers", workers)) if value is not None},
        limit=limit,
        by=tuple(by or ()),
        out=out,
        save_predictions=save_predictions,
        agora_predictions=agora_predictions,
        resume=resume,
    )
    again = f"--resume --out {shlex.quote(str(out))} with the same options" if out else "with --out FOLDER"
    with options.resumable(f"posegen evaluate {again}"):
        stage.evaluate(settings, request, screen.out())
