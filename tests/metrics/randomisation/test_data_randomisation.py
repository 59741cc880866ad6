import pytest
import torch

from metrics.core.similarity import map_similarity
from metrics.randomisation.data_randomisation import model_contrast


@pytest.mark.parametrize("absolute", [False, True])
@pytest.mark.parametrize("kind", ["spearman", "pearson", "ssim"])
def test_it_is_the_similarity_of_the_two_networks_maps(kind, absolute):
    one, other = torch.randn(2, 3, 9, 11, generator=torch.Generator().manual_seed(0))
    found = model_contrast(one, other, similarity=kind, absolute=absolute)
    assert torch.equal(found, map_similarity(one, other, similarity=kind, absolute=absolute))
