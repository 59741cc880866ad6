"""What the documentation lists is what there is."""

from pathlib import Path

import pytest

from fer_xai.attributions import ATTRIBUTIONS, CONTROLS
from fer_xai.perturb.fills import FILLS

ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize("registry", [ATTRIBUTIONS, CONTROLS, FILLS], ids=lambda r: r.kind)
def test_every_name_is_listed(registry):
    page = (ROOT / "docs" / "attributions.md").read_text()
    assert [name for name in registry if f"`{name}`" not in page] == []


def test_the_readme_counts_them():
    assert f"[{len(list(ATTRIBUTIONS))} attributions]" in (ROOT / "README.md").read_text()
