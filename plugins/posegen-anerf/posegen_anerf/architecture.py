"""What a published checkpoint is, from the shapes in it and from the settings beside it (``args.txt``)."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from pydantic import ValidationError
from torch import Tensor

from posegen.errors import AssetError
from posegen_anerf.config import PRESETS, FieldConfig

SUPPORTED = {
    "nerf_type": "nerf", "density_type": "relu", "pts_tr_type": "local", "kp_dist_type": "reldist",
    "view_type": "relray", "bone_type": "reldir", "i_embed": "0", "multires_bones": "0", "use_viewdirs": "True",
    "use_cutoff": "True", "cutoff_inputs": "True", "cutoff_viewdir": "True", "cutoff_bones": "False",
    "normalize_cutoff": "False", "cut_to_dist": "False", "cutoff_shift": "False", "freq_schedule": "False",
    "lindisp": "False",
}  # fmt: skip
"""Settings that change what a network means, with the published values; others that ``args.txt`` holds do not."""


def settings(checkpoint: Path) -> dict[str, str]:
    """``args.txt`` beside a checkpoint, as the official code writes it (lines ``key = value``); empty without one.

    Raises AssetError for a setting with which the checkpoint cannot be drawn.
    """
    path = checkpoint.with_name("args.txt")
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except FileNotFoundError:
        return {}
    except (OSError, UnicodeDecodeError) as error:
        raise AssetError(f"{path} cannot be read: {error}", "repair it, or move the checkpoint elsewhere") from error
    pairs = (line.split("#")[0].partition("=") for line in lines)
    found = {key.strip(): value.strip() for key, sign, value in pairs if sign}
    for key, value in SUPPORTED.items():
        if found.get(key, value) != value:
            raise AssetError(
                f"{path} has {key} = {found[key]}, a variant of A-NeRF that cannot be drawn", f"supported: {value}"
            )
    return found


def architecture(
    path: Path, coarse: Mapping[str, Tensor], fine: Mapping[str, Tensor], args: Mapping[str, str]
) -> FieldConfig:
    """The configuration of two networks, official names. Without settings, the published one of that architecture.

    Raises AssetError, naming file and key, for shapes that no configuration has.
    """
    first, late = _shape(path, fine, "pts_linears.0.weight"), _shape(path, fine, "views_linears.0.weight")
    width, size = first
    depth = sum(key.startswith("pts_linears.") and key.endswith(".weight") for key in fine)
    codes, code_size = _shape(path, fine, "framecodes.codes.weight") if "framecodes.codes.weight" in fine else (0, 0)
    multires = _frequencies(path, "pts_linears.0.weight", size - 72, 24)
    views = _frequencies(path, "views_linears.0.weight", late[1] - width - code_size, 72)
    wide = [i for i in range(1, depth) if _shape(path, fine, f"pts_linears.{i}.weight")[1] == width + size]
    same = coarse.keys() == fine.keys() and all(coarse[k].equal(fine[k]) for k in fine)
    single = args.get("single_net") == "True" if "single_net" in args else same or views == 0
    usual = PRESETS["surreal_single" if single else "surreal"]
    try:
        return FieldConfig.model_validate(
            {
                "width": width, "depth": depth, "skip": wide[0] - 1 if wide else depth, "view_width": late[0],
                "multires": multires, "multires_views": views, "framecode_size": code_size, "framecodes": codes,
                "single": single, "samples": args.get("N_samples", usual.samples),
                "importance": args.get("N_importance", usual.importance),
                "density_scale": args.get("density_scale", 1.0),
            }
        )  # fmt: skip
    except ValidationError as error:
        bad = error.errors()[0]
        raise AssetError(
            f"{path} or args.txt beside it gives an impossible {bad['loc'][0]}: {bad['msg']}", "is the file whole?"
        ) from error


def _shape(path: Path, state: Mapping[str, Tensor], key: str) -> tuple[int, int]:
    if key not in state:
        raise AssetError(f"{path} lacks the key 'network_fine_state_dict.{key}'", "is it an A-NeRF checkpoint?")
    shape = tuple(state[key].shape)
    if len(shape) != 2:
        raise AssetError(f"{path} has '{key}' of shape {shape}, where a matrix is needed", "is the file whole?")
    return shape[0], shape[1]


def _frequencies(path: Path, key: str, numbers: int, block: int) -> int:
    blocks, rest = divmod(numbers, block)
    if rest or blocks < 1 or blocks % 2 == 0:
        raise AssetError(
            f"{path} has '{key}' for {numbers} inputs, which are no frequencies of {block} numbers",
            "only the published encodings (reldist, reldir, relray with cutoff) can be drawn",
        )
    return (blocks - 1) // 2
