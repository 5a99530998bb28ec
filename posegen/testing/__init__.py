"""The conformance kit: what every component must hold to, as checks that a plugin's own tests run.

The whole test of a plugin:

    import pytest
    from posegen.testing import checks

    @pytest.mark.parametrize("check", checks("estimator"), ids=str)
    def test_conforms(check):
        check("mine")  # or check(MyClass), check("mine", options={"variant": "large"})

Without pytest, ``posegen.testing.check("estimator", "mine")`` runs them all and names every one that fails. Checks draw
from fixed seeds, need no file but the component's own, and take seconds.
"""

from __future__ import annotations

from posegen.testing.kit import Case, Check, ConformanceError
from posegen.testing.run import check, checks

__all__ = ["Case", "Check", "ConformanceError", "check", "checks"]
