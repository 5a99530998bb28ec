import pytest

from posegen.testing import Check, checks


@pytest.mark.parametrize("ik", ["differentiable", "official"])
@pytest.mark.parametrize("check", checks("estimator"), ids=str)
def test_conforms(check: Check, ik: str) -> None:
    """On the open weights, in float32: bfloat16's rounding hides what a small step does."""
    check("hybrik", {"ik": ik, "precision": "float32"})
