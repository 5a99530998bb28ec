"""The kit finds these faults of sources of bodies, motion and photographs."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from .faulty import Fault, around, assert_found, broken
from .healthy import Body, Motion, Photos


class HeadDown(Body):
    def body(self, betas=None):
        body = super().body(betas)
        down = body.rest_joints * torch.tensor([1.0, -1.0, 1.0])
        body.joints = lambda pose, view=None, joint_set="smpl24": down.expand(len(pose), -1, -1)
        return body


class OneShape(Body):
    def body(self, betas=None):
        return super().body(None)


def clips(change) -> type:
    return around(Motion, "clips", lambda found: [change(clip) for clip in found])


def photos(method: str, change) -> type:
    return around(Photos, method, change)


FAULTS: list[tuple[str, Fault]] = [
    ("body", (broken(Body, body=lambda self, betas=None: None), "bodies_are_bodies", "NoneType")),
    ("body", (HeadDown, "rest_pose_follows_the_convention", r"\+Y up")),
    ("body", (HeadDown, "gradient_reaches_the_pose", "no graph")),
    ("body", (OneShape, "betas_shape_the_body", "first beta")),
    ("motion", (clips(lambda c: replace(c, poses=c.poses[:, 1:])), "clips_have_the_shape", r"\(any, 24, 3\)")),
    ("motion", (clips(lambda c: replace(c, poses=c.poses * 180)), "clips_have_the_shape", "radians")),
    ("motion", (clips(lambda c: replace(c, split="test")), "clips_have_the_shape", "says that it is of 'test'")),
    ("motion", (clips(lambda c: replace(c, name="walk")), "splits_share_no_clip", "walk")),
    ("motion", (broken(Motion, clips=lambda self, split: []), "clips_have_the_shape", "there must be clips")),
    ("motion", (broken(Motion, clips=lambda self, split: []), "unknown_splits_are_refused", "UsageError")),
    ("photos", (photos("people", lambda x: 255 * x), "images_have_the_shape", r"\[0,1\]")),
    ("photos", (photos("people", lambda x: x[..., :128]), "images_have_the_shape", "256")),
    ("photos", (photos("backgrounds", lambda x: x / 255), "images_have_the_shape", "black")),
    ("photos", (photos("people_joints", lambda x: ("mine", x[1])), "joints_belong_to_the_people", "mine")),
    ("photos", (photos("people_joints", lambda x: (x[0], 1000 * x[1])), "joints_belong_to_the_people", "metres")),
    ("photos", (photos("people_joints", lambda x: (x[0], x[1][1:])), "joints_belong_to_the_people", r"\(2, 24, 3\)")),
    ("photos", (photos("people", lambda x: x * 0), "splits_share_no_image", "both splits")),
    (
        "photos",
        (
            broken(Photos, images=lambda self, seeds, split: torch.rand(1, 3, 256, 256)),
            "unknown_splits_are_refused",
            "UsageError",
        ),
    ),
]


@pytest.mark.parametrize(("kind", "fault"), FAULTS, ids=[fault[1] for _, fault in FAULTS])
def test_a_fault_is_found(kind: str, fault: Fault) -> None:
    assert_found(kind, fault)
