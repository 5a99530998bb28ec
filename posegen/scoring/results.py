"""From one row a person to a report: means, intervals, the parts of the dataset, AGORA's score."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator
from dataclasses import asdict
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from posegen import metrics, viewpoints
from posegen.scoring import agora
from posegen.scoring.meshes import Meshes
from posegen.scoring.predict import FIGURE, Columns
from posegen.scoring.protocols import EvaluationProtocol, Side
from posegen.statistics import of_clusters

ROWS = 200
"""A grouping into more parts, as of frames or pictures, is no table."""
FULL_SIZE = 3840  # pixels: the width at which AGORA's 2D joints are given
Rows = NDArray[np.int64]


def complete(columns: Columns, protocol: EvaluationProtocol, meshes: Meshes) -> tuple[Columns, dict[str, float]]:
    """Columns with the figures that need more than one person, and AGORA's score (empty where nobody is matched)."""
    if protocol.moving is not None:
        columns = columns | {FIGURE + "acceleration": _acceleration(columns, protocol)}
    return _matched(columns, protocol, meshes) if protocol.matched else (columns, {})


def summarise(columns: Columns) -> dict[str, Any]:
    """``all``: mean, 95 % interval and count of every metric; ``by``: the means of every part of every grouping.

    The interval is over whole sequences where the dataset has any, since frames of one film resemble each other, and
    pictures otherwise.
    """
    figures = {name.removeprefix(FIGURE): column for name, column in columns.items() if name.startswith(FIGURE)}
    parts = groupings(columns)
    clusters = _sequences(columns)
    return {
        "people": len(columns["key"]),
        "all": {name: _mean(values) | _interval(values, clusters) for name, values in figures.items()},
        "by": {
            grouping: {
                part: {name: _mean(values[labels == part]) for name, values in figures.items()}
                for part in sorted(set(labels.tolist()), key=_order)
            }
            for grouping, labels in parts.items()
        },
    }


def _sequences(columns: Columns) -> NDArray[np.str_]:
    """What the interval is over: sequences, however many; pictures where there are none, or one alone."""
    names = np.array([json.loads(text).get("sequence", "") for text in columns["groups"].tolist()])
    return names if len(np.unique(names)) > 1 else columns["image"]


def groupings(columns: Columns) -> dict[str, NDArray[np.str_]]:
    """The dataset's own groups (sequence, action, ...) that are few enough for a table, and ``viewpoint``."""
    rows = [json.loads(text) for text in columns["groups"].tolist()]
    names = sorted({name for row in rows for name in row})
    every = {name: np.array([row.get(name, "?") for row in rows]) for name in names}
    labels = {name: parts for name, parts in every.items() if 1 < len(np.unique(parts)) <= ROWS}
    where = zip(columns["azimuth"].tolist(), columns["elevation"].tolist(), strict=True)
    labels["viewpoint"] = np.array([viewpoints.bin_name(a, e) if math.isfinite(a) else "?" for a, e in where])
    return labels


def _acceleration(columns: Columns, protocol: EvaluationProtocol) -> NDArray[np.float64]:
    """(N,) mm a frame squared for the middle one of each three frames in a row; NaN for the others."""
    out = np.full(len(columns["key"]), np.nan)
    assert protocol.moving is not None
    predicted, true = (protocol.moving(torch.from_numpy(columns[side])) for side in ("predicted", "true"))
    for rows in _tracks(columns["key"]):
        out[rows[1:-1]] = metrics.acceleration_error(predicted[rows], true[rows]).numpy()
    return out


def _tracks(keys: NDArray[np.str_]) -> Iterator[Rows]:
    """Rows of one person in frames that follow each other, from keys ``sequence/frame/person``."""
    tracks: dict[tuple[str, str], list[tuple[int, int]]] = {}
    for row, key in enumerate(keys.tolist()):
        sequence, frame, person = key.rsplit("/", 2)
        if frame.isdecimal():
            tracks.setdefault((sequence, person), []).append((int(frame), row))
    for track in tracks.values():
        frames, rows = (np.array(column) for column in zip(*sorted(track), strict=True))
        yield from np.split(rows, np.flatnonzero(np.diff(frames) != 1) + 1)


def _matched(columns: Columns, protocol: EvaluationProtocol, meshes: Meshes) -> tuple[Columns, dict[str, float]]:
    """Figures of each truth with the prediction that was matched to it, NaN where it was missed; and AGORA's score."""
    figures = {name: np.full(len(columns["key"]), np.nan) for name in columns if name.startswith(FIGURE)}
    missed = false_positives = 0
    for rows in _pictures(columns["image"]):
        found = _match(columns, rows)
        missed, false_positives = missed + len(found.misses), false_positives + len(found.false_positives)
        for p, t in found.pairs:
            scores = (
                {name: column[rows[t]] for name, column in columns.items() if name in figures}
                if p == t
                else _score(columns, int(rows[p]), int(rows[t]), protocol, meshes)
            )
            for name, value in scores.items():
                figures[name][rows[t]] = value
    joints, vertices = (
        _mean(figures[FIGURE + n])["mean"] if FIGURE + n in figures else math.nan for n in ("mpjpe", "mve")
    )
    people = int(np.isfinite(figures[FIGURE + "mpjpe"]).sum())
    score = asdict(agora.official(people, missed, false_positives, joints, vertices))
    return columns | figures, score | {"matched": people, "missed": missed, "false_positives": false_positives}


def _pictures(images: NDArray[np.str_]) -> Iterator[Rows]:
    _, which = np.unique(images, return_inverse=True)
    for picture in range(int(which.max(initial=-1)) + 1):
        yield np.flatnonzero(which == picture)


def _match(columns: Columns, rows: Rows) -> agora.Matching:
    scale = FULL_SIZE / columns["size"][rows, 0].astype(np.float64)
    true = columns["keypoints"][rows] * scale[:, None, None]
    boxes = columns["box"][rows] * scale[:, None]
    predicted = [agora.placed(j, b) for j, b in zip(columns["predicted"][rows].astype(np.float64), boxes, strict=True)]
    return agora.match(np.stack(predicted), true, np.ones(len(rows), dtype=bool))


def _score(columns: Columns, p: int, t: int, protocol: EvaluationProtocol, meshes: Meshes) -> dict[str, float]:
    """The figures of prediction p against somebody else's truth t."""

    def side(row: int, joints: str, pose: str, betas: str) -> Side:
        own = torch.from_numpy(columns[joints][[row]])
        if FIGURE + "mve" not in columns:
            return Side(own)
        person = (torch.from_numpy(columns[name][[row]]) for name in (pose, betas))
        return meshes.beside(own, *person)

    scores = protocol.score(side(p, "predicted", "pose", "betas"), side(t, "true", "true_pose", "true_betas"))
    return {FIGURE + name: float(value[0]) for name, value in scores.items()}


def _mean(values: NDArray[np.float64]) -> dict[str, float]:
    known = values[np.isfinite(values)]
    return {"mean": float(known.mean()) if len(known) else math.nan, "count": len(known)}


def _interval(values: NDArray[np.float64], clusters: NDArray[np.str_]) -> dict[str, float]:
    known = np.isfinite(values)
    if not known.any():
        return {"low": math.nan, "high": math.nan}
    found = of_clusters(values[known].tolist(), clusters[known].tolist())
    return {end: math.nan if value is None else value for end, value in (("low", found.low), ("high", found.high))}


def _order(label: str) -> tuple[float, str]:
    """Numbers by their size, words by their letters."""
    head = label.partition("-")[0]
    return (float(head) if head.isdecimal() else math.inf, label)
