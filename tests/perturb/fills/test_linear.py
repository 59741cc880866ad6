import numpy as np
import pytest
import torch

from fer_xai.draws.streams import streams
from fer_xai.errors import InputError
from fer_xai.perturb.fills import fill_named
from tests.reference.road_slow import impute_slow


def test_the_fill_adds_noise_to_what_it_imputes(images):
    small = images[..., :8, :8].contiguous()
    gone = torch.rand(5, 8, 8, generator=torch.Generator().manual_seed(7)) < 0.6
    noise = streams(("fill", face) for face in range(5)).randn(3, 8, 8)
    expected = np.stack([impute_slow(*pair) for pair in zip(small, gone, strict=True)])
    for name, size in (("linear", 0.01), ("linear:", 0.01), ("linear:0.1", 0.1), ("linear:0", 0)):
        found = fill_named(name).blend(small, gone)
        added = (size * noise * gone[:, None]).numpy()
        assert np.allclose(found.numpy(), expected + added, atol=7e-5)


@pytest.mark.parametrize("option", ["much", "-0.1", "nan", "inf", "0.1:0.2"])
def test_noise_is_a_standard_deviation(option):
    with pytest.raises(InputError, match=f"Expected a fill like linear:0.01, .* 'linear:{option}'"):
        fill_named(f"linear:{option}")
