"""Reading the published weights, in the order of their graph."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from posegen.errors import AssetError
from posegen.nn.checkpoint import load_tensors

FORMAT = "posegen-conv-graph-1"
REINSTALL = "reinstall the file: pip install --force-reinstall --no-deps posegen-starter"


def read_convolutions(path: Path) -> list[dict[str, Any]]:
    """The convolutions of the published graph, in order. Raises AssetError if the file is not such a graph."""
    try:
        graph = json.loads(path.read_text(encoding="utf-8"))
        if graph["format"] != FORMAT:
            raise AssetError(f"{path}: the format is '{graph['format']}', not '{FORMAT}'", REINSTALL)
        return [op for op in graph["ops"] if op["op"] == "conv"]
    except (OSError, ValueError) as error:
        raise AssetError(f"cannot read the graph {path}: {error}", REINSTALL) from error
    except (KeyError, TypeError) as error:
        raise AssetError(f"{path} is not a {FORMAT} graph (missing or misplaced: {error})", REINSTALL) from error


def load_published(network: nn.Module, graph: Path, weights: Path) -> None:
    """Fill the network with the published weights (float16 in the file, float32 in the network).

    Every convolution is compared with the graph: kernel, stride, groups, shapes. Raises AssetError at the first
    difference.
    """
    operations = read_convolutions(graph)
    tensors = load_tensors(weights, REINSTALL)
    convolutions = [(name, layer) for name, layer in network.named_modules() if isinstance(layer, nn.Conv2d)]
    if len(operations) != len(convolutions):
        raise AssetError(f"{graph}: {len(operations)} convolutions, the network has {len(convolutions)}", REINSTALL)
    for (name, layer), operation in zip(convolutions, operations, strict=True):
        described = (list(layer.kernel_size), layer.stride[0], layer.groups)
        if (found := tuple(operation.get(key) for key in ("kernel", "stride", "groups"))) != described:
            raise AssetError(f"{graph}: {name} has kernel, stride, groups {found}, expected {described}", REINSTALL)
        for parameter, key in ((layer.weight, operation.get("weight")), (layer.bias, operation.get("bias"))):
            _fill(parameter, tensors, key, f"{weights}: {name}")


def _fill(parameter: Tensor | None, tensors: dict[str, Tensor], key: str | None, where: str) -> None:
    if parameter is None or key not in tensors:
        raise AssetError(f"{where}: the tensor '{key}' is missing", REINSTALL)
    if parameter.shape != tensors[key].shape:
        found, expected = tuple(tensors[key].shape), tuple(parameter.shape)
        raise AssetError(f"{where}: the tensor '{key}' has shape {found}, expected {expected}", REINSTALL)
    if not torch.isfinite(tensors[key]).all():
        raise AssetError(f"{where}: the tensor '{key}' holds values that are not finite", REINSTALL)
    with torch.no_grad():
        parameter.copy_(tensors[key])
