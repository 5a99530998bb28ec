"""All checks of a kind, one by one or at once."""

from __future__ import annotations

from collections.abc import Mapping
from types import ModuleType
from typing import Any

import torch

from posegen.errors import UsageError, nearest
from posegen.testing import any_kind, body, discriminator, estimator, motion, photos, prior, renderer
from posegen.testing.kit import Check, ConformanceError

KINDS: dict[str, ModuleType] = {
    "renderer": renderer,
    "estimator": estimator,
    "prior": prior,
    "discriminator": discriminator,
    "body": body,
    "motion": motion,
    "photos": photos,
}


def checks(kind: str) -> list[Check]:
    """The checks for a kind, for ``pytest.mark.parametrize("check", checks(kind), ids=str)``.

    Raises UsageError for an unknown kind.
    """
    if kind not in KINDS:
        raise UsageError(f"there is no kind '{kind}'", nearest(kind, tuple(KINDS)) or f"kinds: {', '.join(KINDS)}")
    return [Check(kind, function) for function in (*any_kind.CHECKS, *KINDS[kind].CHECKS)]


def check(
    kind: str,
    component: str | type[Any],
    options: Mapping[str, Any] | None = None,
    device: torch.device | str = "cpu",
) -> None:
    """Run every check of ``kind`` on a component, by its installed name or its class.

    Raises ConformanceError naming each check that fails, PosegenError if the component cannot be had.
    """
    failures = []
    for one in checks(kind):
        try:
            one(component, options, device)
        except ConformanceError as error:
            failures.append(error)
    if failures:
        text = "\n".join(f"- {failure}" for failure in failures)
        raise ConformanceError(f"{len(failures)} of {len(checks(kind))} checks failed\n{text}") from failures[0]
