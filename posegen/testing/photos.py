"""What a source of photographs must hold to."""

from __future__ import annotations

from posegen.body import JOINT_SETS
from posegen.errors import UsageError
from posegen.testing.expect import require, tensor
from posegen.testing.kit import Case

SPLITS = ("train", "test")


def images_have_the_shape(case: Case) -> None:
    """People and backgrounds of both splits are (N,3,256,256) float32 in [0,1]."""
    for split in SPLITS:
        for name in ("people", "backgrounds"):
            images = tensor(case, getattr(case.part, name)(split), f"{name}('{split}')", (None, 3, 256, 256))
            require(len(images) > 0, f"{name}('{split}') must hold images")
            low, high = float(images.min()), float(images.max())
            require(low >= 0 and high <= 1, f"{name}('{split}') must lie in [0,1], reaches {low:.3g} to {high:.3g}")
            require(high > 0.05, f"{name}('{split}') are black: were they divided by 255 twice?")


def joints_belong_to_the_people(case: Case) -> None:
    """``people_joints`` names a joint set and has its joints, in metres, for each of the people."""
    for split in SPLITS:
        name, joints = case.part.people_joints(split)
        require(name in JOINT_SETS, f"joint set '{name}' is none of {', '.join(JOINT_SETS)}")
        n = len(case.part.people(split))
        tensor(case, joints, f"people_joints('{split}')", (n, len(JOINT_SETS[name]), 3))
        span = float((joints.amax(1) - joints.amin(1)).norm(dim=-1).median())
        require(0.2 < span < 5, f"joints must be metres: a person's span {span:.3g}")


def splits_share_no_image(case: Case) -> None:
    """No photograph is in both splits."""
    for name in ("people", "backgrounds"):
        train, test = ({image.cpu().numpy().tobytes() for image in getattr(case.part, name)(s)} for s in SPLITS)
        require(not train & test, f"no image of {name} may be in both splits")


def unknown_splits_are_refused(case: Case) -> None:
    """Another split is a UsageError."""
    for name in ("people", "people_joints", "backgrounds"):
        try:
            getattr(case.part, name)("no_such_split")
        except UsageError:
            continue
        require(False, f"{name}('no_such_split') must raise posegen.UsageError")


CHECKS = (images_have_the_shape, joints_belong_to_the_people, splits_share_no_image, unknown_splits_are_refused)
