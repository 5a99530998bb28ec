"""People that are evaluated on: 3DPW's and AGORA's formats, bodies of random numbers, and an oracle that knows them."""

from __future__ import annotations

import io
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from rich.console import Console

from posegen import assets
from posegen.datasets.records import Record
from posegen.datasets.registry import open_dataset
from posegen.datasets.threedpw import ThreeDPW
from posegen.scoring.meshes import Meshes
from posegen.scoring.stage import Request, measure
from posegen.settings import Settings
from posegen.types import Estimate

from .fixtures_agora import Crowd
from .fixtures_threedpw import FRAMES, sequence, threedpw

SETTINGS = Settings()
V = 60  # vertices of the bodies here: SMPL's format with none of its numbers
REGRESSOR = np.random.default_rng(9).random((17, V)) ** 6
REGRESSOR /= REGRESSOR.sum(1, keepdims=True)


def smpl(seed: int) -> dict[str, np.ndarray]:
    rng = np.random.default_rng(seed)
    parents = [-1, 0, 0, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 9, 9, 12, 13, 14, 16, 17, 18, 19, 20, 21]
    template = rng.uniform(-0.9, 0.9, (V, 3))
    weights = rng.random((V, 24)) ** 8
    regressor = rng.random((24, V)) ** 6
    return {
        "v_template": template,
        "shapedirs": 0.02 * rng.standard_normal((V, 3, 10)),
        "posedirs": 0.002 * rng.standard_normal((V, 3, 207)),
        "weights": weights / weights.sum(1, keepdims=True),
        "J_regressor": regressor / regressor.sum(1, keepdims=True),
        "kintree_table": np.array([np.array(parents) % 2**32, np.arange(24)], dtype=np.uint32),
        "f": rng.integers(0, V, (20, 3)).astype(np.uint32),
    }


class Oracle:
    """Reads from each picture's grey which person it shows, and says what a table has for that person."""

    joint_set, input_size, differentiable, module, lr, frozen = "smpl24", 8, False, None, 1e-4, ()

    def __init__(self, pose: torch.Tensor, betas: torch.Tensor, joints: torch.Tensor) -> None:
        self.pose, self.betas, self.joints, self.seen, self.stop_at = pose, betas, joints, 0, 10**9

    def crop(self, image, box):
        x, y = (box[0, :2] + box[0, 2:]).div(2).long().tolist()
        return image[:, :, y : y + 1, x : x + 1].expand(1, 3, 8, 8)

    def predict(self, crop):
        if self.seen + len(crop) > self.stop_at:
            raise KeyboardInterrupt
        self.seen += len(crop)
        rows = ((crop.mean(dim=(1, 2, 3)) * 255).round().long() - 10) // 10
        rows = rows.clamp(0, len(self.pose) - 1)
        pose = self.pose[rows]
        return Estimate(self.joints[rows], pose[:, 1:], pose[:, 0], self.betas[rows])


def grey(path: Path, spots: list[tuple[float, float, int]]) -> None:
    """A picture in which person ``row`` is a spot of grey 10 + 10 row, so that pictures and rows cannot be mixed up."""
    pixels = np.zeros((1920, 1080, 3), dtype=np.uint8)
    for x, y, row in spots:
        pixels[int(y) - 30 : int(y) + 30, int(x) - 30 : int(x) + 30] = 10 + 10 * row
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(pixels).save(path, quality=95)


def people_of_3dpw(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[Path, list[Record], Oracle]:
    """3DPW with nine people, the bodies of three genders, and an oracle whose table differs from the truth."""
    monkeypatch.setenv("POSEGEN_CONFIG_DIR", str(tmp_path / "config"))
    content = sequence()
    for person, points in enumerate(content["poses2d"]):
        points[:, 0] += 250 * (person - 0.5)  # the two stand apart
    root = threedpw(tmp_path / "3dpw", {"downtown_test_00": content})
    dataset = ThreeDPW(root, "test")
    records = list(dataset)
    for frame in range(FRAMES):
        name = f"image_{frame:05d}.jpg"
        spots = [
            ((r.box[0] + r.box[2]).item() / 2, (r.box[1] + r.box[3]).item() / 2, row)
            for row, r in enumerate(records) if r.image.name == name
        ]  # fmt: skip
        grey(root / "imageFiles/downtown_test_00" / name, spots)
    for i, gender in enumerate(("neutral", "male", "female")):
        np.savez(tmp_path / f"{gender}.npz", **smpl(i))
        assets.register(f"smpl-{gender}", tmp_path / f"{gender}.npz")
    np.save(tmp_path / "J_regressor_h36m.npy", REGRESSOR)
    assets.register("h36m-regressor", tmp_path / "J_regressor_h36m.npy")
    monkeypatch.setattr(Meshes, "check_order", lambda self: None)  # a body of random numbers has no left hip
    rng = torch.Generator().manual_seed(0)
    pose = torch.stack([r.pose for r in records]) + 0.1 * torch.randn(9, 24, 3, generator=rng)
    joints = torch.stack([r.joints for r in records]) + 0.05 * torch.randn(9, 24, 3, generator=rng)
    return root, records, Oracle(pose, torch.randn(9, 10, generator=rng), joints)


def people_of_agora(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[Path, list[Record], Oracle, Callable]:
    """AGORA with two people in each of four pictures, and an oracle that knows them."""
    monkeypatch.setenv("POSEGEN_CONFIG_DIR", str(tmp_path / "config"))
    people = Crowd()
    root = tmp_path / "agora"
    people.write(root)
    for name in dict.fromkeys(people.columns["imgPath"]):
        path = root / "validation" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.new("RGB", (3840, 2160)).save(path, compress_level=1)
    np.savez(tmp_path / "neutral.npz", **smpl(0))
    assets.register("smpl-neutral", tmp_path / "neutral.npz")
    dataset = open_dataset("agora", "validation", root)
    records = list(dataset)
    rng = torch.Generator().manual_seed(0)
    missing = torch.zeros(24, 3)
    pose = torch.stack([missing if r.pose is None else r.pose for r in records])
    joints = torch.stack([r.joints for r in records]) + 0.05 * torch.randn(len(records), 24, 3, generator=rng)
    oracle = Oracle(pose, torch.zeros(len(records), 10), joints)
    order = iter(range(10**6))

    def in_order(crop):
        rows = torch.tensor([next(order) % len(records) for _ in crop])
        return Estimate(joints[rows], pose[rows, 1:], pose[rows, 0], oracle.betas[rows])

    oracle.predict = lambda crop: Estimate(joints[:1], pose[:1, 1:], pose[:1, 0], oracle.betas[:1])
    return root, records, oracle, in_order


def spoken(request: Request, oracle: Oracle) -> tuple[dict, str]:
    text = io.StringIO()
    result = measure(oracle, SETTINGS, request, Console(file=text, width=200))
    return result, text.getvalue()
