"""AGORA's cameras: its files do not hold them all, the name of an image says which one took it.

From the projection of the published evaluation tool, in the order of its rules. ``ag2`` has a pitch of 15 degrees there
and of 0 in the tool that prepares training data: the projection is what the ground truth was made with.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from posegen.datasets.checked import Array

WIDTH, HEIGHT = 3840, 2160
SENSOR = (36.0, 20.25)  # mm
FLIP = np.diag([1.0, -1.0, -1.0])
"""SMPL's axes (y up) to OpenCV's: a half turn about x, and no reflection."""


@dataclass(frozen=True, slots=True)
class AgoraCamera:
    """focal: mm.  yaw: degrees, None where the frame's column ``camYaw`` says it.  pitch: degrees."""

    focal: float
    yaw: float | None
    pitch: float


RULES = {
    "hdri": AgoraCamera(50, 0, 0),
    "cam00": AgoraCamera(18, 135, 30),
    "cam01": AgoraCamera(18, -135, 30),
    "cam02": AgoraCamera(18, -45, 30),
    "cam03": AgoraCamera(18, 45, 30),
    "ag2": AgoraCamera(28, 0, 15),
}
OTHERWISE = AgoraCamera(28, None, 0)


def camera_of(image: str) -> AgoraCamera:
    """The camera that took an image: the first rule whose word is in its name."""
    return next((camera for word, camera in RULES.items() if word in image), OTHERWISE)


def intrinsics(camera: AgoraCamera) -> Array:
    """(3,3) pixels of the full image."""
    out = np.eye(3)
    out[0] = (camera.focal / SENSOR[0] * WIDTH, 0, WIDTH / 2)
    out[1] = (0, camera.focal / SENSOR[1] * HEIGHT, HEIGHT / 2)
    return out


def body_to_camera(camera: AgoraCamera, camera_yaw: float, yaw: float) -> Array:
    """(3,3): SMPL's axes of a person turned by ``yaw`` to the camera's (degrees); it goes left of SMPL's own root."""
    out: Array = _about_x(camera.pitch) @ _about_y(-camera_yaw) @ _about_y(yaw - 90) @ FLIP
    return out


def _about_x(degrees: float) -> Array:
    c, s = np.cos(np.radians(degrees)), np.sin(np.radians(degrees))
    return np.array([[1, 0, 0], [0, c, -s], [0, s, c]])


def _about_y(degrees: float) -> Array:
    c, s = np.cos(np.radians(degrees)), np.sin(np.radians(degrees))
    return np.array([[c, 0, s], [0, 1, 0], [-s, 0, c]])
