"""The study of conditions: rows, resuming, batches, and what it refuses."""

import json

import numpy as np
import pandas as pd
import pytest
import torch

from fer_xai.errors import InputError, UnknownNameError
from studies.engine.other_persons import other_persons
from studies.questions.conditions import likeness, measured
from studies.questions.conditions.study import Conditions

SWEEPS = ("blur=2,8", "rotation=30", "yaw=20")


def study(out, weights, **options):
    settings = {"limit": 8, "conditions": SWEEPS, "batch_size": 8} | options
    return Conditions(
        models=(f"tiny={weights}",), device="cpu", progress=False, out=out, **settings
    )


@pytest.fixture(scope="module")
def run(tmp_path_factory, weights):
    out = tmp_path_factory.mktemp("conditions")
    return study(out, weights, methods=("gradcam", "saliency"), metrics=("average_drop",)).run()


def test_a_run_leaves_rows_tables_curves_and_a_report(run):
    rows = pd.read_parquet(run / "rows.parquet")
    assert set(rows["condition"]) == {"blur", "rotation", "yaw"}
    assert set(rows["network"]) == {"tiny", "tiny@untrained0"}
    clean = rows[rows["severity"] == 0]
    assert np.allclose(clean["likeness"].dropna(), 1, atol=1e-5)
    assert clean["stays"][clean["trained"]].all()
    assert rows["likeness"].dropna().between(-1, 1).all()
    assert rows.loc[rows["trained"], "average_drop over centre"].notna().any()
    table = pd.read_csv(run / "tables" / "areas.csv")
    assert len(table) == 6
    assert table["recognised"].between(0, 1).all()
    assert table["reason"].str.contains("too few").all()  # 8 faces tell nothing apart
    curves = pd.read_csv(run / "tables" / "curves.csv")
    shares = curves.pivot_table(
        index=["condition", "method", "severity"], columns="group", values="share"
    )
    assert (shares["still recognised"] + shares["lost"] <= 1 + 1e-9).all()
    assert (shares["always recognised"] <= shares["still recognised"] + 1e-9).all()
    assert (run / "figures" / "curves_tiny_gradcam.png").stat().st_size > 10_000
    page = (run / "report.html").read_text()
    assert "Faces that are still recognised differ from severity to severity" in page
    manifest = json.loads((run / "manifest.json").read_text())
    assert manifest["status"] == "complete"
    assert "endpoint" in manifest["config"]


def test_a_run_is_continued_with_the_same_rows(run, weights, monkeypatch):
    before = pd.read_parquet(run / "rows.parquet")
    (run / "shards" / "tiny" / "yaw.parquet").unlink()
    made, rows = [], measured.Measured.rows

    def recorded(self, sweep):
        made.append((self.name, sweep.condition))
        return rows(self, sweep)

    monkeypatch.setattr(measured.Measured, "rows", recorded)
    options = {"methods": ("gradcam", "saliency"), "metrics": ("average_drop",)}
    assert study(run.parents[1], weights, **options).run() == run
    assert made == [("tiny", "yaw")]
    pd.testing.assert_frame_equal(pd.read_parquet(run / "rows.parquet"), before)


def test_rows_do_not_depend_on_the_batch(tmp_path, weights, monkeypatch):
    found = []
    sweeps = ("noise=8", "yaw=20")
    for size, chunk in ((8, 64), (3, 5)):
        monkeypatch.setattr(measured, "CHUNK", chunk)
        assert measured._step(size) == {8: 64, 3: 3}[size]  # one block, and several
        options = {"batch_size": size, "untrained": 0, "conditions": sweeps}
        folder = study(tmp_path / str(size), weights, **options).run()
        found.append(pd.read_parquet(folder / "rows.parquet"))
    pd.testing.assert_frame_equal(*found, atol=1e-4)


def test_blocks_of_faces_are_whole_batches_of_bounded_size():
    for batch in range(1, 600):
        step = measured._step(batch)
        assert step % batch == 0
        assert step <= max(measured.CHUNK, batch)
    assert measured._step(255) == 255
    usual = [2**k for k in range(11)]
    assert [measured._step(batch) for batch in usual] == [64] * 7 + [128, 256, 512, 1024]


def test_shards_of_other_weights_are_refused(run, weights, tmp_path):
    folder = run / "shards" / "tiny"
    facts = json.loads((folder / "made_of.json").read_text())
    (folder / "made_of.json").write_text(json.dumps(facts | {"model": "another"}))
    options = {"methods": ("gradcam", "saliency"), "metrics": ("average_drop",)}
    with pytest.raises(InputError, match="differ in model"):
        study(run.parents[1], weights, **options).run()
    (folder / "made_of.json").write_text(json.dumps(facts))


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"conditions": ("fog",)}, "Expected a condition .*, got 'fog'"),
        ({"conditions": ("blur", "blur=2")}, "Expected each condition once, got blur twice"),
        ({"conditions": ("blur=8,2",)}, "numbers that rise, above 0 and up to 30"),
        ({"conditions": ("blur=0,2",)}, "numbers that rise"),
        ({"conditions": ("blur=much",)}, "numbers that rise"),
        ({"methods": ("gradcam", "gradcam")}, "Expected each method once, got gradcam twice"),
        ({"metrics": ("mprt",)}, "mprt needs"),
        ({"untrained": -1}, "Expected --untrained from 0"),
        ({"conditions": ("yaw",), "data": "gimefive:/nowhere"}, "Expected --data synthetic for ya"),
    ],
)
def test_what_cannot_be_answered_is_refused_at_once(options, sentence, weights, tmp_path):
    with pytest.raises((InputError, UnknownNameError), match=sentence):
        study(tmp_path, weights, **options).run()
    assert not any(tmp_path.iterdir())


def test_a_map_that_ignores_the_image_gains_nothing_over_other_faces():
    blob = torch.rand(1, 8, 8, generator=torch.Generator().manual_seed(0)).expand(6, 8, 8)
    others = other_persons(torch.tensor([0, 0, 0, 1, 1, 1]), list("abcdef")).numpy()
    found = likeness.compared(blob, blob, blob[:1], others=others)
    np.testing.assert_allclose(found.own - found.other - found.lent, 0, atol=1e-6)


def test_the_gain_is_the_mean_difference_and_knows_a_planted_one():
    g = torch.Generator().manual_seed(0)
    clean = torch.rand(30, 8, 8, generator=g)
    changed = 0.5 * clean + 0.5 * torch.rand(30, 8, 8, generator=g)
    others = other_persons(torch.arange(30) % 3, [str(k // 2) for k in range(30)]).numpy()
    found = likeness.compared(changed, clean, clean[:1], others=others)
    slow = np.corrcoef(np.concatenate([changed.flatten(1).numpy(), clean.flatten(1).numpy()]))[
        :30, 30:
    ]
    np.testing.assert_allclose(found.own, np.diagonal(slow), atol=1e-5)
    expected = np.array([slow[k][others[k]].mean() for k in range(30)])
    np.testing.assert_allclose(found.other, expected, atol=1e-5)
    assert abs(found.lent.mean()) < 1e-9
    assert (found.own - found.other).mean() > 0.5
