import numpy as np
import pytest
import torch

from fer_xai.data.synthetic import PARTS, render, sample
from fer_xai.errors import InputError
from fer_xai.landmarks import REGIONS, canonical_landmarks, face_regions
from fer_xai.landmarks.template import MIRROR

FACE = canonical_landmarks()[None]


def test_regions_partition_the_image():
    masks = face_regions(FACE, size=64)
    assert masks.shape == (1, len(REGIONS), 64, 64)
    assert (masks.sum(dim=1) == 1).all()
    assert masks[0].flatten(1).any(dim=1).all()


@pytest.mark.parametrize(
    ("region", "points"),
    [
        ("mouth", range(48, 68)),
        ("eyes", range(36, 48)),
        ("brows", range(17, 27)),
        ("nose", (28, 29, 30, 33)),
        ("chin_jaw", (7, 8, 9)),
    ],
)
def test_landmarks_lie_in_their_regions(region, points):
    masks = face_regions(FACE, size=64)[0]
    for point in points:
        x, y = FACE[0, point].round().astype(int)
        y = min(y, 60)  # the chin point sits on the outline
        assert masks[REGIONS.index(region), y, x], point


def test_regions_scale_and_turn_with_the_face():
    small, large = face_regions(FACE, size=64), face_regions((FACE + 0.5) * 2 - 0.5, size=128)
    shares = [m.float().mean(dim=(2, 3)) for m in (small, large)]
    assert torch.allclose(shares[0], shares[1], atol=0.006)
    flipped = FACE[:, MIRROR].copy()
    flipped[..., 0] = 63 - flipped[..., 0]
    assert (face_regions(flipped, size=64) != small.flip(-1)).float().mean() < 0.004
    angle = np.deg2rad(20)
    turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    turned = ((FACE - 31.5) * 0.8 @ turn.T + 31.5).astype(np.float32)
    shares = face_regions(turned, size=64).float().mean(dim=(2, 3))
    upright = face_regions(((FACE - 31.5) * 0.8 + 31.5).astype(np.float32), size=64)
    assert torch.allclose(shares, upright.float().mean(dim=(2, 3)), atol=0.01)


def test_unknown_points_give_no_region():
    points = np.concatenate([FACE, FACE])
    points[1, 5] = np.nan
    masks = face_regions(points / 2, size=32)
    assert masks[0].any()
    assert not masks[1].any()
    with pytest.raises(InputError, match=r"Expected landmarks \(N, 68, 2\), got \(1, 5, 2\)"):
        face_regions(np.zeros((1, 5, 2), np.float32), size=32)


def test_regions_from_landmarks_agree_with_the_renderers_own_parts():
    params, _, _ = sample(24, style="lab", seed=2)
    faces = render(params, size=64)
    found = face_regions(faces.landmarks, size=64).numpy()
    assert PARTS == REGIONS
    for name, least in {"mouth": 0.5, "eyes": 0.45, "nose": 0.5, "off_face": 0.6}.items():
        k = REGIONS.index(name)
        both = (found[:, k] & faces.parts[:, k]).sum()
        either = (found[:, k] | faces.parts[:, k]).sum()
        assert both / either > least, name
