from pathlib import Path

import pytest
import torch
from posegen_hybrik.weights import untrained
from safetensors.torch import save_file

from posegen.testing import Check, checks


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Random weights of the small network, with heatmaps as distinct as a trained one's."""
    with torch.random.fork_rng():
        torch.manual_seed(0)
        network = untrained()
    with torch.no_grad():
        network.final_layer.weight.mul_(300)
    path = tmp_path_factory.mktemp("hybrik") / "random.safetensors"
    save_file({name: value.contiguous() for name, value in network.state_dict().items()}, path)
    return path


@pytest.mark.parametrize("ik", ["differentiable", "official"])
@pytest.mark.parametrize("check", checks("estimator"), ids=str)
def test_conforms(check: Check, ik: str, checkpoint: Path) -> None:
    check("hybrik", {"checkpoint": str(checkpoint), "ik": ik})
