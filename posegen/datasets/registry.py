"""The datasets by name: where each one's loader is, its splits, its options, and the protocols that judge it.

A loader is a ``posegen.datasets.records.Dataset`` that is built as ``Loader(root, split, **options)``. Its module is
imported when the dataset is opened, not before.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from posegen import assets
from posegen.errors import AssetError, UsageError, nearest

if TYPE_CHECKING:
    from posegen.datasets.records import Dataset


@dataclass(frozen=True, slots=True)
class KnownDataset:
    """One dataset.

    target: ``module:Class`` of its loader.  splits: the usual one for an evaluation first.  protocols: the default one
    first, none where there is nothing to judge.  asset: the registered folder, empty for data without a fixed place.
    fixed: keyword arguments of the loader that make this dataset of it.  options: those that a user may give, and what
    each takes.  scans: it tells its ``progress``.  posed: a record can have SMPL's pose, and so the joints of any set.
    """

    name: str
    target: str
    summary: str
    splits: tuple[str, ...] = ("all",)
    protocols: tuple[str, ...] = ()
    asset: str = ""
    fixed: Mapping[str, str] = field(default_factory=dict)
    options: Mapping[str, type[str] | type[int] | type[float]] = field(default_factory=dict)
    scans: bool = False
    posed: bool = True


DATASETS: dict[str, KnownDataset] = {
    d.name: d
    for d in (
        KnownDataset(
            "3dpw",
            "posegen.datasets.threedpw:ThreeDPW",
            "3D Poses in the Wild",
            ("test", "validation", "train"),
            ("3dpw/spin", "3dpw/challenge", "3dpw/vibe", "3dpw/limbs"),
            "3dpw",
            scans=True,
        ),
        KnownDataset(
            "agora",
            "posegen.datasets.agora:Agora",
            "AGORA with its SMPL ground truth",
            ("validation", "train"),
            ("agora/official", "agora/crops", "agora/limbs"),
            "agora",
            scans=True,
        ),
        KnownDataset(
            "agora-smplx",
            "posegen.datasets.agora:Agora",
            "AGORA with its SMPL-X ground truth",
            ("validation", "train"),
            ("agora-smplx/limbs",),
            "agora",
            {"model": "smplx"},
            scans=True,
        ),
        KnownDataset(
            "ski",
            "posegen.datasets.skipose:SkiPose",
            "SKI-Pose PTZ",
            ("test", "train"),
            ("ski/ptz", "ski/limbs"),
            "ski-pose",
            posed=False,
        ),
        KnownDataset(
            "3dhp",
            "posegen.datasets.mpi_inf_3dhp:Mpi3DHP",
            "MPI-INF-3DHP",
            ("test", "train"),
            ("3dhp/official", "3dhp/spin", "3dhp/limbs"),
            "mpi-inf-3dhp",
            options={"skeleton": str, "step": int},
            posed=False,
        ),
        KnownDataset(
            "h36m",
            "posegen.datasets.h36m:Human36M",
            "Human3.6M, as VideoPose3D or SPIN prepare it",
            ("test", "train"),
            ("h36m/p1", "h36m/p2", "h36m/videopose3d", "h36m/limbs"),
            "h36m",
            options={"layout": str, "step": int},
        ),
        KnownDataset(
            "amass",
            "posegen.datasets.amass:Amass",
            "AMASS motion capture: poses without images",
            ("all", "train", "validation", "test"),
            asset="amass",
            options={"fps": float, "trim": float, "hands": str, "release": str},
            scans=True,
        ),
        KnownDataset(
            "surreal",
            "posegen.datasets.surreal:Surreal",
            "SURREAL: poses without images",
            ("test", "validation", "train"),
            asset="surreal",
            scans=True,
        ),
        KnownDataset(
            "bvh",
            "posegen.datasets.bvh:Bvh",
            "a folder of BVH motion files: poses without images",
            options={"metres_per_unit": float},
        ),
        KnownDataset(
            "npz",
            "posegen.datasets.npz:Npz",
            "an npz of SPIN, BEDLAM or 4D-Humans, images beside it",
            protocols=("npz/limbs",),
            options={"part_order": str},
        ),
        KnownDataset(
            "generated",
            "posegen.datasets.generated_records:Generated",
            "what posegen generate wrote",
            protocols=("generated/limbs",),
        ),
    )
}


def known(name: str) -> KnownDataset:
    """The dataset of that name. Raises UsageError with the nearest name."""
    if name not in DATASETS:
        hint = nearest(name, tuple(DATASETS)) or f"choose among {', '.join(DATASETS)}"
        raise UsageError(f"there is no dataset '{name}'", hint)
    return DATASETS[name]


def place(name: str, root: Path | None) -> Path:
    """Where a dataset is, the registered folder without ``root``.

    Raises UsageError for a dataset that cannot be registered, AssetError where nothing is, or what may not be read.
    """
    if root is None:
        if not known(name).asset:
            raise UsageError(f"dataset '{name}' has no registered place", f"give it: {name}:PATH")
        root = assets.find(known(name).asset)
    try:
        if not root.exists():
            raise AssetError(f"{root} does not exist", f"give {name}:PATH")
        if root.is_dir():
            next(root.iterdir(), None)  # the loaders' patterns find nothing in a folder that may not be listed
    except OSError as error:
        raise AssetError(f"{root} cannot be read: {error.strerror}", "see to its permissions") from error
    return root


def open_dataset(
    name: str,
    split: str | None = None,
    root: Path | None = None,
    progress: Callable[[int, int], None] | None = None,
    options: Mapping[str, Any] | None = None,
) -> Dataset:
    """One split of a dataset, lazily; the usual one without ``split``, from the registered folder without ``root``.

    progress: called with the number of files scanned, and of all, where the loader has to look into each of them.
    options: keyword arguments of its loader. Raises UsageError for an unknown name, split or option's value, AssetError
    where nothing is registered or what is there cannot be this dataset.
    """
    entry = known(name)
    split = split or entry.splits[0]
    if split not in entry.splits:
        hint = nearest(split, entry.splits) or f"choose among {', '.join(entry.splits)}"
        raise UsageError(f"dataset '{name}' has no split '{split}'", hint)
    given, root = root is not None, place(name, root)
    module, _, attribute = entry.target.partition(":")
    loader = getattr(importlib.import_module(module), attribute)
    telling = {"progress": progress} if entry.scans else {}
    try:
        dataset: Dataset = loader(root, split, **entry.fixed, **(options or {}), **telling)
    except AssetError as error:
        if given:  # the loaders' advice is for a folder that is registered
            error.hint = error.hint.replace(f"posegen assets set {entry.asset} ", f"give {name}:")
        raise
    return dataset
