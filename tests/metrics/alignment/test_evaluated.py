"""Areas in `evaluate`, in studies, and on maps of a network that looks at the mouth alone."""

import dataclasses

import numpy as np
import pytest
import torch

import fer_xai
import metrics
from fer_xai.data.datasets.synthetic import synthetic_faces
from fer_xai.emotions import EMOTIONS
from fer_xai.errors import InputError
from fer_xai.inference.predictor import Predictor
from fer_xai.landmarks import REGIONS, face_regions
from fer_xai.models.planted import MAGENTA, marked, planted_model
from studies.questions.meta_evaluation.study import MetaEvaluation
from studies.scoreboard.scores import Scoreboard
from tests.helpers import tiny_model

NAMES = [name for name in metrics.METRICS if metrics.METRICS[name].family == "alignment"]
OF_AREAS = [name for name in NAMES if "areas" in metrics.METRICS[name].needs]
HAPPY, FEAR = EMOTIONS.index("happiness"), EMOTIONS.index("fear")


@pytest.fixture(scope="module")
def case():
    """Faces, an explanation by a tiny net, and regions."""
    faces = synthetic_faces(5, style="studio", size=32)
    made = fer_xai.explain(tiny_model(size=32), faces, method="saliency")
    return faces, made, face_regions(faces.landmarks_at(32), size=32)


@pytest.fixture(scope="module")
def planted():
    """Maps of a network that answers happiness where a mouth is marked, and regions."""
    faces = synthetic_faces(6, style="studio", size=64)
    regions = face_regions(faces.landmarks_at(64), size=64)
    images = marked(faces.images, regions[:, REGIONS.index("mouth")], MAGENTA)
    predictor = Predictor(planted_model("one"), device="cpu", batch_size=16)
    targets = torch.full((6,), HAPPY)
    return (
        predictor,
        images,
        regions,
        fer_xai.explain(predictor, images, method="input_x_gradient", targets=targets),
    )


def test_rows_are_those_of_the_functions(case):
    faces, made, regions = case
    areas = regions[:, 1]
    frame = metrics.evaluate(
        tiny_model(size=32), faces, made, NAMES, regions=regions, areas=areas, chunk=2
    )
    for name, own in frame.groupby("metric"):
        other = regions if name == "off_face_mass" else areas
        expected = metrics.METRICS[name].fn(made.maps, other).numpy()
        assert np.allclose(own["value"], expected, atol=1e-6, equal_nan=True)
        assert np.isfinite(expected).all()


def test_areas_by_emotion_are_those_of_each_target(case):
    faces, made, regions = case
    both = {"happiness": regions[:, 1], "fear": regions[:, 5].float(), "anger": regions[:, 0]}
    targets = torch.tensor([HAPPY, FEAR, FEAR, HAPPY, FEAR])
    turned = {"a": targets, "b": HAPPY + FEAR - targets}
    asked = {
        name: dataclasses.replace(made, targets=one, method=name) for name, one in turned.items()
    }
    frame = metrics.evaluate(tiny_model(size=32), faces, asked, ["au_cosine"], areas=both, chunk=2)
    for name, one in turned.items():
        own = [both[EMOTIONS[t]][k].float() for k, t in enumerate(one.tolist())]
        expected = metrics.au_cosine(made.maps, torch.stack(own)).numpy()
        assert np.allclose(frame.loc[frame["method"] == name, "value"], expected, atol=1e-6)


@pytest.mark.parametrize(
    ("areas", "match"),
    [
        (None, "Expected areas for au_cosine: pass areas="),
        (torch.ones(3, 32, 32), r"Expected areas \(N, H, W\) as \(5, 32, 32\)"),
        (torch.ones(5, 6, 32, 32), r"Expected areas \(N, H, W\) as \(5, 32, 32\)"),
        ({"fear": torch.ones(5, 16, 16)}, r"Expected areas of fear \(N, H, W\) as \(5, 32, 32\)"),
        ({"AU1": torch.ones(5, 32, 32)}, r"Expected areas by emotion \(happiness.*got AU1"),
        ({"fear": torch.ones(5, 32, 32)}, "areas of every explained emotion, got none of happines"),
        (np.ones((5, 32, 32)), "Expected areas as a torch tensor"),
    ],
)
def test_other_areas_are_refused(case, areas, match):
    faces, made, _ = case
    made = dataclasses.replace(made, targets=torch.full((5,), HAPPY))
    with pytest.raises(InputError, match=match):
        metrics.evaluate(tiny_model(size=32), faces, made, ["au_cosine"], areas=areas)


def test_the_mouth_of_a_network_that_looks_at_it_is_above_its_floor_and_the_rest_is_not(planted):
    """The floor is a uniform map: scores of areas of other sizes cannot be compared bare."""
    predictor, images, regions, made = planted
    uniform = dataclasses.replace(made, maps=torch.ones_like(made.maps), method="uniform")
    gains = {}
    for region in ("mouth", "brows", "off_face"):
        areas = regions[:, REGIONS.index(region)]
        frame = metrics.evaluate(predictor, images, [made, uniform], OF_AREAS, areas=areas)
        means = frame.groupby(["metric", "method"])["value"].mean().unstack()
        gains[region] = means["input_x_gradient"] - means["uniform"]
    for name in OF_AREAS:
        assert gains["mouth"][name] > 0.1, name
        assert gains["brows"][name] < 0.01, name
        assert gains["off_face"][name] < 0.01, name
    outside = metrics.off_face_mass(made.maps, regions)
    assert bool((outside < metrics.off_face_mass(uniform.maps, regions) - 0.1).all())


def test_the_right_codebook_beats_the_wrong_one_for_a_network_that_looks_at_the_mouth(planted):
    _, _, regions, made = planted
    areas = torch.stack([regions[:, REGIONS.index(name)] for name in ("mouth", "brows")], dim=1)
    noise = torch.rand(6, 64, 64, generator=torch.Generator().manual_seed(0))
    maps = torch.stack([made.maps, noise], dim=1)
    found = metrics.emotion_contrast(maps, areas)
    interval = metrics.mean_interval(found.values.numpy())
    assert interval.low > 0


def test_studies_refuse_metrics_that_need_areas_and_take_the_others():
    with pytest.raises(InputError, match="Expected metrics that need no areas of the face, got au"):
        Scoreboard(methods=["gradcam"], metrics=["gini", "au_cosine"])
    board = Scoreboard(methods=["gradcam"], metrics=["off_face_mass"])
    assert board.needs_regions() == ["off_face_mass"]
    assert not set(MetaEvaluation()._specs()) & set(NAMES)
    with pytest.raises(InputError, match="but off_face_mass make maps of their own, ask only"):
        MetaEvaluation(metrics=("off_face_mass",))._specs()
