import torch

from metrics.randomisation.moved_maps import moved_copies
from tests.reference.randomisation_slow import moves_slow


def test_copies_are_moved_and_mirrored():
    maps = torch.randn(2, 6, 5, generator=torch.Generator().manual_seed(0))
    names = [("a",), ("b",)]
    copies = torch.stack(list(moved_copies(maps, names, draws=400)), dim=1)  # (2, D, 6, 5)
    for one, moved in zip(maps, copies, strict=True):
        allowed = {each.tobytes() for each in moves_slow(one.numpy())}
        drawn = {each.numpy().tobytes() for each in moved}
        assert drawn <= allowed
        assert len(drawn) > 0.8 * len(allowed)
    alone = torch.stack(list(moved_copies(maps[1:], names[1:], draws=400)), dim=1)
    assert torch.equal(alone[0], copies[1])
