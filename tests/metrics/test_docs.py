from pathlib import Path

import pytest
import torch

from fer_xai.inference.predictor import Predictor
from fer_xai.landmarks import face_regions
from fer_xai.types import Explanation
from metrics.core.registry import METRICS
from metrics.evaluation import evaluate

PAGE = Path(__file__).parents[2] / "docs" / "metrics.md"
FAITHFULNESS = [
    [cell.strip() for cell in line.strip("|").split("|")]
    for line in PAGE.read_text().splitlines()
    if line.startswith("| `") and line.count("|") == 7
]


def test_every_metric_stands_on_the_page():
    text = PAGE.read_text()
    assert not [name for name in METRICS if f"`{name}`" not in text]


@pytest.mark.parametrize("row", FAITHFULNESS, ids=lambda row: row[0])
def test_passes_are_those_of_the_page(model, faces, monkeypatch, row):
    passed = []
    run = Predictor.run
    monkeypatch.setattr(
        Predictor, "run", lambda self, batch: passed.append(len(batch)) or run(self, batch)
    )
    one = faces.subset([0])
    source = torch.Generator().manual_seed(0)
    made = {
        name: Explanation(
            maps=torch.randn(1, 64, 64, generator=source),
            targets=torch.tensor([0]),
            logits=torch.zeros(1, 6),
            emotions=model.emotions,
            method=name,
            params={},
        )
        for name in ("a", "b")
    }
    names = [name.strip("` ") for name in row[0].split(",")]
    predictor = Predictor(model, device="cpu", batch_size=64)
    counts = []
    for methods in (["a"], ["a", "b"]):
        passed.clear()
        evaluate(
            predictor,
            one,
            {name: made[name] for name in methods},
            names,
            regions=face_regions(one.landmarks_at(64), size=64),
            fills={"skin": one.images * 0.5},
        )
        counts.append(sum(passed))
    each = counts[1] - counts[0]
    shared = 256 if row[3] == "2⁸" else int(row[3])
    assert (counts[0] - each, each) == (shared, int(row[4]))
