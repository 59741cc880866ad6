import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from fer_xai import explain
from fer_xai.attributions import Question, attribute
from fer_xai.attributions.shapley import RegionShapley, coalition_scores
from fer_xai.coalitions import (
    banzhaf_values,
    coalitions,
    interaction_index,
    shapley_values,
)
from fer_xai.data.synthetic import render, sample
from fer_xai.emotions import SIX
from fer_xai.errors import InputError
from fer_xai.inference.predictor import Predictor
from fer_xai.landmarks import REGIONS, face_regions
from fer_xai.models import FERModel
from fer_xai.perturb.fills import fill_images
from tests.attributions.nets import predictor
from tests.reference.shapley_slow import (
    banzhaf_by_subset,
    interaction_by_subset,
    shapley_by_permutation,
)


def worths_by_coalition(worth):
    players = coalitions(len(worth).bit_length() - 1)
    return {
        frozenset(np.flatnonzero(members).tolist()): float(value)
        for members, value in zip(players.numpy(), worth, strict=True)
    }


@settings(max_examples=25, deadline=None)
@given(st.integers(1, 5), st.integers(0, 2**31))
def test_values_are_those_of_the_definitions(players, seed):
    worth = torch.randn(2**players, generator=torch.Generator().manual_seed(seed)).double()
    table = worths_by_coalition(worth.tolist())
    assert np.allclose(shapley_values(worth), shapley_by_permutation(table, players))
    assert np.allclose(banzhaf_values(worth), banzhaf_by_subset(table, players))
    pairs = interaction_index(worth)
    for one in range(players):
        for two in range(players):
            expected = interaction_by_subset(table, players, one, two) if one != two else 0.0
            assert np.isclose(pairs[one, two], expected)
    assert torch.isclose(shapley_values(worth).sum(), worth[-1] - worth[0])


@pytest.fixture(scope="module")
def five(faces):
    """Two faces and five regions that partition the image."""
    chosen = faces.subset([0, 20])
    eight = face_regions(chosen.landmarks_at(64), size=64)
    upper = eight[:, :2].any(dim=1)  # forehead and brows
    rest = eight[:, [3, 4]].any(dim=1)
    return chosen.images, torch.stack(
        [upper, eight[:, 2], rest, eight[:, [5, 6]].any(dim=1), eight[:, 7]], dim=1
    )


def test_region_values_are_those_of_a_brute_force_over_orders(five):
    images, regions = five
    used = predictor("gimefive")
    found = attribute(
        used, images, torch.tensor([[5, 0], [5, 0]]), method="region_shapley", regions=regions
    )
    filled = fill_images(images, "mean")
    for face in range(2):
        worth = {}
        for members in coalitions(5):
            keep = (
                regions[face][members].any(dim=0) if members.any() else torch.zeros(64, 64).bool()
            )
            image = torch.where(keep, images[face], filled[face])
            chosen = frozenset(np.flatnonzero(members.numpy()).tolist())
            worth[chosen] = used.logits(image[None])[0]
        for position, column in enumerate((5, 0)):
            table = {key: float(value[column]) for key, value in worth.items()}
            expected = shapley_by_permutation(table, 5)
            assert np.allclose(found.values[face, position], expected, atol=1e-5)
    assert found.completeness_gap.abs().max() < 1e-5
    full = attribute(
        used, images, torch.tensor([[5], [0]]), method="region_shapley", regions=regions
    )
    assert torch.allclose(full.cells.sum(dim=(2, 3)), full.values.sum(dim=2), atol=1e-4)


class Planted(nn.Module):
    """Happiness follows the brightness of the regions that it is given: their sum, or one without the
    other (XOR); the rest of the image says nothing. Bright is above a half.
    """

    def __init__(self, masks, *, rule):
        super().__init__()
        self.register_buffer("masks", masks.float())  # (R, 64, 64)
        self.rule = rule

    def forward(self, x):
        grey = x.mean(dim=1)
        parts = torch.einsum("bhw,rhw->br", grey, self.masks) / self.masks.sum(dim=(1, 2))
        on = torch.sigmoid(40 * (parts - 0.5))
        if self.rule == "xor":
            value = on[:, 0] + on[:, 1] - 2 * on[:, 0] * on[:, 1]
        else:
            value = on.sum(dim=1)
        return torch.cat([value[:, None], torch.zeros(len(x), 5, device=x.device)], dim=1)


def planted(masks, *, rule):
    net = Planted(masks, rule=rule)
    return FERModel(net, emotions=SIX, mean=(0, 0, 0), std=(1, 1, 1), name="planted").eval()


@pytest.mark.parametrize("name", ["brows", "eyes", "mouth", "off_face"])
def test_the_one_region_that_a_network_reads_is_found(faces, name):
    chosen = faces.subset([0])
    regions = face_regions(chosen.landmarks_at(64), size=64)
    region = REGIONS.index(name)
    images = chosen.images.clone()
    images[:, :, regions[0, region]] = 0.9  # bright, where the fill is black
    model = planted(regions[0, region][None], rule="sum")
    found = explain(
        model, images, method=RegionShapley(fill="black"), targets="happiness", regions=regions
    )
    assert int(found.values[0].argmax()) == region
    others = found.values[0][[r for r in range(8) if r != region]]
    assert torch.allclose(others, torch.zeros(7), atol=1e-6)


def test_two_regions_in_xor_are_found_together_where_single_deletion_sees_nothing(faces):
    """Both dark: neither is missed alone, and Shapley shares nothing. One bright: it is found, and
    the pair's interaction is negative, since together they cancel.
    """
    chosen = faces.subset([0])
    regions = face_regions(chosen.landmarks_at(64), size=64)
    eyes, mouth = REGIONS.index("eyes"), REGIONS.index("mouth")
    images = chosen.images.clone()
    for region in (eyes, mouth):
        images[:, :, regions[0, region]] = 0.9
    model = planted(regions[0, [eyes, mouth]], rule="xor")
    used = Predictor(model, device="cpu")
    question = Question(images=images, columns=torch.zeros(1, 1).long(), keys=(0,), regions=regions)
    worth = coalition_scores(used, question, fill="black")[0, 0]
    pairs = interaction_index(worth)
    strongest = pairs.abs().argmax().item()
    assert sorted(divmod(strongest, 8)) == sorted([eyes, mouth])
    assert pairs[eyes, mouth] == pytest.approx(-2, abs=1e-4)
    assert (
        shapley_values(worth).abs().max() < 1e-4
    )  # what each adds alone, it takes beside the other


def test_batches_faces_and_fills_do_not_mix(five):
    images, regions = five
    for fill in ("black", "mean", "noise"):
        method = RegionShapley(fill=fill)
        both = attribute(
            predictor("gimefive"),
            images,
            torch.tensor([[5], [0]]),
            method=method,
            regions=regions,
            ids=["3", "4"],
        )
        one = attribute(
            predictor("gimefive"),
            images[1:],
            torch.tensor([[0]]),
            method=method,
            regions=regions[1:],
            ids=["4"],
        )
        assert torch.allclose(both.values[1], one.values[0], atol=1e-5)


def test_regions_may_be_the_renderers_parts():
    params, _, _ = sample(1, style="wild", split="test", seed=0)
    drawn = render(params, size=64)
    images = torch.from_numpy(drawn.images).permute(0, 3, 1, 2).float() / 255
    found = explain(
        predictor("gimefive"),
        images,
        method=RegionShapley(),
        targets="fear",
        regions=torch.from_numpy(drawn.parts),
    )
    assert found.values.shape == (1, 8)
    assert found.completeness_gap.abs().max() < 1e-5


def test_a_face_without_landmarks_has_no_map(five):
    images, regions = five
    regions = regions.clone()
    regions[1] = False
    found = explain(predictor("gimefive"), images, method="region_shapley", regions=regions)
    assert torch.isfinite(found.maps[0]).all()
    assert found.maps[1].isnan().all()
    assert found.values[1].isnan().all()


def test_bad_input_is_one_sentence(five):
    images, regions = five
    ask = {"method": "region_shapley", "targets": "fear"}
    with pytest.raises(InputError, match="Expected regions .* for a method over regions, got none"):
        explain(predictor("gimefive"), images, **ask)
    overlapping = regions.clone()
    overlapping[1, 0, :4] = True
    with pytest.raises(InputError, match="cover each pixel once, but in image 1 .* two or more"):
        explain(predictor("gimefive"), images, regions=overlapping, **ask)
    missing = regions.clone()
    missing[0, 4] = False
    with pytest.raises(InputError, match="but in image 0 0 pixels lie in two or more and"):
        explain(predictor("gimefive"), images, regions=missing, **ask)
    with pytest.raises(InputError, match=r"Expected regions as bool \(2, R, 64, 64\)"):
        explain(predictor("gimefive"), images, regions=regions.float(), **ask)
    with pytest.raises(InputError, match="Expected 1 to 12 regions, got 13"):
        coalitions(13)
    with pytest.raises(InputError, match=r"Expected the worth of 2\^k coalitions, got 3"):
        shapley_values(torch.zeros(3))
