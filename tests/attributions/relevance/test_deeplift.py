"""DeepLift from a constant baseline."""

import torch
from torch import nn

from fer_xai import explain, load_dataset, load_model
from fer_xai.attributions.relevance.deeplift import DeepLiftFrom, _begun
from fer_xai.perturb.fills import fill_images


def test_deeplift_from_a_constant_does_not_depend_on_the_images_size():
    """A constant that is resized carries rounding, by which secants must not be divided."""
    model = load_model("gimefive", weights="rafdb")
    faces = load_dataset("synthetic", split="test", limit=4).images
    large = nn.functional.interpolate(faces, size=100, mode="bilinear", antialias=True)
    small = nn.functional.interpolate(large, size=64, mode="bilinear", antialias=True).clamp(0, 1)
    for fill in ("mean", "grey"):
        begun = _begun(model, fill_images(large, fill))
        assert torch.equal(begun, begun[..., :1, :1].expand_as(begun)), fill
        one, two = (
            explain(model, images, method=DeepLiftFrom(baselines=(fill,)), targets="fear").channels
            for images in (large, small)
        )
        for colour in range(3):  # what each colour adds is the same at either size
            assert torch.allclose(
                one[:, colour].sum(dim=(1, 2)), two[:, colour].sum(dim=(1, 2)), rtol=0.05, atol=0.05
            ), fill
