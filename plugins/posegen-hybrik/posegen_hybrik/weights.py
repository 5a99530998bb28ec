"""Networks from files: official checkpoints, what fine-tuning wrote, and the open-compact weights."""

from __future__ import annotations

from pathlib import Path

import torch
from posegen_starter import files

from posegen.nn.checkpoint import load_exact, read
from posegen_hybrik.network import HybrikNet
from posegen_hybrik.variant import COMPACT, recognise

OPEN_COMPACT = "estimators/hybrik-open-compact.safetensors"


def load(path: Path) -> HybrikNet:
    """The network in a checkpoint, of the variant that its shapes tell.

    Raises AssetError for a file that is missing, damaged or unsafe, or of another network: with the first difference.
    """
    found = read(path)
    variant = recognise(found.state)
    if variant.smpl:  # every value comes from the file: drawing random ones first would take seconds
        with torch.device("meta"):
            network = HybrikNet(variant)
        network = network.to_empty(device="cpu")
    else:
        network = HybrikNet(variant)
    load_exact(network, found, "hybrik")
    return network


def open_compact() -> Path:
    """The weights of the small network that posegen-starter ships. Raises AssetError where they are damaged."""
    files.read(OPEN_COMPACT)
    return files.DATA / OPEN_COMPACT


def untrained() -> HybrikNet:
    """The small network, from torch's global generator: ``posegen pretrain`` starts here."""
    network = HybrikNet(COMPACT)
    for head in (network.decshape, network.decphi, network.deccam):
        torch.nn.init.xavier_uniform_(head.weight, gain=0.01)  # an untrained network says the mean person
        torch.nn.init.zeros_(head.bias)
    with torch.no_grad():
        network.decphi.bias.view(23, 2)[:, 0] = 1.0  # no twist
    network.init_cam[0] = 0.5  # the crop is two metres wide at the person
    return network
