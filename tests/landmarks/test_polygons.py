import numpy as np
import pytest
import torch
from matplotlib.path import Path

from fer_xai.landmarks.polygons import fill, polygon_edges


def test_filling_is_that_of_matplotlib():
    generator = torch.Generator().manual_seed(0)
    polygons = torch.rand(5, 9, 2, generator=generator) * 40 - 4  # some corners beyond the image
    centre = polygons.mean(dim=1, keepdim=True)
    order = torch.atan2(*(polygons - centre).unbind(dim=-1)).argsort(dim=1)  # so none cross
    polygons = polygons.gather(1, order[..., None].expand(-1, -1, 2))
    found = fill(polygon_edges([polygons], areas=[0]), areas=1, size=32)[:, 0]
    y, x = np.mgrid[:32, :32]
    pixels = np.stack([x.ravel(), y.ravel()], axis=1)
    for polygon, mask in zip(polygons, found, strict=True):
        expected = Path(polygon.numpy()).contains_points(pixels).reshape(32, 32)
        assert (mask.numpy() == expected).all()


@pytest.mark.parametrize("reverse", [False, True])
def test_polygons_of_one_area_make_up_their_union(reverse):
    a = torch.tensor([[[0.5, 0.5], [6.5, 0.5], [6.5, 6.5], [0.5, 6.5]]])
    b = a + 3
    both = fill(polygon_edges([a, b.flip(1) if reverse else b], areas=[0, 0]), areas=1, size=12)
    apart = fill(polygon_edges([a, b], areas=[0, 1]), areas=2, size=12)
    assert (both[0, 0] == apart[0].any(dim=0)).all()
    assert int(apart[0].all(dim=0).sum()) == 9


def test_polygons_that_share_an_edge_leave_no_gap_and_do_not_overlap():
    a = torch.tensor([[[0.0, 0.0], [5.0, 0.0], [7.3, 8.0], [0.0, 8.0]]])
    b = torch.tensor([[[5.0, 0.0], [10.0, 0.0], [10.0, 8.0], [7.3, 8.0]]])
    masks = fill(polygon_edges([a, b], areas=[0, 1]), areas=2, size=12)[0].int()
    assert (masks.sum(dim=0)[:8, :10] == 1).all()
    assert int(masks.sum()) == 80


def test_what_lies_outside_of_the_image_is_empty():
    far = torch.tensor([[[50.0, 50.0], [60.0, 50.0], [60.0, 60.0]]])
    assert not fill(polygon_edges([far, -far], areas=[0, 1]), areas=2, size=8).any()
    whole = torch.tensor([[[-9.0, -9.0], [99.0, -9.0], [99.0, 99.0], [-9.0, 99.0]]])
    assert fill(polygon_edges([whole], areas=[0]), areas=1, size=8).all()
    assert fill(polygon_edges([whole[:0]], areas=[0]), areas=1, size=8).shape == (0, 1, 8, 8)
