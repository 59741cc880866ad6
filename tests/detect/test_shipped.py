"""Weights of the built-in provider that come with the package, each where it is there."""

import pytest
import torch

from fer_xai.data.datasets.synthetic import synthetic_faces
from fer_xai.detect import locate, point_errors
from fer_xai.detect.providers.builtin import SHIPPED, shipped_file

NAMES = [name for name in SHIPPED if shipped_file(name) is not None]


@pytest.fixture(scope="module")
def portraits():
    return synthetic_faces(24, style="studio")


@pytest.mark.parametrize("name", NAMES)
def test_a_file_is_small_and_has_a_card(name):
    path = shipped_file(name)
    assert path.stat().st_size <= 2 * 2**20
    card = path.with_suffix(".md").read_text(encoding="utf-8")
    assert "68 landmarks" in card
    assert ("**Licence.** RAF-DB may be used for non-commercial" in card) == (name == "rafdb")


@pytest.mark.parametrize("name", NAMES)
def test_points_lie_on_built_in_faces(name, portraits):
    found = locate(portraits, f"builtin:{name}", cache=None)
    assert found.provider == f"builtin:{name}"
    assert found.found.mean() > 0.9
    errors = point_errors(found.points, portraits.landmarks)[found.found].mean()
    assert errors < {"synthetic": 0.05, "rafdb": 0.15}[name]  # of styles it has seen, or not


@pytest.mark.parametrize("name", NAMES)
def test_what_is_no_face_is_told_from_faces(name, portraits):
    noise = torch.rand(16, 3, 64, 64, generator=torch.Generator().manual_seed(0))
    upside_down = portraits.images.flip(2)
    for images in (noise, upside_down, torch.full((4, 3, 64, 64), 0.5)):
        assert locate(images, f"builtin:{name}", cache=None).found.mean() < 0.2
