import torch

from fer_xai.perturb.fills import FILLS


def test_the_noise_is_that_of_the_faces_generators():
    images = torch.full((2, 3, 2, 2), 0.5)
    drawn = torch.stack(
        [torch.rand(3, 2, 2, generator=torch.Generator().manual_seed(seed)) for seed in (5, 6)]
    )
    left = torch.tensor([[True, False], [True, False]]).expand(2, 2, 2)
    sources = [torch.Generator().manual_seed(seed) for seed in (5, 6)]
    found = FILLS["noise"].blend(images, left, generators=sources)
    assert torch.equal(found, torch.where(left[:, None], drawn, images))
