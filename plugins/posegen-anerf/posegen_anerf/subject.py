"""A person as a radiance field, and its file."""

from __future__ import annotations

import json
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Literal

import pydantic
import torch
from safetensors import SafetensorError, safe_open
from torch import Tensor

from posegen.errors import AssetError, nearest
from posegen.nn.checkpoint import save_tensors
from posegen_anerf.config import FieldConfig
from posegen_anerf.field import Field

FORMAT = "posegen-anerf 1"


@dataclass(slots=True, eq=False)
class NerfSubject:
    """One person's field on one skeleton.

    fine: the network that is drawn.  coarse: the official first pass, None where there is but one network.
    rest_joints: (24,3) metres, PoseGen's axes, any origin.
    body: whose joints those are: "open" (the starter's body), "smpl", or "skeleton" where only joints are known.
    betas: (10,) of that body, or None for its mean shape.
    margins: radii of the capsules outside of which the field is empty, NeRF units, or None before calibration.
    source: where it comes from, words for the reader.
    """

    config: FieldConfig
    fine: Field
    coarse: Field | None
    rest_joints: Tensor
    body: Literal["open", "smpl", "skeleton"] = "skeleton"
    betas: Tensor | None = None
    margins: Tensor | None = None
    source: dict[str, str] = field(default_factory=dict)

    def to(self, device: torch.device | str) -> NerfSubject:
        """The same subject elsewhere; networks are moved in place."""
        place = torch.device(device)
        return replace(
            self,
            fine=self.fine.to(place),
            coarse=None if self.coarse is None else self.coarse.to(place),
            rest_joints=self.rest_joints.to(place),
            betas=None if self.betas is None else self.betas.to(place),
            margins=None if self.margins is None else self.margins.to(place),
        )

    def save(self, path: Path, half: bool = False) -> None:
        """Write safetensors, in one step: a full disk leaves the old file. half: weights as float16.

        Raises PosegenError when it cannot be written.
        """
        tensors = {f"fine.{k}": v for k, v in self.fine.state_dict().items()}
        if self.coarse is not None:
            tensors |= {f"coarse.{k}": v for k, v in self.coarse.state_dict().items()}
        if half:
            tensors = {k: v.half() if k.endswith((".weight", ".bias")) else v for k, v in tensors.items()}
        extra = {"rest_joints": self.rest_joints, "betas": self.betas, "margins": self.margins}
        tensors |= {k: v.float() for k, v in extra.items() if v is not None}
        about = {"format": FORMAT, "config": self.config.model_dump_json(), "body": self.body}
        about["source"] = json.dumps(self.source, sort_keys=True)
        save_tensors(path, tensors, about)

    @classmethod
    def load(cls, path: Path) -> NerfSubject:
        """Read what ``save`` wrote; float32, on the cpu, without gradients.

        Raises AssetError, naming file and key, for anything that is missing, unexpected, misshapen or not finite.
        """
        try:
            with safe_open(path, framework="pt") as file:
                about = file.metadata() or {}
                tensors = {key: file.get_tensor(key) for key in file.keys()}  # noqa: SIM118 (not a dict)
        except FileNotFoundError as error:
            raise AssetError(f"{path} does not exist", "give the path of a subject's .safetensors") from error
        except (OSError, SafetensorError) as error:
            raise AssetError(f"{path} cannot be read as safetensors: {error}", "copy or fit it again") from error
        if about.get("format") != FORMAT:
            raise AssetError(
                f"{path} is not an A-NeRF subject: its format is '{about.get('format', 'unknown')}'",
                f"'{FORMAT}' is expected; official .tar checkpoints can be given as they are",
            )
        try:
            config = FieldConfig.model_validate_json(about.get("config", ""))
            source = json.loads(about.get("source", "{}"))
        except (pydantic.ValidationError, json.JSONDecodeError) as error:
            raise AssetError(f"{path} has unreadable metadata: {error}", "fit or convert it again") from error
        body = about.get("body", "skeleton")
        if body not in ("open", "smpl", "skeleton"):
            raise AssetError(f"{path} hangs on an unknown body '{body}'", "known: open, smpl, skeleton")
        fine = _field(path, config, tensors, "fine")
        coarse = _field(path, config, tensors, "coarse") if any(k.startswith("coarse.") for k in tensors) else None
        rest = _take(path, tensors, "rest_joints", (24, 3))
        betas = _take(path, tensors, "betas", (10,)) if "betas" in tensors else None
        margins = _take(path, tensors, "margins", (None,)) if "margins" in tensors else None
        if tensors:
            raise AssetError(f"{path} has an unexpected key '{min(tensors)}'", "it may need a newer posegen-anerf")
        return cls(config, fine, coarse, rest, body, betas, margins, source)


def fill(field: Field, tensors: dict[str, Tensor], path: Path, prefix: str) -> None:
    """Load exactly these tensors, official names, into a field. Raises AssetError naming file and key."""
    wanted = field.state_dict()
    for key in wanted:
        if key not in tensors:
            raise AssetError(f"{path} lacks the key '{prefix}{key}'", nearest(key, list(tensors)))
    for key, value in tensors.items():
        if key not in wanted:
            raise AssetError(f"{path} has an unexpected key '{prefix}{key}'", nearest(key, list(wanted)))
        _check(path, prefix + key, value, tuple(wanted[key].shape))
    field.load_state_dict({k: v.float() for k, v in tensors.items()})
    field.eval().requires_grad_(False)


def _field(path: Path, config: FieldConfig, tensors: dict[str, Tensor], name: str) -> Field:
    own = {k.removeprefix(f"{name}."): tensors.pop(k) for k in list(tensors) if k.startswith(f"{name}.")}
    field = Field(config)
    fill(field, own, path, f"{name}.")
    return field


def _take(path: Path, tensors: dict[str, Tensor], key: str, shape: tuple[int | None, ...]) -> Tensor:
    if key not in tensors:
        raise AssetError(f"{path} lacks the key '{key}'", "fit or convert it again")
    value = tensors.pop(key).float()
    _check(path, key, value, shape)
    return value


def _check(path: Path, key: str, value: Tensor, shape: tuple[int | None, ...]) -> None:
    given = tuple(value.shape)
    if len(given) != len(shape) or any(n is not None and n != g for g, n in zip(given, shape, strict=False)):
        raise AssetError(f"{path} has '{key}' of shape {given}, where {shape} is needed", "fit or convert it again")
    if not bool(torch.isfinite(value).all()):
        raise AssetError(f"{path} has values in '{key}' that are not finite", "it comes from a diverged training")
