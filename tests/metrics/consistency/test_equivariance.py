import numpy as np
import pytest
import torch

from fer_xai.errors import InputError
from metrics.consistency.equivariance import self_consistency


def test_self_consistency_of_a_following_and_of_a_still_map():
    still = torch.rand(3, 6, 6, generator=torch.Generator().manual_seed(0))
    moved = still.flip(-1)
    everywhere = torch.ones(6, 6, dtype=torch.bool)
    follows = self_consistency(still, moved, moved, everywhere)
    assert follows.equivariant == pytest.approx(np.ones(3), abs=1e-6)
    assert (follows.gain > 0).all()
    stays = self_consistency(still, still, moved, everywhere)
    assert stays.gain == pytest.approx(np.zeros(3), abs=1e-6)


def test_maps_of_other_faces_are_refused():
    maps = torch.rand(4, 3, 3)
    with pytest.raises(InputError, match="Expected 4 moved maps, one an image, got 2"):
        self_consistency(maps, maps, maps[:2], maps[0] >= 0)
