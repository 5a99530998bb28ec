"""Reading weights: the published ones, in the order of their graph, and fine-tuned ones, by name."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor, nn

from posegen.errors import AssetError

FORMAT = "posegen-conv-graph-1"
REINSTALL = "reinstall the file: pip install --force-reinstall --no-deps posegen-starter"


def read_tensors(path: Path, hint: str) -> dict[str, Tensor]:
    """The tensors of a safetensors file, as float32.

    Raises AssetError if the file is missing, truncated, not safetensors, or holds values that are not finite.
    """
    try:
        tensors = {name: tensor.float() for name, tensor in load_file(path).items()}
    except (OSError, SafetensorError) as error:
        raise AssetError(f"cannot read the weights {path}: {error}", hint) from error
    for name, tensor in tensors.items():
        if not torch.isfinite(tensor).all():
            raise AssetError(f"{path}: the tensor '{name}' holds values that are not finite", hint)
    return tensors


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
    tensors = read_tensors(weights, REINSTALL)
    convolutions = [(name, layer) for name, layer in network.named_modules() if isinstance(layer, nn.Conv2d)]
    if len(operations) != len(convolutions):
        raise AssetError(f"{graph}: {len(operations)} convolutions, the network has {len(convolutions)}", REINSTALL)
    for (name, layer), operation in zip(convolutions, operations, strict=True):
        described = (list(layer.kernel_size), layer.stride[0], layer.groups)
        if (found := tuple(operation.get(key) for key in ("kernel", "stride", "groups"))) != described:
            raise AssetError(f"{graph}: {name} has kernel, stride, groups {found}, expected {described}", REINSTALL)
        for parameter, key in ((layer.weight, operation.get("weight")), (layer.bias, operation.get("bias"))):
            _fill(parameter, tensors, key, f"{weights}: {name}", REINSTALL)


def load_checkpoint(network: nn.Module, path: Path) -> None:
    """Fill the network with fine-tuned weights, named as in ``state_dict``.

    Raises AssetError naming the first key or shape that differs.
    """
    hint = "give weights that fine-tuning this variant wrote, or leave 'checkpoint' out for the published ones"
    tensors = read_tensors(path, hint)
    state = dict(network.named_parameters())
    for name, parameter in state.items():
        _fill(parameter, tensors, name, str(path), hint)
    if unknown := sorted(tensors.keys() - state.keys()):
        raise AssetError(f"{path}: the network has no tensor '{unknown[0]}'", hint)


def _fill(parameter: Tensor | None, tensors: dict[str, Tensor], key: str | None, where: str, hint: str) -> None:
    if parameter is None or key not in tensors:
        raise AssetError(f"{where}: the tensor '{key}' is missing", hint)
    if parameter.shape != tensors[key].shape:
        found, expected = tuple(tensors[key].shape), tuple(parameter.shape)
        raise AssetError(f"{where}: the tensor '{key}' has shape {found}, expected {expected}", hint)
    with torch.no_grad():
        parameter.copy_(tensors[key])
