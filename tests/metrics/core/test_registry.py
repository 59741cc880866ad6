"""Every spec asks a question, names its direction and counts its passes right."""

import pytest
import torch

from fer_xai.inference.predictor import Predictor
from fer_xai.landmarks import face_regions
from fer_xai.types import Explanation
from metrics.core.registry import METRICS, MetricSpec
from metrics.evaluation import evaluate
from tests.helpers import tiny_model


@pytest.mark.parametrize("name", list(METRICS))
def test_every_spec_asks_a_question_and_names_its_direction(name):
    spec = METRICS[name]
    assert spec.question.endswith("?")
    assert spec.better == {True: "higher", False: "lower", None: None}[spec.higher_is_better]
    assert repr(spec).startswith(f"MetricSpec({name!r}, {spec.family}, ")


def test_a_question_is_taken_from_the_docstring():
    def asked(maps):
        """How bright is the map,
        in all? Higher is brighter.
        """

    def said(maps):
        """The sum. Is it large?"""

    facts = {
        "name": "own",
        "family": "complexity",
        "higher_is_better": True,
        "bounds": (0, 1),
        "needs": ("maps",),
        "reference": "none",
    }
    assert MetricSpec(fn=asked, **facts).question == "How bright is the map, in all?"
    assert MetricSpec(fn=said, **facts).question == ""
    assert MetricSpec(fn=len, **facts, question="Why?").question == "Why?"


@pytest.mark.parametrize("name", [name for name in METRICS if METRICS[name].passes])
def test_passes_are_those_of_the_spec(faces, monkeypatch, name):
    model = tiny_model(size=24)
    passed = []
    run = Predictor.run
    monkeypatch.setattr(
        Predictor, "run", lambda self, batch: passed.append(len(batch)) or run(self, batch)
    )
    one = faces.subset([0])
    source = torch.Generator().manual_seed(0)
    made = {
        name: Explanation(
            maps=torch.randn(1, 24, 24, generator=source),
            targets=torch.tensor([0]),
            logits=torch.zeros(1, 6),
            emotions=model.emotions,
            method=name,
            params={},
        )
        for name in ("a", "b")
    }
    predictor = Predictor(model, device="cpu", batch_size=64)
    regions = face_regions(one.landmarks_at(24), size=24)
    counts = []
    for methods in (["a"], ["a", "b"]):
        passed.clear()
        evaluate(
            predictor,
            one,
            {method: made[method] for method in methods},
            [name],
            regions=regions,
            areas=regions[:, 0],
        )
        counts.append(sum(passed))
    each = counts[1] - counts[0]
    assert (counts[0] - each, each) == METRICS[name].passes
