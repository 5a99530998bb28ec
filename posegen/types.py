"""The values that travel between the parts. Units and frames are said here, once.

World: metres, right-handed, +Y up, the origin at the body's pelvis joint; a body in rest pose faces +Z and its left
is +X. Camera (OpenCV): x right, y down, z forward; ``x_cam = R x_world + t``; intrinsics in pixels, pixel centres at
half integers. Images: float NCHW, RGB, [0, 1].
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch import Tensor


@dataclass(frozen=True, slots=True)
class Camera:
    """A batch of N pinhole cameras.

    rotation: (N,3,3) world to camera.  translation: (N,3) metres.  intrinsics: (N,3,3) pixels.
    """

    rotation: Tensor
    translation: Tensor
    intrinsics: Tensor
    width: int
    height: int

    def __len__(self) -> int:
        return len(self.rotation)

    def __getitem__(self, index: slice | Tensor) -> Camera:
        return Camera(self.rotation[index], self.translation[index], self.intrinsics[index], self.width, self.height)

    def to_camera(self, points: Tensor) -> Tensor:
        """World points (N,P,3) -> camera coordinates (N,P,3), metres."""
        return points @ self.rotation.transpose(-1, -2) + self.translation[:, None]

    def project(self, points: Tensor) -> Tensor:
        """World points (N,P,3) -> pixels (N,P,2)."""
        p = self.to_camera(points) @ self.intrinsics.transpose(-1, -2)
        return p[..., :2] / p[..., 2:]


@dataclass(frozen=True, slots=True)
class Render:
    """What a renderer drew: the person's colour over black (premultiplied), and how much of each pixel is person.

    image: (N,3,H,W) in [0,1].  alpha: (N,1,H,W) in [0,1].
    """

    image: Tensor
    alpha: Tensor

    def over(self, background: Tensor | float = 1.0) -> Tensor:
        """The person composited over a background: a constant, or images that broadcast to (N,3,H,W)."""
        return self.image + (1 - self.alpha) * background


@dataclass(frozen=True, slots=True)
class Marginals:
    """Where a heatmap estimator sees joints: probabilities along each axis of its volume, of equal bins.

    across (N,J,W) and down (N,J,H): of the crop.  away (N,J,D): along the depth, ``extent`` metres around the root's.
    """

    across: Tensor
    down: Tensor
    away: Tensor
    extent: float


@dataclass(frozen=True, slots=True)
class Estimate:
    """What an estimator saw. Only ``joints`` is required.

    joints: (N,J,3) metres, camera axes, any origin (every loss and metric is centred on the joint set's root).
    body_pose: (N,23,3) axis-angle.  global_orient: (N,3) axis-angle, body to camera axes.  betas: (N,10).
    of_smpl: whether the betas are SMPL's, and not another body's: no mesh of SMPL has the shape that those tell.
    camera: (N,3) weak perspective (s, tx, ty).  visibility: (N,J) in [0,1].  marginals: of the same joints.
    """

    joints: Tensor
    body_pose: Tensor | None = None
    global_orient: Tensor | None = None
    betas: Tensor | None = None
    camera: Tensor | None = None
    visibility: Tensor | None = None
    marginals: Marginals | None = None
    of_smpl: bool = True


@dataclass(frozen=True, slots=True, eq=False)
class Views:
    """Pictures of one person from known cameras in known poses: what a renderer is fitted to.

    images: (N,H,W,3) uint8, the person's colour over black (premultiplied).  masks: (N,H,W) uint8, how much of each
    pixel is person, 255 is all.  cameras: N, of the body without its root: each takes the world of ``Renderer.render``
    (pelvis at the origin, no root rotation) to its image.  poses: (P,23,3) theta.  pose_index: (N,) which of them an
    image shows.  held_out: (N,) true for images that nothing is learned from.  clip: (P,) a number for each run of
    poses that follow each other in time.  rest_joints: (24,3) metres.  body: whose joints those are, ``open`` (with
    ``betas`` (10,)) or ``skeleton``, where nothing else is known.  names: of the images, for messages.
    """

    images: Tensor
    masks: Tensor
    cameras: Camera
    poses: Tensor
    pose_index: Tensor
    held_out: Tensor
    clip: Tensor
    rest_joints: Tensor
    body: str
    betas: Tensor | None
    names: tuple[str, ...]

    def __len__(self) -> int:
        return len(self.images)


@dataclass(frozen=True, slots=True)
class Clip:
    """A motion clip. poses: (T,24,3) axis-angle, root first.  root_translation: (T,3) metres.  fps: frames a second."""

    name: str
    split: str
    poses: Tensor
    root_translation: Tensor
    fps: float


@dataclass(frozen=True, slots=True)
class JointSet:
    """A named list of joints.

    joints: their names in order.  root: indices whose mean is the origin of every comparison.
    limbs: indices of ankles, knees, hips, wrists, elbows, shoulders: the joints that errors are measured on, so that
    numbers of different estimators can stand side by side.  left_right: pairs that a mirror image exchanges.
    """

    name: str
    joints: tuple[str, ...]
    root: tuple[int, ...]
    limbs: tuple[int, ...]
    left_right: tuple[tuple[int, int], ...] = ()

    def __len__(self) -> int:
        return len(self.joints)

    @property
    def opposite(self) -> list[int]:
        """Index of the joint that each one is in a mirror."""
        order = list(range(len(self)))
        for left, right in self.left_right:
            order[left], order[right] = right, left
        return order

    def mirrored(self, joints: Tensor) -> Tensor:
        """joints (N,J,3) in camera axes -> those of the picture flipped left to right."""
        return joints[:, self.opposite] * joints.new_tensor([-1.0, 1.0, 1.0])
