"""AGORA's detection score (Patel et al. 2021), from its published definition: matching, F1, NMJE and NMVE.

Written from the definition and checked against numbers of the official tool, whose code is not used.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Points = NDArray[np.float64]
OVERLAP = 0.1


@dataclass(frozen=True, slots=True)
class Matching:
    """One image. pairs: (prediction, truth).  false_positives: predictions, and misses: valid truths, left over."""

    pairs: tuple[tuple[int, int], ...]
    false_positives: tuple[int, ...]
    misses: tuple[int, ...]


def match(predicted: Points, true: Points, valid: NDArray[np.bool_]) -> Matching:
    """Greedy matching by the first 24 2D joints of (P,K,2) and (G,L,2), pixels at 3840 x 2160; valid (G,).

    Boxes are around all the points given.
    The nearest pair of all comes first. A pair counts if both are free and their boxes overlap; a pair whose boxes do
    not overlap is remembered as a false positive, and enough of them end the search. A prediction on an invalid truth
    uses that truth up and stays free itself.
    """
    apart_by = predicted[:, None, :24] - true[None, :, :24]
    distance = np.linalg.norm(apart_by.reshape(len(predicted), len(true), -1), axis=-1)
    used, free = np.zeros(len(true), dtype=bool), np.ones(len(predicted), dtype=bool)
    pairs, apart = [], 0
    for flat in np.argsort(distance, axis=None, kind="stable"):
        if used.all() or int((~free).sum()) + apart >= len(predicted):
            break
        p, t = divmod(int(flat), len(true))
        overlaps = _overlap(predicted[p], true[t]) >= OVERLAP
        if overlaps and not (free[p] and not used[t]):
            continue
        apart += not overlaps
        if not valid[t]:
            used[t] = True
        elif overlaps:
            pairs.append((p, t))
            free[p], used[t] = False, True
    matched = {t for _, t in pairs}
    return Matching(
        tuple(pairs),
        tuple(int(p) for p in np.flatnonzero(free)),
        tuple(t for t in range(len(true)) if valid[t] and t not in matched),
    )


@dataclass(frozen=True, slots=True)
class Official:
    """The tool's numbers, rounded as the tool rounds them. NaN where nothing was matched; mm."""

    f1: float
    precision: float
    recall: float
    mpjpe: float
    mve: float
    nmje: float
    nmve: float


def official(matched: int, missed: int, false_positives: int, mpjpe: float, mve: float) -> Official:
    """Counts over all images, and mean errors in mm of matched people -> the published numbers.

    F1, precision and recall have two decimals, and the errors one, before they are divided; the quotient has one. The
    tool divides by zero where F1 is 0: here NMJE and NMVE are infinite then, and NaN where there is nobody.
    """
    people = matched + missed
    if people == 0:
        return Official(*[math.nan] * 7)
    f1 = round(matched / (matched + 0.5 * (false_positives + missed)), 2)
    precision = round(matched / (matched + false_positives), 2) if matched + false_positives else 0.0
    joints, vertices = round(mpjpe, 1), round(mve, 1)
    nmje, nmve = (round(error / f1, 1) if f1 else math.inf for error in (joints, vertices))
    return Official(f1, precision, round(matched / people, 2), joints, vertices, nmje, nmve)


def placed(joints: Points, box: Points) -> Points:
    """Joints (J,3), camera axes, drawn so that they fill the person's box (4,) -> (J,2) pixels.

    An estimator that sees a crop does not say where in the picture its joints are; its box does.
    """
    low, high = joints[:, :2].min(axis=0), joints[:, :2].max(axis=0)
    scale = (box[2:] - box[:2]).max() / max(float((high - low).max()), 1e-9)
    placed: Points = (joints[:, :2] - (low + high) / 2) * scale + (box[:2] + box[2:]) / 2
    return placed


def _overlap(a: Points, b: Points) -> float:
    """Intersection over union of the boxes around points; a box is one pixel wider than its points are apart."""
    low, high = np.maximum(a.min(axis=0), b.min(axis=0)), np.minimum(a.max(axis=0), b.max(axis=0))
    both = float(np.prod(np.clip(high - low + 1, 0, None)))
    each = [float(np.prod(points.max(axis=0) - points.min(axis=0) + 1)) for points in (a, b)]
    return both / (sum(each) - both)
