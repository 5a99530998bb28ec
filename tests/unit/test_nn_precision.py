"""bfloat16 for the convolutions alone, and only where it is wanted."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from posegen.nn import precision
from posegen.nn.precision import autocast, lowers

CPU = torch.device("cpu")


def test_auto_follows_the_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    for has in (False, True):
        monkeypatch.setattr(precision, "_cpu_has_bfloat16", lambda has=has: has)
        assert lowers("auto", CPU) is has
    assert lowers("bfloat16", CPU)
    assert not lowers("float32", CPU)
    assert not lowers("auto", torch.device("meta"))


def test_a_torch_without_the_probes_computes_in_float32(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("_is_avx512_bf16_supported", "_is_amx_tile_supported"):
        monkeypatch.delattr(torch.cpu, name, raising=False)
    assert not lowers("auto", CPU)


def test_weights_and_their_gradients_stay_float32() -> None:
    layer = nn.Conv2d(3, 4, 3)
    with autocast("bfloat16", CPU):
        out = layer(torch.ones(1, 3, 8, 8))
    assert out.dtype == torch.bfloat16
    out.float().sum().backward()
    assert layer.weight.dtype == torch.float32
    assert layer.weight.grad is not None
    assert layer.weight.grad.dtype == torch.float32
    with autocast("float32", CPU):
        assert layer(torch.ones(1, 3, 8, 8)).dtype == torch.float32
