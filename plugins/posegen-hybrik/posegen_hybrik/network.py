"""HybrIK's networks under their published names: what they see in a crop, before any geometry."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from posegen.nn.hrnet import HRNet
from posegen.nn.precision import Precision, autocast
from posegen.nn.resnet import ResNet
from posegen_hybrik.heatmap import expected, marginals, mirror
from posegen_hybrik.open_body import open_skeleton
from posegen_hybrik.skeleton import JOINTS, mirrored
from posegen_hybrik.smpl import RestJoints, Smpl
from posegen_hybrik.variant import Variant

STATISTICS = ((0.406, 0.457, 0.480), (0.225, 0.224, 0.229))
"""Mean and deviation of the channels R, G, B. They are those of B, G, R, in training too, so they must stay."""


@dataclass(frozen=True, slots=True)
class Seen:
    """uvd: (N,J,3), place in the crop as ``heatmap.expected`` gives it.  betas: (N,10).  phi: (N,23,2), twists.

    camera: (N,3) scale and shift, or (N,1) scale.  ends: (N,5,4), quaternions of the 24-joint variant.
    sigma: (N,29), uncertainty in [0,1].  along: ``marginals`` of the heatmaps, of one look at the crop as it is.
    """

    uvd: Tensor
    betas: Tensor
    phi: Tensor
    camera: Tensor | None
    ends: Tensor | None
    sigma: Tensor | None
    along: tuple[Tensor, Tensor, Tensor] | None = None


class HybrikNet(nn.Module):
    """A network of one ``Variant``; its state dict is the published one's, key by key (``smpl.`` and ``init_`` too)."""

    init_shape: Tensor
    init_cam: Tensor

    def __init__(self, variant: Variant) -> None:
        super().__init__()
        self.variant = variant
        heatmaps = variant.joints * variant.depth
        if variant.backbone == "hrnet":
            self.preact: HRNet | ResNet = HRNet(variant.width, heatmaps)
            code = self.preact.width_out
        else:
            self.preact = ResNet(variant.blocks, bottleneck=False, width=variant.width)
            features, code = self.preact.width_out, variant.hidden
            self.deconv_layers = _deconvolutions(features, variant.deconv, variant.deconvs)
            self.final_layer = nn.Conv2d(variant.deconv, heatmaps, 1)
            self.fc1, self.drop1 = nn.Linear(features, code), nn.Dropout(variant.dropout)
            self.fc2, self.drop2 = nn.Linear(code, code), nn.Dropout(variant.dropout)
        self.smpl = Smpl(variant.joints) if variant.smpl else RestJoints(*open_skeleton())
        self.register_buffer("init_shape", torch.zeros(10))
        self.decshape = nn.Linear(code, 10)
        self.decphi = nn.Linear(code, 23 * 2)
        if variant.joints == JOINTS:
            self.decleaf = nn.Linear(code, 5 * 4)
        if variant.camera:
            self.register_buffer("init_cam", torch.tensor([0.9, 0.0, 0.0])[: variant.camera])
            self.deccam = nn.Linear(code, variant.camera)
        if variant.sigma:
            self.decsigma = nn.Linear(code, variant.joints)

    def forward(self, crop: Tensor, flip: bool = False, precision: Precision = "float32") -> Seen:
        """crop (N,3,S,S), RGB in [0,1]. ``flip`` averages with what is seen in the mirrored crop, as is published.

        precision: of the convolutions; the rest is float32.
        """
        image = normalised(crop)
        return self.averaged(image, precision) if flip else self.look(image, precision)

    def averaged(self, image: Tensor, precision: Precision = "float32") -> Seen:
        """What is seen in an image (N,3,S,S) and in its mirror image, together: the published flip test."""
        return _average(self.look(image, precision), self.look(image.flip(-1), precision, mirrored=True))

    def look(self, image: Tensor, precision: Precision = "float32", mirrored: bool = False) -> Seen:
        """image (N,3,S,S) in the network's own channel statistics. ``mirrored``: it is, and what is seen is not."""
        with autocast(precision, image.device):
            heatmaps, features = self._features(image.contiguous(memory_format=torch.channels_last))
        if mirrored and self.variant.camera:
            heatmaps = mirror(heatmaps, self.variant.joints)
        code = self._code(features.float().mean((2, 3)))
        along = marginals(heatmaps, self.variant.joints)
        seen = Seen(
            uvd=expected(along),
            betas=self.decshape(code) + self.init_shape,
            phi=self.decphi(code).reshape(-1, 23, 2),
            camera=self._camera(code) if self.variant.camera else None,
            ends=self.decleaf(code).reshape(-1, 5, 4) if self.variant.joints == JOINTS else None,
            sigma=self.decsigma(code).sigmoid() if self.variant.sigma else None,
            along=along,
        )
        return _unmirrored(seen) if mirrored else seen

    def _features(self, image: Tensor) -> tuple[Tensor, Tensor]:
        """-> heatmaps (N,J*D,H,W) and the deepest features (N,C,h,w)."""
        if self.variant.backbone == "hrnet":
            features, heatmaps = self.preact(image)
            return heatmaps, features
        features = self.preact(image)
        return self.final_layer(self.deconv_layers(features)), features

    def _code(self, pooled: Tensor) -> Tensor:
        if self.variant.backbone == "hrnet":
            return pooled
        code: Tensor = self.drop2(self.fc2(self.drop1(self.fc1(pooled))))
        return code

    def _camera(self, code: Tensor) -> Tensor:
        change: Tensor = self.deccam(code)
        # A scale near zero puts the person at any distance; while the small network learns it must not come there.
        return change + self.init_cam if self.variant.smpl else self.init_cam * change.tanh().exp()


def normalised(crop: Tensor) -> Tensor:
    """RGB in [0,1] -> the network's own statistics."""
    mean, deviation = (crop.new_tensor(values)[:, None, None] for values in STATISTICS)
    return (crop - mean) / deviation


def _deconvolutions(width_in: int, width: int, count: int) -> nn.Sequential:
    layers: list[nn.Module] = []
    for channels in (width_in, *[width] * (count - 1)):
        layers += [nn.ConvTranspose2d(channels, width, 4, 2, 1, bias=False), nn.BatchNorm2d(width)]
        layers += [nn.ReLU(inplace=True)]
    return nn.Sequential(*layers)


def _unmirrored(seen: Seen) -> Seen:
    """What was seen in a mirrored crop as it is in the crop; with a camera head the heatmaps were turned round."""
    places, pairs = mirrored(seen.uvd.shape[1]), [joint - 1 for joint in mirrored(JOINTS)[1:]]
    uvd, camera, ends, sigma = seen.uvd, seen.camera, seen.ends, seen.sigma
    if camera is None:
        uvd = (uvd * uvd.new_tensor([-1.0, 1.0, 1.0]))[:, places]
    else:
        camera = camera * camera.new_tensor([1.0, -1.0, 1.0])[: camera.shape[1]]
    if ends is not None:
        ends = (ends * ends.new_tensor([1.0, 1.0, -1.0, -1.0]))[:, [1, 0, 2, 4, 3]]
    if sigma is not None:
        sigma = sigma[:, places]
    return Seen(uvd, seen.betas, (seen.phi * seen.phi.new_tensor([1.0, -1.0]))[:, pairs], camera, ends, sigma)


def _average(a: Seen, b: Seen) -> Seen:
    """The mean of both, but for a camera of a scale alone, where it is the mean depth."""

    def mean(x: Tensor | None, y: Tensor | None) -> Tensor | None:
        return None if x is None or y is None else (x + y) / 2

    camera = mean(a.camera, b.camera)
    if a.camera is not None and b.camera is not None and a.camera.shape[1] == 1:
        camera = 2 / (1 / a.camera + 1 / b.camera)
    uvd, betas, phi = (a.uvd + b.uvd) / 2, (a.betas + b.betas) / 2, (a.phi + b.phi) / 2
    return Seen(uvd, betas, phi, camera, mean(a.ends, b.ends), mean(a.sigma, b.sigma))
