"""A field's weights, prepared: exactly the same function, in fewer and larger matrix products.

The feature layer has no activation and is folded into the colour layer; what is concatenated for the skip is two
products instead; inputs are reordered as ``encode`` writes them and padded for the matrix unit. Only gradients towards
the inputs exist: the weights are frozen.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional as F

from posegen_anerf.config import FieldConfig
from posegen_anerf.field import Field

BATCH = 2048
"""Samples in a batch: its activations stay in a core's cache."""


class Product:
    """x @ weight.T + bias. packed: the weights in oneDNN's own order, without a graph."""

    def __init__(self, weight: Tensor, bias: Tensor | None, dtype: torch.dtype, packed: bool) -> None:
        self._bias = None if bias is None else bias.to(dtype)
        self._weight = weight.to(dtype).contiguous()
        self._packed = packed
        if packed:
            self._weight = torch.ops.mkldnn._reorder_linear_weight(self._weight, BATCH)

    def __call__(self, x: Tensor, relu: bool = False, plus: Tensor | None = None) -> Tensor:
        """(B,inputs) -> (B,outputs), rectified, or with ``plus`` (B,outputs) added."""
        if self._packed:
            product = torch.ops.mkldnn._linear_pointwise
            out: Tensor
            if plus is None:
                out = product(x, self._weight, self._bias, "relu" if relu else "none", [], "")
            else:
                out = product.binary(x, plus, self._weight, self._bias, "add")
            return out
        y = F.linear(x, self._weight, self._bias)
        if plus is not None:
            y = y + plus
        return y.relu_() if relu else y


class Layer:
    """A product and the one that takes gradients back through it."""

    def __init__(self, weight: Tensor, bias: Tensor | None, dtype: torch.dtype, packed: bool) -> None:
        self.forward = Product(weight, bias, dtype, packed)
        self.backward = Product(weight.t(), None, dtype, packed)


class Network:
    """``Field`` for samples as ``encode`` and ``view`` write them.

    inputs: columns of a batch of features.  late: columns of a batch for the colour layer, of which the first
    ``width`` are the trunk's last units and the next are ``view``'s.
    """

    def __init__(self, field: Field, dtype: torch.dtype, frame: int | None = None, packed: bool = True) -> None:
        """frame: whose frame code colours, None is the mean code.  packed: for the kernels; False keeps a graph."""
        knows = dtype != torch.bfloat16 or torch.ops.mkldnn._is_mkldnn_bf16_supported()
        packed = packed and torch.backends.mkldnn.is_available() and knows  # else oneDNN raises: AVX2 has no bfloat16
        config: FieldConfig = field.config
        self.config, self.dtype = config, dtype
        w = {k: v.detach().float() for k, v in field.state_dict().items()}
        self.width, size = config.width, config.point_size
        order = _order(size)
        self.inputs, self.late = _pad(size), _pad(self.width + config.view_size)
        layers = [(w[f"pts_linears.{i}.weight"], w[f"pts_linears.{i}.bias"]) for i in range(config.depth)]
        self._skip = config.skip + 1 if config.skip + 1 < config.depth else None
        pad = (0, self.inputs - size)
        self._first = Layer(F.pad(layers[0][0][:, order], pad), layers[0][1], dtype, packed)
        if self._skip is not None:
            weight, bias = layers[self._skip]
            self._again = Layer(F.pad(weight[:, :size][:, order], pad), bias, dtype, packed)
            layers[self._skip] = weight[:, size:], None
        self._layers = [Layer(weight, bias, dtype, packed) for weight, bias in layers[1:]]
        scale = 1 / config.density_scale
        self.density = scale * w["alpha_linear.weight"], scale * w["alpha_linear.bias"]
        self.rgb = w["rgb_linear.weight"], w["rgb_linear.bias"]
        folded, seen = w["views_linears.0.weight"].split(
            [self.width, w["views_linears.0.weight"].shape[1] - self.width], 1
        )
        bias = w["views_linears.0.bias"] + folded @ w["feature_linear.bias"]
        if field.framecodes is not None:
            codes = w["framecodes.codes.weight"]
            bias = bias + seen[:, config.view_size :] @ (codes.mean(0) if frame is None else codes[frame])
        late = torch.cat([folded @ w["feature_linear.weight"], seen[:, : config.view_size][:, _view_order(config)]], 1)
        self._late = Layer(F.pad(late, (0, self.late - late.shape[1])), bias, dtype, packed)

    def trunk(self, x: Tensor) -> list[Tensor]:
        """Features (B,inputs) -> the hidden units (B,width) of every layer, the last one last."""
        return list(self._layer_by_layer(x))

    def last(self, x: Tensor) -> Tensor:
        """The last one of ``trunk``: the others are forgotten on the way and leave the core's cache to the next."""
        (units,) = deque(self._layer_by_layer(x), maxlen=1)
        return units

    def _layer_by_layer(self, x: Tensor) -> Iterator[Tensor]:
        units = self._first.forward(x, relu=True)
        yield units
        for i, layer in enumerate(self._layers, 1):
            if i == self._skip:
                units = layer.forward(units, plus=self._again.forward(x)).relu_()
            else:
                units = layer.forward(units, relu=True)
            yield units

    def trunk_gradient(self, gradient: Tensor, hidden: list[Tensor]) -> Tensor:
        """dL/d(last hidden units) (B,width) -> dL/dfeatures (B,inputs)."""
        skipped = None
        for i in range(len(self._layers), 0, -1):
            gradient = torch.ops.aten.threshold_backward(gradient, hidden[i], 0)
            if i == self._skip:
                skipped = gradient
            gradient = self._layers[i - 1].backward(gradient)
        gradient = torch.ops.aten.threshold_backward(gradient, hidden[0], 0)
        return self._first.backward(gradient, plus=None if skipped is None else self._again.backward(skipped))

    def colour(self, late: Tensor) -> Tensor:
        """(B,late) -> the colour layer's units (B,view_width)."""
        return self._late.forward(late, relu=True)

    def colour_gradient(self, gradient: Tensor) -> Tensor:
        """dL/d(units before their relu) (B,view_width) -> dL/dlate (B,late)."""
        return self._late.backward(gradient)


def bits(x: Tensor) -> NDArray[np.uint16] | NDArray[np.float32]:
    """The same memory for the kernels: bfloat16 as uint16, float32 as it is."""
    array: NDArray[np.uint16] = (
        (x.view(torch.int16).numpy().view(np.uint16)) if x.dtype == torch.bfloat16 else x.numpy()
    )
    return array


def _pad(size: int) -> int:
    return (size + 31) // 32 * 32


def _order(size: int) -> Tensor:
    """Directions to the joints go from joint-major to axis-major; the distances stay."""
    bones = torch.arange(size - 72, size).reshape(24, 3).t().flatten()
    return torch.cat([torch.arange(size - 72), bones])


def _view_order(config: FieldConfig) -> Tensor:
    return torch.arange(config.view_size).reshape(-1, 24, 3).transpose(1, 2).flatten()
