"""Named random streams: every stage draws from its own generator, so that a resumed run repeats none."""

from __future__ import annotations

import hashlib

import torch


def stream(seed: int, *names: str | int) -> torch.Generator:
    """A CPU generator that depends on the run's seed and the names alone."""
    return torch.Generator().manual_seed(_number(seed, *names))


def seed_torch(seed: int, *names: str | int) -> None:
    """Seed torch's own generators, which a third party's layers (dropout) and renderers may draw from."""
    torch.manual_seed(_number(seed, *names))


def _number(seed: int, *names: str | int) -> int:
    digest = hashlib.sha256("/".join(map(str, (seed, *names))).encode()).digest()
    return int.from_bytes(digest[:7], "big")
