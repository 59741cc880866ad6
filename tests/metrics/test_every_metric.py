"""What must hold for every metric of a face, whoever adds it."""

import dataclasses
import inspect

import numpy as np
import pandas as pd
import pytest
import torch
from torch import nn

from fer_xai.data.datasets.synthetic import synthetic_faces
from fer_xai.emotions import EMOTIONS
from fer_xai.inference.predictor import Predictor
from fer_xai.landmarks import REGIONS, face_regions
from fer_xai.models import FERModel
from fer_xai.types import Explanation
from metrics.core.registry import METRICS, MetricSpec
from metrics.core.score_cache import ScoreCache
from metrics.evaluation import evaluate
from tests.helpers import TinyNet, tiny_model
from tests.metrics.explainers import gradient

NAMES = list(METRICS)
MOUTH = REGIONS.index("mouth")
SIDE = 24
"""Pixels of the faces: a window of SSIM, a grid of 9×9 and every facial region fit in."""
FEWER = {"smooth": 3, "samples": 16}
"""Options that change how precise a metric is, and not what must hold for it."""
CALIBRATION = torch.rand(8, 3, SIDE, SIDE, generator=torch.Generator().manual_seed(1))


def quick(name: str) -> MetricSpec:
    """The metric, with fewer copies and samples where it leaves their number open."""
    spec = METRICS[name]
    parameters = inspect.signature(spec.fn).parameters
    defaults = {key: parameters[key].default for key in FEWER.keys() & parameters}
    most = {**defaults, **{key: spec.options[key] for key in FEWER.keys() & spec.options}}
    fewer = {key: min(value, FEWER[key]) for key, value in most.items()}
    if spec.options.get("samples"):  # the bounds depend on it
        fewer.pop("samples")
    return dataclasses.replace(spec, options={**spec.options, **fewer})


def explanation(maps, targets, emotions) -> Explanation:
    return Explanation(
        maps=maps,
        targets=targets,
        logits=torch.zeros(len(maps), len(emotions)),
        emotions=tuple(emotions),
        method="maps",
        params={},
    )


@pytest.fixture(scope="module")
def model():
    return tiny_model(size=SIDE)


@pytest.fixture(scope="module")
def faces():
    return synthetic_faces(6, style="wild", split="test")


@pytest.fixture(scope="module")
def maps():
    cells = torch.randn(6, 1, 8, 8, generator=torch.Generator().manual_seed(2))
    return nn.functional.interpolate(cells, (SIDE, SIDE), mode="bilinear")[:, 0]


@pytest.fixture(scope="module")
def shared(model, faces):
    """A cache that keeps what several metrics ask for, and the faces' regions."""
    images = faces.pixels(SIDE).float() / 255
    regions = face_regions(faces.landmarks_at(SIDE), size=SIDE)
    predictor = Predictor(model, device="cpu", batch_size=4)
    return ScoreCache(predictor, images, ids=faces.ids, seed=3, regions=regions), regions


def scores(name, model, faces, made, *, chunk=64, batch_size=8, sign=1) -> pd.DataFrame:
    side = next(iter(made.values())).shape[-1]
    spec = quick(name)
    regions = face_regions(faces.landmarks_at(side), size=side)
    return evaluate(
        Predictor(model, device="cpu", batch_size=batch_size),
        faces,
        {key: explanation(sign * maps, faces.labels, model.emotions) for key, maps in made.items()},
        [spec],
        calibration=CALIBRATION,
        regions=regions if spec.needs_regions else None,
        areas=regions[:, MOUTH] if "areas" in spec.needs else None,
        explain=dict.fromkeys(made, lambda *asked: sign * gradient(*asked)),
        seed=3,
        chunk=chunk,
    )


def values(name, model, faces, maps, **options) -> np.ndarray:
    frame = scores(name, model, faces, {"maps": maps}, **options)
    assert frame["id"].tolist() == faces.ids
    return frame["value"].to_numpy()


@pytest.mark.parametrize("name", NAMES)
def test_a_seed_gives_one_answer_whatever_the_batch_order_and_neighbours(name, model, faces, maps):
    """And PyTorch's own generator is left alone."""
    torch.manual_seed(5)
    state = torch.random.get_rng_state()
    whole = values(name, model, faces, maps)
    assert torch.equal(state, torch.random.get_rng_state())
    assert np.isfinite(whole).any()
    assert np.array_equal(whole, values(name, model, faces, maps), equal_nan=True)
    order = [4, 1, 2]
    part = values(name, model, faces.subset(order), maps[order], chunk=2, batch_size=3)
    assert np.allclose(part, whole[order], rtol=2e-3, atol=2e-3, equal_nan=True)


@pytest.mark.parametrize("name", NAMES)
def test_values_keep_their_bounds(name, model, faces, maps):
    spec = METRICS[name]
    assert spec.name == name
    assert spec.reference
    low, high = spec.bounds
    kinds = (maps, maps.abs(), -maps, (maps > 0).float(), torch.zeros_like(maps), maps * 0 + 1)
    frame = scores(name, model, faces, {str(k): one for k, one in enumerate(kinds)})
    found = frame["value"].to_numpy()
    known = found[np.isfinite(found)]
    assert len(found) == len(kinds) * len(faces)
    assert ((known >= low - 1e-5) & (known <= high + 1e-5)).all()
    assert not np.isinf(found).any()


@pytest.mark.parametrize("classes", [7, 8])
@pytest.mark.parametrize("name", NAMES)
def test_other_sizes_and_classes(name, classes, faces, maps):
    torch.manual_seed(0)
    small = nn.functional.interpolate(maps[:, None], (18, 18))[:, 0]
    model = FERModel(TinyNet(classes), emotions=EMOTIONS[:classes], size=18, name="tiny").eval()
    assert np.isfinite(values(name, model, faces, small)).any()


@pytest.mark.parametrize("name", NAMES)
def test_a_map_that_is_not_finite_is_nan_for_its_face_alone(name, faces, maps, shared):
    """Asked directly, as anybody may, and not through `evaluate`."""
    spec, (cache, regions) = quick(name), shared

    def asked(given) -> torch.Tensor:
        offered = {
            "model": cache,
            "images": cache.images,
            "maps": given,
            "targets": faces.labels,
            "regions": regions,
            "areas": regions[:, MOUTH],
            "explain": gradient,
            "calibration": CALIBRATION,
        }
        found = spec.fn(**{need: offered[need] for need in spec.needs}, **spec.options)
        return getattr(found, spec.read) if spec.read else found

    before = asked(maps)
    broken = maps.clone()
    broken[1, 0, 0], broken[3, 15, 15], broken[4, 23, 5] = torch.nan, torch.inf, -torch.inf
    after = asked(broken)
    assert after[[1, 3, 4]].isnan().all()
    assert after.shape == before.shape == (6,)
    assert torch.equal(after[[0, 2, 5]], before[[0, 2, 5]])
    assert before.isfinite().all()


@pytest.mark.parametrize("name", [name for name in NAMES if METRICS[name].sign_blind])
def test_sign_blind_metrics_do_not_see_the_sign(name, model, faces, maps):
    one, other = (values(name, model, faces, maps, sign=sign) for sign in (1, -1))
    # histograms and windows see a map turned over nearly, not exactly, as the map
    near = {"emprt": 0.02, "random_logit": 0.1}.get(name, 1e-6)
    assert np.allclose(one, other, rtol=1e-4, atol=near, equal_nan=True)
