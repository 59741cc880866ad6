import subprocess
import sys

import pytest

from fer_xai.errors import FerXaiError, UnknownNameError
from fer_xai.registry import Registry


def test_duplicate_names_raise():
    registry = Registry("thing", {})
    registry.register("a")(object())
    with pytest.raises(FerXaiError, match="The thing name 'a' is taken"):
        registry.register("a")(object())


def test_unknown_names_suggest_the_close_ones():
    registry = Registry("model", {"gimefive": "nowhere", "resnet18": "nowhere"})
    with pytest.raises(
        UnknownNameError, match=r"^Unknown model 'gimefife': did you mean gimefive\?$"
    ):
        registry["gimefife"]
    with pytest.raises(UnknownNameError, match="choose from gimefive, resnet18"):
        registry["xyz"]


def test_every_registered_name_can_be_had():
    from fer_xai.attributions import ATTRIBUTIONS, CONTROLS
    from fer_xai.data import DATASETS
    from fer_xai.models import MODELS
    from studies.registry import STUDIES

    for registry in (ATTRIBUTIONS, CONTROLS, DATASETS, MODELS, STUDIES):
        for name in registry:
            assert registry[name] is not None


def test_listing_studies_imports_nothing_heavy():
    code = (
        "import sys; from studies.run import main; main(['--list']);"
        "sys.exit(any(name in sys.modules for name in ('torch', 'pandas', 'numpy')))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0
    assert "gradcam_consistency" in done.stdout
