import pytest
import torch

from fer_xai.perturb.moves import inside, moves

IMAGE = torch.rand(2, 1, 16, 16, generator=torch.Generator().manual_seed(0))
BY_NAME = {move.name: move for move in moves(0.25)}


def test_flip_twice_is_identity():
    move = BY_NAME["flip"]
    assert torch.equal(move.image(move.image(IMAGE)), IMAGE)
    assert inside(move, 16).all()


@pytest.mark.parametrize(("name", "by"), [("right", 4), ("left", -4)])
def test_a_shift_moves_by_one_cell(name, by):
    move = BY_NAME[f"shift {name} by a cell"]
    keep = inside(move, 16)
    assert int(keep.sum()) == 12 * 16
    expected = torch.roll(IMAGE, by, dims=3)
    assert torch.allclose(move.image(IMAGE)[..., keep], expected[..., keep], atol=1e-5)


def test_turning_there_and_back_returns_the_middle():
    y, x = torch.meshgrid(torch.linspace(-2, 2, 64), torch.linspace(-2, 2, 64), indexing="ij")
    smooth = torch.sin(x) * torch.cos(y)[None, None]
    there, back = BY_NAME["rotate +10°"], BY_NAME["rotate -10°"]
    again = back.image(there.image(smooth))
    assert torch.allclose(again[..., 16:48, 16:48], smooth[..., 16:48, 16:48], atol=5e-3)


def test_light_moves_nothing():
    move = BY_NAME["brightness +10%"]
    assert torch.equal(move.place(IMAGE), IMAGE)
    assert torch.allclose(move.image(IMAGE), (IMAGE * 1.1).clamp(0, 1))
