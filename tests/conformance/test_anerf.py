"""Both marches, on a small field that is a person without training."""

import pytest
from anerf_people import SMALL, person
from posegen_anerf.fast.calibrate import calibrate

from posegen.testing import checks

FEW = SMALL.model_copy(update={"samples": 16, "importance": 8, "multires": 1, "multires_views": 0})


@pytest.fixture(scope="module", params=["fast", "reference"])
def options(request, tmp_path_factory):
    path = tmp_path_factory.mktemp("anerf") / "person.safetensors"
    made = person(SMALL if request.param == "fast" else FEW)
    if request.param == "fast":
        made.margins = calibrate(made, views=16)
    made.save(path)
    return {"subject": str(path), "march": request.param}


@pytest.mark.parametrize("check", checks("renderer"), ids=str)
def test_anerf_conforms(check, options):
    check("anerf", options=options)
