import pytest
import torch

from fer_xai.errors import InputError
from fer_xai.landmarks import REGIONS, face_regions
from fer_xai.perturb.fills import FILLS
from fer_xai.perturb.fills.skin import skin_fill


@pytest.fixture
def regions(faces):
    return face_regions(faces.landmarks_at(64)[:3], size=64)


def test_features_are_painted_over_by_the_plane_of_the_skin(regions):
    y, x = torch.meshgrid(torch.linspace(-1, 1, 64), torch.linspace(-1, 1, 64), indexing="ij")
    skin = torch.stack([0.6 + 0.1 * x, 0.5 - 0.2 * y, 0.4 + 0.05 * x + 0.05 * y])
    off = regions[:, REGIONS.index("off_face")]
    images = torch.where(off[:, None], 0.2, skin.expand(3, -1, -1, -1)).clone()
    features = regions[:, [REGIONS.index(n) for n in ("mouth", "eyes", "brows", "nose")]].any(1)
    images[features[:, None].expand_as(images)] = 0.0
    filled = skin_fill(images, regions)
    inside = (~off)[:, None].expand_as(images)
    assert torch.allclose(filled[inside], skin.expand(3, -1, -1, -1)[inside], atol=2e-3)
    assert torch.allclose(filled[~inside], torch.tensor(0.2), atol=1e-3)


def test_each_face_is_filled_by_itself_and_stays_in_range(faces, regions):
    images = faces.images[:3]
    whole = skin_fill(images, regions)
    assert torch.allclose(skin_fill(images[1:2], regions[1:2])[0], whole[1], atol=1e-6)
    assert whole.min() >= 0
    assert whole.max() <= 1
    assert whole.dtype == images.dtype


def test_a_face_without_regions_gets_one_plane(faces, regions):
    regions[0] = False
    filled = skin_fill(faces.images[:3], regions)[0]
    assert torch.isfinite(filled).all()
    second = filled[:, 2:] - 2 * filled[:, 1:-1] + filled[:, :-2]
    assert second.abs().max() < 1e-3


def test_regions_must_fit(faces, regions):
    with pytest.raises(InputError, match=r"Expected regions \(3, 8, 64, 64\) of face_regions"):
        skin_fill(faces.images[:3], regions[:, :7])


def test_the_fill_puts_skin_where_pixels_are_removed(faces, regions):
    images = faces.images[:3]
    mouths = regions[:, REGIONS.index("mouth")]
    found = FILLS["skin"].blend(images, mouths, regions=regions)
    assert torch.equal(found, torch.where(mouths[:, None], skin_fill(images, regions), images))
