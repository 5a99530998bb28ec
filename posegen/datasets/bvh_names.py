"""What BVH files call SMPL's joints."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from posegen.errors import AssetError

NEEDED = tuple(f"{s}_{p}" for s in ("left", "right") for p in ("hip", "knee", "ankle", "shoulder", "elbow", "wrist"))
SIDES = {"left": ("left", "l"), "right": ("right", "r")}
CONVENTIONS: dict[str, dict[str, tuple[str, ...]]] = {
    "CMU, Mixamo, SFU": {
        "hip": ("upleg", "thigh"),
        "knee": ("leg", "shin"),
        "ankle": ("foot",),
        "foot": ("toebase", "toe"),
        "collar": ("shoulder",),
        "shoulder": ("arm",),
        "elbow": ("forearm",),
        "wrist": ("hand",),
        "hand": ("handindex1", "fingerbase"),
    },
    "Biped": {
        "hip": ("hip", "thigh"),
        "knee": ("knee", "calf"),
        "ankle": ("ankle", "foot"),
        "foot": ("toe", "toe0"),
        "collar": ("collar", "clavicle"),
        "shoulder": ("shoulder", "upperarm", "uparm"),
        "elbow": ("elbow", "forearm", "lowarm"),
        "wrist": ("wrist", "hand"),
        "hand": ("finger1",),
    },
}
"""Convention -> SMPL's part -> words after the side, without spaces and case. LeftShoulder is a collar bone in one and
an upper arm in another, so all joints of a file are read by one convention."""
SPINE = ("lowerback", "spine", "spine1", "spine2", "spine3", "spine4", "chest", "chest1", "chest2", "chest3", "chest4",
         "upperchest")  # fmt: skip


def match(path: Path, names: Sequence[str]) -> dict[str, int]:
    """SMPL's joint -> index in ``names``, but for the pelvis, which no name tells. Spine joints, collars, feet and
    hands may be missing.

    Raises AssetError with what the nearest convention lacks.
    """
    plain = [_plain(name) for name in names]
    place = {name: i for i, name in reversed(list(enumerate(plain)))}
    found = {label: _limbs(parts, place) for label, parts in CONVENTIONS.items()}
    label = max(found, key=lambda one: sum(joint in found[one] for joint in NEEDED))
    matched = found[label]
    missing = [joint for joint in NEEDED if joint not in matched]
    if "head" not in place:
        missing.append("head")
    if missing:
        raise AssetError(
            f"{path}: which joints are {', '.join(missing)}? Its joints are {', '.join(names)[:300]}",
            f"name them as {label} does, such as LeftUpLeg, LeftLeg, LeftFoot, LeftArm, LeftForeArm, LeftHand, Head",
        )
    neck = next((place[name] for name in ("neck", "lowerneck", "neck1") if name in place), None)
    spine = [i for i, name in enumerate(plain) if name in SPINE]
    matched["head"] = place["head"]
    matched |= {"neck": neck} if neck is not None else {}
    last = dict(zip(("spine3", "spine2", "spine1"), reversed(spine), strict=False))
    return matched | last


def _limbs(parts: dict[str, tuple[str, ...]], place: dict[str, int]) -> dict[str, int]:
    """Each side's joints; left and right must be of one style."""
    found = {}
    for side, prefixes in SIDES.items():
        for part, words in parts.items():
            candidates = [f"{prefix}{word}" for prefix in prefixes for word in words]
            candidates += [f"{word}{prefix}" for prefix in prefixes for word in words]
            i = next((place[name] for name in candidates if name in place), None)
            if i is not None:
                found[f"{side}_{part}"] = i
    return found


def _plain(name: str) -> str:
    """``mixamorig:LeftUpLeg``, ``Left_Up_Leg`` -> ``leftupleg``."""
    return "".join(c for c in name.rpartition(":")[2].lower() if c.isalnum())
