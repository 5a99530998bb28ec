"""What a check is, and what it is given."""

from __future__ import annotations

import functools
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import torch

from posegen import plugins
from posegen.errors import PosegenError


class ConformanceError(AssertionError):
    """A component does not do what its protocol says. The message says what the protocol demands."""


@dataclass(frozen=True)
class Case:
    """One component with one choice of options, on one device."""

    kind: str
    component: type[Any]
    values: Mapping[str, Any]
    device: torch.device

    def build(self) -> Any:
        """A new instance; whatever it draws from torch's global generator starts from one seed."""
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(0)
            return self.component(self.component.Options.model_validate(self.values), device=self.device)

    @functools.cached_property
    def part(self) -> Any:
        """An instance that the checks share: they leave it as it is."""
        return self.build()


@dataclass(frozen=True)
class Check:
    """One demand of a protocol, callable on a component by its installed name or by its class."""

    kind: str
    function: Callable[[Case], None]

    @property
    def name(self) -> str:
        return self.function.__name__

    def __str__(self) -> str:
        return self.name

    def __call__(
        self,
        component: str | type[Any],
        options: Mapping[str, Any] | None = None,
        device: torch.device | str = "cpu",
    ) -> None:
        """Raises ConformanceError if the component fails, PosegenError if it cannot be had (installed? assets?)."""
        loaded = plugins.load(self.kind, component) if isinstance(component, str) else component
        title = f"{self.kind} {loaded.__name__}, {self.name}"
        values = json.dumps(dict(options or {}), default=str)
        case = _case(self.kind, loaded, values, str(device))  # type: ignore[arg-type]  # a class is hashable
        try:
            with torch.random.fork_rng(devices=[]):
                torch.manual_seed(0)
                self.function(case)
        except ConformanceError as error:
            raise ConformanceError(f"{title}: {error}") from None
        except PosegenError:
            raise
        except Exception as error:  # whatever a component raises on valid input is its failure; the chain shows where
            raise ConformanceError(f"{title}: raised {type(error).__name__}: {error}") from error


@functools.lru_cache(maxsize=2)  # so that a component which is slow to build is built once for all its checks
def _case(kind: str, component: type[Any], values: str, device: str) -> Case:
    return Case(kind, component, json.loads(values), torch.device(device))
