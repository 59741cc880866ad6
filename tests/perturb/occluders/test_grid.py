"""Cells of a grid: counts are exact, and a map that says nothing is no guide."""

import pytest
import torch

from fer_xai.errors import InputError
from fer_xai.perturb import guided_patches, random_patches

IDS = ["anna", "ben", "cleo"]


@pytest.fixture
def images():
    return torch.rand(3, 3, 56, 56, generator=torch.Generator().manual_seed(0))


@pytest.fixture
def maps():
    return torch.rand(3, 56, 56, generator=torch.Generator().manual_seed(1))


@pytest.mark.parametrize("share", [0.1, 0.25, 0.75])
@pytest.mark.parametrize("side", [56, 64])
def test_guided_and_random_patches_are_of_equal_area(share, side):
    images, maps = torch.rand(2, 3, side, side), torch.rand(2, side, side)
    hidden = [
        found.masks.sum(dim=(1, 2)).tolist()
        for found in (
            guided_patches(images, maps, share=share),
            random_patches(images, share=share),
            random_patches(images, share=share, seed=1),
        )
    ]
    expected = round(round(share * 196) / 196 * side * side)
    assert hidden == [[expected, expected]] * 3


def test_whole_cells_are_hidden_where_the_grid_divides_the_image(images):
    masks = random_patches(images, share=0.3).masks
    cells = masks.reshape(3, 14, 4, 14, 4).float().mean(dim=(2, 4))
    assert set(cells.unique().tolist()) == {0.0, 1.0}
    assert (cells == 1).sum(dim=(1, 2)).tolist() == [59] * 3


def test_the_most_relevant_cells_come_first(images, maps):
    masks = guided_patches(images, maps, share=0.3).masks
    cells = maps.reshape(3, 14, 4, 14, 4).mean(dim=(2, 4)).flatten(1)
    hidden = masks[:, ::4, ::4].flatten(1)
    for face in range(3):
        assert cells[face][hidden[face]].min() > cells[face][~hidden[face]].max()


def test_smaller_shares_are_part_of_larger_ones(images, maps):
    for make in (
        lambda s: guided_patches(images, maps, share=s),
        lambda s: random_patches(images, share=s),
    ):
        small, large = make(0.1).masks, make(0.4).masks
        assert not bool((small & ~large).any())


def test_a_constant_map_is_no_guide(images, maps):
    found = random_patches(images, share=0.2, ids=IDS, seed=4)
    for level in (0.0, -3.0, 0.1):
        blank = guided_patches(images, maps * 0 + level, share=0.2, ids=IDS, seed=4)
        assert torch.equal(blank.masks, found.masks)
        assert torch.equal(blank.images, found.images)


def test_batch_and_order_do_not_matter(images, maps):
    order = [2, 0]
    names = [IDS[row] for row in order]
    for fill in ("black", "noise", "linear"):
        options = {"share": 0.3, "fill": fill, "seed": 2}
        whole = guided_patches(images, maps, ids=IDS, **options)
        part = guided_patches(images[order], maps[order], ids=names, **options)
        assert torch.equal(part.masks, whole.masks[order])
        near = 1e-5 if fill == "linear" else 0  # which solves equations
        assert torch.allclose(part.images, whole.images[order], rtol=0, atol=near)
        whole = random_patches(images, ids=IDS, **options)
        assert torch.equal(
            random_patches(images[order], ids=names, **options).masks, whole.masks[order]
        )


def test_a_map_that_is_not_finite_leaves_its_face_alone(images, maps):
    maps[1, 0, 0] = torch.nan
    found = guided_patches(images, maps, share=0.2)
    assert found.covered.tolist() == [True, False, True]
    assert torch.equal(found.images[1], images[1])


def test_options_are_checked(images, maps):
    for share in (0, 1, "a"):
        with pytest.raises(InputError, match="Expected the share of the cells above 0 and below 1"):
            random_patches(images, share=share)
    with pytest.raises(InputError, match="grid as a whole number"):
        random_patches(images, share=0.2, grid=0)
    with pytest.raises(InputError, match="at most 56 cells on a side"):
        random_patches(images, share=0.2, grid=57)
    with pytest.raises(InputError, match=r"Expected maps \(3, 56, 56\) to fit the images"):
        guided_patches(images, maps[:2], share=0.2)
    with pytest.raises(InputError, match="a fill that needs no facial regions"):
        random_patches(images, share=0.2, fill="skin")
    with pytest.raises(InputError, match="Expected 3 ids"):
        random_patches(images, share=0.2, ids=["a"])
