"""What must hold for every metric of a face, whoever adds it."""

import functools

import numpy as np
import pandas as pd
import pytest
import torch
from torch import nn

from fer_xai import explain
from fer_xai.data.datasets.synthetic import synthetic_faces
from fer_xai.emotions import EMOTIONS
from fer_xai.inference.predictor import Predictor
from fer_xai.landmarks import face_regions
from fer_xai.models import FERModel
from fer_xai.perturb.skin import skin_fill
from fer_xai.types import Explanation
from metrics.core.registry import METRICS
from metrics.core.score_cache import ScoreCache
from metrics.evaluation import evaluate
from tests.helpers import TinyNet, tiny_model

NAMES = list(METRICS)
CALIBRATION = torch.rand(8, 3, 64, 64, generator=torch.Generator().manual_seed(1))


predictor_of = functools.lru_cache(maxsize=1)(Predictor)


def saliency(model, images, targets, ids):
    return explain(predictor_of(model), images, method="saliency", targets=targets, ids=ids).maps


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
def faces():
    return synthetic_faces(6, style="wild", split="test")


@pytest.fixture(scope="module")
def maps():
    cells = torch.randn(6, 1, 8, 8, generator=torch.Generator().manual_seed(2))
    return nn.functional.interpolate(cells, (64, 64), mode="bilinear")[:, 0]


@pytest.fixture(scope="module")
def shared(faces):
    """A cache that keeps what several metrics ask for, and the faces' regions."""
    images = faces.pixels(64).float() / 255
    regions = face_regions(faces.landmarks_at(64), size=64)
    predictor = Predictor(tiny_model(), device="cpu", batch_size=4)
    fills = {"skin": skin_fill(images, regions)}
    return ScoreCache(predictor, images, ids=faces.ids, seed=3, fills=fills), regions


def scores(name, model, faces, made, *, seed=3, chunk=64, batch_size=8, sign=1) -> pd.DataFrame:
    side = next(iter(made.values())).shape[-1]
    regions = face_regions(faces.landmarks_at(side), size=side)
    return evaluate(
        Predictor(model, device="cpu", batch_size=batch_size),
        faces,
        {key: explanation(sign * maps, faces.labels, model.emotions) for key, maps in made.items()},
        [name],
        calibration=CALIBRATION,
        regions=regions,
        explain=dict.fromkeys(made, lambda *asked: sign * saliency(*asked)),
        seed=seed,
        chunk=chunk,
        fills={"skin": skin_fill(faces.pixels(side).float() / 255, regions)},
    )


def values(name, model, faces, maps, **options) -> np.ndarray:
    frame = scores(name, model, faces, {"maps": maps}, **options)
    assert frame["id"].tolist() == faces.ids
    return frame["value"].to_numpy()


@pytest.mark.parametrize("name", NAMES)
def test_batch_order_and_neighbours_do_not_matter(name, faces, maps):
    model = tiny_model()
    whole = values(name, model, faces, maps)
    order = [4, 1, 2]
    part = values(name, model, faces.subset(order), maps[order], chunk=2, batch_size=3)
    assert np.allclose(part, whole[order], rtol=2e-3, atol=2e-3, equal_nan=True)
    assert np.isfinite(whole).any()


@pytest.mark.parametrize("name", NAMES)
def test_values_keep_their_bounds(name, faces, maps):
    spec = METRICS[name]
    assert spec.name == name
    assert spec.reference
    low, high = spec.bounds
    kinds = (maps, maps.abs(), -maps, (maps > 0).float(), torch.zeros_like(maps), maps * 0 + 1)
    frame = scores(name, tiny_model(), faces, {str(k): one for k, one in enumerate(kinds)})
    found = frame["value"].to_numpy()
    known = found[np.isfinite(found)]
    assert len(found) == len(kinds) * len(faces)
    assert ((known >= low - 1e-5) & (known <= high + 1e-5)).all()
    assert not np.isinf(found).any()


@pytest.mark.parametrize("name", NAMES)
def test_other_sizes_and_classes(name, faces, maps):
    small = nn.functional.interpolate(maps[:, None], (50, 50))[:, 0]
    for emotions in (EMOTIONS[:7], EMOTIONS[:8]):
        torch.manual_seed(0)
        net = TinyNet(len(emotions))
        model = FERModel(net, emotions=emotions, size=50, cam_layer="relu2", name="tiny").eval()
        found = values(name, model, faces, small)
        assert np.isfinite(found).any()


@pytest.mark.parametrize("name", NAMES)
def test_a_map_that_is_not_finite_is_nan_for_its_face_alone(name, faces, maps, shared):
    """Asked directly, as anybody may, and not through `evaluate`."""
    spec, (cache, regions) = METRICS[name], shared
    options = spec.options | {key: 3 for key in ("smooth",) if key in spec.options}

    def asked(given) -> torch.Tensor:
        offered = {
            "model": cache,
            "images": cache.images,
            "maps": given,
            "targets": faces.labels,
            "regions": regions,
            "explain": saliency,
            "calibration": CALIBRATION,
        }
        found = spec.fn(**{need: offered[need] for need in spec.needs}, **options)
        return getattr(found, spec.read) if spec.read else found

    before = asked(maps)
    broken = maps.clone()
    broken[1, 0, 0], broken[3, 40, 40], broken[4, 63, 5] = torch.nan, torch.inf, -torch.inf
    after = asked(broken)
    assert after[[1, 3, 4]].isnan().all()
    assert after.shape == before.shape == (6,)
    assert torch.equal(after[[0, 2, 5]], before[[0, 2, 5]])
    assert before.isfinite().all()


@pytest.mark.parametrize("name", [name for name in NAMES if METRICS[name].sign_blind])
def test_sign_blind_metrics_do_not_see_the_sign(name, faces, maps):
    one, other = (values(name, tiny_model(), faces, maps, sign=sign) for sign in (1, -1))
    # histograms and windows see a map turned over nearly, not exactly, as the map
    near = {"emprt": 0.02, "random_logit": 0.1}.get(name, 1e-6)
    assert np.allclose(one, other, rtol=1e-4, atol=near, equal_nan=True)


@pytest.mark.parametrize("name", NAMES)
def test_a_seed_gives_one_answer_and_leaves_the_global_one_alone(name, faces, maps):
    torch.manual_seed(5)
    state = torch.random.get_rng_state()
    one = values(name, tiny_model(), faces, maps)
    assert np.array_equal(one, values(name, tiny_model(), faces, maps), equal_nan=True)
    torch.manual_seed(5)
    assert torch.equal(state, torch.random.get_rng_state())
