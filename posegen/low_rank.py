"""Fine-tuning by low-rank changes of matrices and filters (LoRA: Hu et al. 2022, https://arxiv.org/abs/2106.09685)."""

from __future__ import annotations

import math
from collections.abc import Iterable

import torch
from torch import Generator, Tensor, nn


class LowRank:
    """Holds every matrix and filter at its value of now plus ``up @ down``, two thin factors that are trained instead.

    The network stays the one it is, with its names: ``pull`` takes the gradients of a backward pass over to the
    factors, ``push`` writes what an optimiser made of these into the weights. A step changes an entry about as much as
    it would without factors. A rank above a matrix's own is lowered to it.
    """

    def __init__(self, parameters: Iterable[nn.Parameter], rank: int, rng: Generator) -> None:
        self.weights = [p for p in parameters if p.dim() > 1]
        self.original = [p.detach().clone() for p in self.weights]
        self.up, self.down = [], []
        for weight in self.weights:
            rows, columns = weight.flatten(1).shape
            thin = min(rank, rows, columns)
            self.up.append(nn.Parameter(weight.new_zeros(rows, thin)))
            start = torch.randn(thin, columns, generator=rng) / math.sqrt(thin)
            self.down.append(nn.Parameter(start.to(weight)))

    @property
    def factors(self) -> list[nn.Parameter]:
        """What an optimiser is to step."""
        return [*self.up, *self.down]

    def pull(self) -> None:
        """Gradients of the weights -> of the factors; the weights' own are dropped. Frozen weights have none."""
        for weight, up, down in zip(self.weights, self.up, self.down, strict=True):
            grad = None if weight.grad is None else weight.grad.flatten(1)
            up.grad = None if grad is None else grad @ down.detach().T
            down.grad = None if grad is None else up.detach().T @ grad
            weight.grad = None

    @torch.no_grad()
    def push(self) -> None:
        """Factors -> weights."""
        for weight, original, up, down in zip(self.weights, self.original, self.up, self.down, strict=True):
            weight.copy_(original + (up @ down).view_as(weight))

    def tensors(self) -> dict[str, Tensor]:
        """What goes into a checkpoint; ``original`` does not change, and is the network's before fine-tuning."""
        return {str(i): factor.detach() for i, factor in enumerate(self.factors)}

    @torch.no_grad()
    def load(self, tensors: dict[str, Tensor]) -> None:
        """What ``tensors`` gave. Raises KeyError or RuntimeError for factors of another network or rank."""
        for i, factor in enumerate(self.factors):
            if (found := tensors[str(i)].shape) != factor.shape:
                raise RuntimeError(f"factor {i} has shape {tuple(found)}, not {tuple(factor.shape)}")
            factor.copy_(tensors[str(i)])
