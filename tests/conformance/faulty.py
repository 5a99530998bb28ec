"""Ways to break a healthy component."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor

from posegen.testing import Check, ConformanceError, checks

Fault = tuple[type, str, str]
"""A broken class, the check that must fail, and what its message must say."""


def named(kind: str, name: str) -> Check:
    return next(c for c in checks(kind) if c.name == name)


def assert_found(kind: str, fault: Fault) -> None:
    component, name, message = fault
    with pytest.raises(ConformanceError, match=message) as failure:
        named(kind, name)(component)
    assert str(failure.value).startswith(f"{kind} {component.__name__}, {name}: ")


def broken(base: type, **members: object) -> type:
    return type(f"Broken{base.__name__}", (base,), members)


def around(base: type, method: str, change: Callable[[Any], Any]) -> type:
    """``base`` whose ``method`` returns what ``change`` makes of its result."""
    original = getattr(base, method)
    return broken(base, **{method: lambda self, *args: change(original(self, *args))})


class WrongGradient(torch.autograd.Function):
    """The identity with the gradient's sign turned."""

    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:
        return x.clone()

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> Tensor:
        return -gradient


def through_numpy(x: Tensor) -> Tensor:
    return torch.from_numpy(x.detach().numpy().copy())


def noisy(x: Tensor) -> Tensor:
    return x + 0.01 * torch.rand(x.shape)


def without_mean(x: Tensor) -> Tensor:
    return x - 0.5 * x.mean(0, keepdim=True)


def nan(x: Tensor) -> Tensor:
    return torch.full_like(x, torch.nan)
