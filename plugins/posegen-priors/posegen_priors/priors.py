"""Normal, uniform and spherical distributions of z (paper, Eq 3-5)."""

from __future__ import annotations

import torch
from torch import Generator, Tensor

import posegen


class _Prior:
    class Options(posegen.Options):
        """No options."""

    def __init__(self, options: Options, *, device: torch.device | str = "cpu") -> None:
        self.options = options  # z lies on the generator's device, so ``device`` has nothing to say


class Normal(_Prior):
    """z ~ N(0, I) (Eq 3)."""

    def sample(self, n: int, dim: int, generator: Generator) -> Tensor:
        """-> (n, dim) float32 on the generator's device."""
        return torch.randn(n, dim, generator=generator, device=generator.device)


class Uniform(_Prior):
    """z ~ U[-1, 1] in every dimension (Eq 4)."""

    def sample(self, n: int, dim: int, generator: Generator) -> Tensor:
        """-> (n, dim) float32 on the generator's device."""
        return 2 * torch.rand(n, dim, generator=generator, device=generator.device) - 1


class Spherical(_Prior):
    """z = v / ||v|| with v ~ N(0, I): uniform on the unit sphere (Eq 5)."""

    def sample(self, n: int, dim: int, generator: Generator) -> Tensor:
        """-> (n, dim) float32 of length one, on the generator's device."""
        v = torch.randn(n, dim, generator=generator, device=generator.device)
        return torch.nn.functional.normalize(v, dim=1)
