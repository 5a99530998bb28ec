"""Renderer ``mesh``: a clothed, textured person by skinning and a z-buffer. Exact, on the CPU, not differentiable."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import numpy as np
import torch
from numpy.typing import NDArray
from posegen_starter.body import OpenBody
from pydantic import Field
from torch import Tensor

import posegen
from posegen.errors import AssetError, UsageError
from posegen.types import Camera, Render
from posegen_mesh.draw import draw
from posegen_mesh.light import Light
from posegen_mesh.scene import scene

Array = NDArray[np.float64]


class MeshRenderer:
    """Draws the starter subjects s0 .. s7. The same bits for any number of threads and any batch size."""

    class Options(posegen.Options):
        """How a person is drawn."""

        subject: str = "s0"
        """Who is drawn: s0 .. s7."""
        supersampling: int = Field(default=2, ge=1, le=8)
        """Samples per pixel and axis: 2 averages 2x2."""
        light_direction: tuple[float, float, float] = (-0.45, -0.6, -0.65)
        """Towards the key light, in camera axes (x right, y down, z forward)."""
        light_colour: tuple[float, float, float] = (1.25, 1.22, 1.18)
        """RGB of the key light; 1 keeps a fully lit texture as it is."""
        ambient: float = Field(default=0.5, ge=0, le=1)
        """Share of the light that comes from everywhere."""
        threads: int | None = Field(default=None, ge=1)
        """Images drawn at once; None: as many as torch uses threads."""

    differentiable = False

    def __init__(self, options: Options, *, device: torch.device | str = "cpu") -> None:
        """Raises UsageError for an unknown subject, AssetError for a damaged file."""
        self._options = options
        self._device = torch.device(device)
        self._scene = scene(options.subject)
        self.body = OpenBody(OpenBody.Options(), device=device).body(self._scene.subject.betas.tolist())
        self._check_skeleton()

    def render(self, pose: Tensor, camera: Camera, light: Light | None = None) -> Render:
        """theta (N,23,3) and N cameras -> N images, premultiplied over black, and their alpha, float32.

        light: of each image; None is the light of the options for all. Whatever lies behind a camera, or nearer than
        2 cm before it, is not drawn. Raises UsageError for shapes that do not fit or values that are not finite.
        """
        n = pose.shape[0] if pose.ndim else 0
        light = self._default_light(n) if light is None else light
        _check(n, pose, camera, light)
        with torch.no_grad():
            bones = self._bones(pose, camera)
            lights = _numpy(torch.cat([light.direction, light.ambient[:, None], light.colour], dim=1))
        lights[:, :3] /= np.maximum(np.linalg.norm(lights[:, :3], axis=1, keepdims=True), 1e-12)
        intrinsics = _numpy(camera.intrinsics)
        image = np.zeros((n, 3, camera.height, camera.width), np.float32)
        alpha = np.zeros((n, 1, camera.height, camera.width), np.float32)

        def one(i: int) -> None:
            draw(self._scene, bones[i], intrinsics[i], lights[i], self._options.supersampling, image[i], alpha[i, 0])

        threads = min(self._options.threads or torch.get_num_threads(), n)
        if threads > 1:
            with ThreadPoolExecutor(threads) as pool:
                list(pool.map(one, range(n)))
        else:
            for i in range(n):
                one(i)
        return Render(torch.from_numpy(image).to(self._device), torch.from_numpy(alpha).to(self._device))

    def _bones(self, pose: Tensor, camera: Camera) -> Array:
        """What carries the rest pose into camera axes, (N,24,3,4)."""
        world = self.body.transforms(pose.to(self._device, self.body.dtype))[:, :, :3].cpu().double()
        rotation, translation = camera.rotation.cpu().double(), camera.translation.cpu().double()
        turned = rotation[:, None] @ world
        turned[..., 3] += translation[:, None]
        return _numpy(turned)

    def _default_light(self, n: int) -> Light:
        options = self._options
        direction, colour = torch.tensor(options.light_direction), torch.tensor(options.light_colour)
        return Light(direction.expand(n, 3), torch.full((n,), options.ambient), colour.expand(n, 3))

    def _check_skeleton(self) -> None:
        """Labels come from ``body``: its joints must be those that the subject's vertices hang on."""
        joints = torch.from_numpy(self._scene.subject.joints).to(self._device)
        distance = float((joints - joints[0] - self.body.rest_joints).norm(dim=-1).max())
        if not distance < 1e-3:
            raise AssetError(
                f"the joints of subject '{self._options.subject}' lie {1000 * distance:.1f} mm from those of its body",
                "reinstall posegen-starter: its body and its subjects are not of one release",
            )


def _numpy(tensor: Tensor) -> Array:
    return np.ascontiguousarray(tensor.detach().cpu().numpy(), dtype=np.float64)


def _check(n: int, pose: Tensor, camera: Camera, light: Light) -> None:
    shapes = {
        "pose": (pose, (n, 23, 3)),
        "camera rotation": (camera.rotation, (n, 3, 3)),
        "camera translation": (camera.translation, (n, 3)),
        "camera intrinsics": (camera.intrinsics, (n, 3, 3)),
        "light direction": (light.direction, (n, 3)),
        "light ambient": (light.ambient, (n,)),
        "light colour": (light.colour, (n, 3)),
    }
    for name, (tensor, shape) in shapes.items():
        if tuple(tensor.shape) != shape:
            raise UsageError(
                f"{name} has shape {tuple(tensor.shape)}, where {shape} is needed",
                "pose is (N,23,3) axis-angle without the root; give one camera and one light for each pose",
            )
        if not bool(torch.isfinite(tensor).all()):
            raise UsageError(f"{name} holds values that are not finite", "a NaN here often comes from a diverged run")
    if bool((light.ambient < 0).any() or (light.ambient > 1).any() or (light.colour < 0).any()):
        raise UsageError("a light is impossible", "ambient is a share in [0,1], and no colour is below 0")
    if camera.width < 1 or camera.height < 1:
        raise UsageError(f"an image of {camera.width} x {camera.height} pixels cannot be drawn", "use 1 x 1 or more")
