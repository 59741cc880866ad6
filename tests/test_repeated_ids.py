"""Names of faces that come twice are refused, or change no number, wherever names are handed in."""

import numpy as np
import pytest
import torch

import fer_xai
import metrics
from fer_xai.attributions import ATTRIBUTIONS
from fer_xai.data.synthetic.conditions import degraded_params
from fer_xai.data.synthetic.sampler import sample
from fer_xai.errors import InputError
from fer_xai.landmarks.template import canonical_landmarks
from fer_xai.perturb.conditions import degrade
from fer_xai.perturb.occluders import guided_patches, occlude, random_patches
from fer_xai.perturb.occluders.frame import FaceFrame
from metrics.core.pixel_order import rank_pixels
from metrics.core.score_cache import cache_of
from metrics.statistics.bounded import order_by_name

SIDE = 16
IMAGES = torch.rand(3, 3, SIDE, SIDE, generator=torch.Generator().manual_seed(0))
POINTS = canonical_landmarks()[None].repeat(3, axis=0) * (SIDE / 64)
TARGETS = torch.tensor([0, 5, 0])


@pytest.fixture(scope="module")
def model():
    torch.manual_seed(0)
    conv, pool = torch.nn.Conv2d(3, 4, 4, stride=4), torch.nn.AdaptiveAvgPool2d(1)
    head = torch.nn.Linear(4, 2)
    net = torch.nn.Sequential(conv, torch.nn.ReLU(), pool, torch.nn.Flatten(), head)
    return fer_xai.FERModel(net.eval(), emotions=["happiness", "fear"], size=SIDE, cam_layer="1")


def explained(model, images, targets, ids):
    return fer_xai.explain(model, images, targets=targets, method="saliency", ids=ids).maps


DOORS = {
    "ScoreCache": lambda model, ids: metrics.ScoreCache(model, IMAGES, ids=ids),
    "cache_of": lambda model, ids: cache_of(metrics.ScoreCache(model, IMAGES), IMAGES, ids=ids),
    "deletion": lambda model, ids: metrics.deletion(
        model, IMAGES, IMAGES[:, 0], TARGETS, ids=ids, steps=2
    ),
    "stability": lambda model, ids: metrics.stability(
        model, IMAGES, IMAGES[:, 0], TARGETS, explain=explained, ids=ids
    ),
    "evaluate": lambda model, ids: metrics.evaluate(
        model, IMAGES, fer_xai.explain(model, IMAGES, method="saliency"), ["gini"], ids=ids
    ),
    "rank_pixels": lambda model, ids: rank_pixels(IMAGES[:, 0], ids=ids),
    "degrade": lambda model, ids: degrade(IMAGES, "dark", 1.0, ids=ids),
    "degraded_params": lambda model, ids: degraded_params(sample(3)[0], "intensity", 50.0, ids=ids),
    "occlude": lambda model, ids: occlude(IMAGES, POINTS, "sunglasses", ids=ids),
    "random_patches": lambda model, ids: random_patches(IMAGES, share=0.5, grid=4, ids=ids),
    "guided_patches": lambda model, ids: guided_patches(
        IMAGES, IMAGES[:, 0], share=0.5, grid=4, ids=ids
    ),
    "FaceFrame": lambda model, ids: FaceFrame(POINTS, height=SIDE, width=SIDE, ids=ids),
}


@pytest.mark.parametrize("name", DOORS)
def test_a_name_that_comes_twice_is_refused(model, name):
    with pytest.raises(InputError, match="Expected each of the ids once, got 'a' several times"):
        DOORS[name](model, ["a", "b", "a"])
    with pytest.raises(InputError, match="Expected ids as a list of names, one an image"):
        DOORS[name](model, "abc")


@pytest.mark.parametrize("name", [name for name in DOORS if name != "cache_of"])
def test_names_that_differ_are_taken_and_numbers_are_names_too(model, name):
    DOORS[name](model, ["a", "b", "c"])
    DOORS[name](model, [7, 8, 9])


def test_faces_have_each_name_once():
    labels = ["fear", "anger", "fear"]
    with pytest.raises(InputError, match="got the id 'a' twice, in rows 0 and 2"):
        fer_xai.Faces.from_tensors(IMAGES, labels, ids=["a", "b", "a"])
    with pytest.raises(InputError, match="got the id 'tensors-0' twice, in rows 0 and 1"):
        fer_xai.Faces.from_tensors(IMAGES, labels)[[0, 0]]


SEEDED = [name for name in ATTRIBUTIONS if ATTRIBUTIONS[name].seeded]


@pytest.mark.parametrize("method", [*SEEDED, "random", "signed_random", "shuffled"])
def test_a_map_is_that_of_its_image_and_name_whoever_else_has_the_name(model, method):
    """Metrics explain changed copies of a face by its one name, so ``explain`` takes it twice."""

    def maps(rows, ids):
        return fer_xai.explain(
            model, IMAGES[rows], targets=TARGETS[rows], method=method, ids=ids
        ).maps

    together = maps([0, 1, 2], ["a", "b", "a"])
    alone = torch.cat([maps([row], [name]) for row, name in enumerate("aba")])
    assert torch.allclose(together, alone, atol=1e-5)


def test_an_order_by_name_keeps_equal_names_in_their_order():
    names = np.array(["b", "a", "b", "a"])
    order = order_by_name(names)
    assert sorted(order) == [0, 1, 2, 3]
    place = order.argsort()
    assert place[0] < place[2]
    assert place[1] < place[3]
