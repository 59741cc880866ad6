"""The page on metrics is made from the specs, and the specs count their passes right."""

import inspect
from pathlib import Path

import pytest
import torch

import metrics
from fer_xai.errors import InputError
from fer_xai.inference.predictor import Predictor
from fer_xai.landmarks import face_regions
from fer_xai.types import Explanation
from metrics.core.reference import main, page, table
from metrics.core.registry import METRICS, MetricSpec
from metrics.evaluation import evaluate
from tests.helpers import tiny_model

PAGE = Path(__file__).parents[2] / "docs" / "metrics.md"
PUBLIC = {
    **{name: getattr(metrics, name) for name in metrics.__all__},
    **{name: METRICS[name].fn for name in METRICS},
}
FUNCTIONS = sorted(
    {fn for fn in PUBLIC.values() if inspect.isfunction(fn)}, key=lambda fn: fn.__name__
)


def test_the_page_is_current():
    text = PAGE.read_text(encoding="utf-8")
    assert page(text) == text, "run python -m metrics.core.reference docs/metrics.md"


def test_every_public_name_stands_on_the_page():
    text = PAGE.read_text(encoding="utf-8")
    missing = [name for name in METRICS if f"| `{name}` |" not in text]
    assert not missing


def test_a_new_metric_stands_in_its_table_and_what_is_written_by_hand_stays(tmp_path, monkeypatch):
    own = MetricSpec(
        name="own",
        fn=metrics.gini,
        family="complexity",
        question="Is a|b?",
        higher_is_better=None,
        bounds=(-float("inf"), 0.25),
        needs=("maps",),
        reference="none",
    )
    monkeypatch.setattr(METRICS, "_entries", {**METRICS._entries, "own": own})
    monkeypatch.setattr(METRICS, "_registered_by", {**METRICS._registered_by, "own": "metrics.own"})
    path = tmp_path / "page.md"
    path.write_text(PAGE.read_text(encoding="utf-8"), encoding="utf-8")
    main([str(path)])
    before, after = (p.read_text(encoding="utf-8").splitlines() for p in (PAGE, path))
    (new,) = [line for line in after if line not in before]
    assert new == r"| `own` | Is a\|b? | neither | −∞ to 0.25 | none |"
    assert [line for line in after if line != new] == before


def test_a_family_needs_a_section_and_a_section_a_family():
    text = PAGE.read_text(encoding="utf-8")
    with pytest.raises(InputError, match="Expected sections for the families of metrics complexit"):
        page(text.replace("<!-- metrics: complexity -->", ""))
    with pytest.raises(InputError, match="Expected families of metrics as sections, got games"):
        page(f"{text}\n<!-- metrics: games -->\n<!-- end of metrics -->\n")
    with pytest.raises(InputError, match="Expected the path of one page, such as docs/metrics.md"):
        main([])


def test_passes_stand_in_tables_of_metrics_that_count_some():
    assert "passes" in table([METRICS["gini"], METRICS["deletion"]])
    assert "passes" not in table([METRICS["gini"], METRICS["mprt"]])


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


@pytest.mark.parametrize("fn", FUNCTIONS, ids=lambda fn: fn.__name__)
def test_every_parameter_is_documented_and_an_example_runs(fn):
    doc = inspect.getdoc(fn)
    parameters, _, rest = doc.partition("Parameters\n----------\n")[2].partition("\n\n")
    names = {
        name
        for line in parameters.splitlines()
        if line and not line.startswith(" ")
        for name in line.split(", ")
    }
    assert names == set(inspect.signature(fn).parameters)
    assert "Examples\n--------\n>>>" in doc
    assert "Returns\n-------\n" in rest


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
    counts = []
    for methods in (["a"], ["a", "b"]):
        passed.clear()
        evaluate(
            predictor,
            one,
            {method: made[method] for method in methods},
            [name],
            regions=face_regions(one.landmarks_at(24), size=24),
            fills={"skin": torch.zeros(1, 3, 24, 24)},
        )
        counts.append(sum(passed))
    each = counts[1] - counts[0]
    assert (counts[0] - each, each) == METRICS[name].passes
