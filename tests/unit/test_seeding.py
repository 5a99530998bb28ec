"""Named random streams."""

from __future__ import annotations

import subprocess
import sys

import torch

from posegen.seeding import seed_torch, stream


def draw(*names: str | int) -> torch.Tensor:
    return torch.rand(8, generator=stream(*names))


def test_a_stream_depends_on_seed_and_names_alone() -> None:
    first = draw(3, "draw", 0)
    torch.rand(5)
    assert torch.equal(first, draw(3, "draw", 0))


def test_streams_differ() -> None:
    names = [(0, "draw", 0), (1, "draw", 0), (0, "draw", 1), (0, "look", 0), (0, "draw"), (0,), (2**63, "draw", 0)]
    drawn = [draw(*name) for name in names]
    for i, one in enumerate(drawn):
        assert not any(torch.equal(one, other) for other in drawn[i + 1 :])


def test_streams_are_the_same_in_every_process() -> None:
    """No ``hash``, which Python salts."""
    code = "import torch; from posegen.seeding import stream; print(torch.rand(2, generator=stream(1, 'a')).tolist())"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == str(torch.rand(2, generator=stream(1, "a")).tolist())


def test_torch_itself_can_be_seeded_by_name() -> None:
    with torch.random.fork_rng():
        seed_torch(1, "fine-tune", 0)
        first = torch.rand(4)
        seed_torch(1, "fine-tune", 1)
        assert not torch.equal(torch.rand(4), first)
        seed_torch(1, "fine-tune", 0)
        assert torch.equal(torch.rand(4), first)
