"""Named random streams: every stage draws from its own generator, so that a resumed run repeats none."""

from __future__ import annotations

import hashlib

import torch


def stream(seed: int, *names: str | int) -> torch.Generator:
    """A CPU generator that depends on the run's seed and the names alone."""
    digest = hashlib.sha256("/".join(map(str, (seed, *names))).encode()).digest()
    return torch.Generator().manual_seed(int.from_bytes(digest[:7], "big"))
