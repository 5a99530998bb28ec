"""Means over seeds, or over clips, with Student's 95 % interval, and Student's distribution without scipy."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from statistics import fmean, stdev

LEVEL = 0.95
FEWEST = 3  # clusters of which there is an interval


@dataclass(frozen=True, slots=True)
class Interval:
    """The mean of n values; ``low`` and ``high`` are None where too few say nothing of their spread."""

    mean: float
    low: float | None
    high: float | None
    n: int


def interval(values: Sequence[float]) -> Interval:
    """The mean with mean ± t s / sqrt(n). Raises ValueError without a value."""
    mean, n = fmean(values), len(values)
    if n == 1:
        return Interval(mean, None, None, 1)
    half = t_quantile(n - 1) * stdev(values) / math.sqrt(n)
    return Interval(mean, mean - half, mean + half, n)


def of_clusters(values: Sequence[float], clusters: Sequence[str], weights: Sequence[float] | None = None) -> Interval:
    """The mean of values that are alike within a cluster, as frames of a clip are; n clusters are n witnesses.

    weights: of a ratio, sum(values) / sum(weights), in place of the mean.  The interval is Student's with n - 1 degrees
    of freedom, of the ratio's linearisation (Cochran 1977, section 6.3); of fewer than ``FEWEST`` clusters, which say
    next to nothing, there is none. Raises ZeroDivisionError without a value, or where the weights sum to zero.
    """
    sums: dict[str, list[float]] = {}
    for value, cluster, weight in zip(values, clusters, weights or [1.0] * len(values), strict=True):
        both = sums.setdefault(cluster, [0.0, 0.0])
        both[0], both[1] = both[0] + value, both[1] + weight
    n, total = len(sums), math.fsum(weight for _, weight in sums.values())
    mean = math.fsum(value for value, _ in sums.values()) / total
    if n < FEWEST:
        return Interval(mean, None, None, n)
    spread = math.fsum((value - mean * weight) ** 2 for value, weight in sums.values())
    half = t_quantile(n - 1) * math.sqrt(n / (n - 1) * spread) / abs(total)
    return Interval(mean, mean - half, mean + half, n)


@cache
def t_quantile(df: int, level: float = LEVEL) -> float:
    """The t that a Student variable with ``df`` degrees of freedom stays within, on both sides, with probability
    ``level``; by bisection."""
    low, high = 0.0, 1.0
    while within(high, df) < level:
        high *= 2
    for _ in range(80):
        middle = (low + high) / 2
        low, high = (middle, high) if within(middle, df) < level else (low, middle)
    return (low + high) / 2


def within(t: float, df: int) -> float:
    """P(|T| < t) for df degrees of freedom (Abramowitz and Stegun 26.7.3 and 26.7.4)."""
    angle = math.atan2(t, math.sqrt(df))
    cos, term, total = math.cos(angle), 1.0, 0.0
    if df % 2:
        term = cos
        for k in range(2, df, 2):
            total, term = total + term, term * cos * cos * k / (k + 1)
        return 2 / math.pi * (angle + math.sin(angle) * total)
    for k in range(1, df, 2):
        total, term = total + term, term * cos * cos * k / (k + 1)
    return math.sin(angle) * total
