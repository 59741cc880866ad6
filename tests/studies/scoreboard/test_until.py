"""Tests of faces that are taken until every gain is known well enough."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from PIL import Image
from rich.progress import Progress

from fer_xai.data.datasets.synthetic import synthetic_faces
from fer_xai.data.splits import face_groups
from fer_xai.errors import InputError
from metrics.statistics.intervals import mean_interval
from studies.engine.study import Run
from studies.questions.faithfulness import Faithfulness
from studies.scoreboard.study import Findings, _Part
from studies.scoreboard.until import in_random_order, outcome, stopping_rule


def faces_of(n, frames=1):
    faces = synthetic_faces(n, size=16)
    names = [f"p{at // frames}" for at in range(n)]
    return replace(faces, table=faces.table.assign(subject=names))


def rows_of(faces, gains, method="lime"):
    both = [(method, gains), ("centre", np.zeros(len(gains)))]
    return pd.concat(
        pd.DataFrame(
            {"id": faces.ids[: len(values)], "method": name, "metric": "road", "value": values}
        )
        for name, values in both
    )


def test_every_beginning_has_the_emotions_of_all():
    faces = in_random_order(faces_of(600), seed=0)
    shares = faces.table["emotion"].value_counts(normalize=True)
    some = faces.table["emotion"][:60].value_counts(normalize=True)
    assert (some - shares).abs().max() < 0.02


def test_persons_stay_together():
    faces = in_random_order(faces_of(120, frames=3), seed=1)
    groups = face_groups(faces)
    assert all(len(set(groups[at : at + 3])) == 1 for at in range(0, 120, 3))
    assert faces.ids != faces_of(120, frames=3).ids


def test_the_order_hangs_on_the_seed_alone():
    faces = faces_of(60)
    assert in_random_order(faces, seed=3).ids == in_random_order(faces, seed=3).ids
    assert in_random_order(faces, seed=3).ids != in_random_order(faces, seed=4).ids


def test_a_run_stops_at_the_end_of_a_person():
    faces = faces_of(300, frames=3)
    gains = np.repeat(np.random.default_rng(0).normal(size=100), 3)
    rule = stopping_rule(faces, metric="road", methods=["lime"], half_width=0.3)
    assert rule(rows_of(faces, gains[:190])) == 189
    assert rule(rows_of(faces, gains[:100])) is None  # 33 persons


def test_one_wide_gain_keeps_a_run_going():
    faces, rng = faces_of(100), np.random.default_rng(0)
    narrow, wide = rng.normal(size=100), 5 * rng.normal(size=100)
    rows = pd.concat([rows_of(faces, narrow), rows_of(faces, wide, "rise")])
    for methods, kept in ((["lime"], 100), (["lime", "rise"], None), (["lime", "absent"], 100)):
        rule = stopping_rule(faces, metric="road", methods=methods, half_width=0.3)
        assert rule(rows) == kept


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"until": 0.0}, "--until above 0"),
        ({"until": 0.1, "metrics": ("deletion",)}, "--metrics with road"),
    ],
)
def test_what_cannot_be_is_refused(options, said):
    with pytest.raises(InputError, match=said):
        Faithfulness(**options).check()


def test_a_run_stops_once_gains_are_known(tmp_path, weights, capsys, monkeypatch):
    monkeypatch.setattr(Faithfulness, "primary", "deletion")  # in place of ROAD, for speed
    rng = np.random.default_rng(0)
    for at in range(112):
        image = rng.integers(0, 256, size=(16, 16, 3), dtype=np.uint8)
        path = tmp_path / "faces" / ("happiness", "fear")[at % 2] / f"{at}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(image).save(path)
    study = Faithfulness(
        models=(f"tiny={weights}",),
        data=f"folder:{tmp_path / 'faces'}",
        methods=("gradcam", "saliency"),
        metrics=("deletion",),
        until=1.0,  # of a score that lies within 0 and 1
        limit=112,
        device="cpu",
        progress=False,
        out=tmp_path / "out",
    )
    run = study.run()
    rows = pd.read_parquet(run / "scores.parquet")
    assert rows["id"].nunique() == len(pd.read_parquet(run / "faces.parquet")) == 64
    said = (run / "answer.txt").read_text()
    assert "64 faces, after which every gain was known to ±1, as asked" in said
    assert "is told from none with power 0.8." in " ".join(capsys.readouterr().err.split())
    assert study.run() == run
    pd.testing.assert_frame_equal(pd.read_parquet(run / "scores.parquet"), rows)


def test_methods_without_most_scores_or_without_spread_do_not_keep_a_run_going():
    faces, rng = faces_of(100), np.random.default_rng(0)
    lime = rng.normal(size=100)
    few = np.where(np.arange(100) < 40, lime, np.nan)
    rows = pd.concat(
        [rows_of(faces, lime), rows_of(faces, few, "rise"), rows_of(faces, 0 * lime, "uniform")]
    ).drop_duplicates(["id", "method"])
    rule = stopping_rule(faces, metric="road", methods=["lime", "rise", "uniform"], half_width=0.3)
    assert rule(rows) == 100


def test_all_faces_are_at_hand_unless_a_limit_is_given():
    faces = faces_of(300)
    assert len(Faithfulness(until=0.02).chosen(faces)) == 300
    assert len(Faithfulness(until=0.02, limit=200).chosen(faces)) == 200
    assert len(Faithfulness().chosen(faces)) == 128


def test_models_stop_together_where_all_are_known(monkeypatch, tmp_path):
    """One is known at 64 faces and the other at 96, where the first is not: both go on to 128."""
    known, asked, faces = {"a": (64, 128), "b": (96, 128)}, [], faces_of(160)

    def scored(self, network, *_, least, told):
        asked.append((network, least))
        told.now = 0
        n = next((n for n in known[network] if n >= least), len(faces))
        for _ in range(n // 16):
            told(16)
        rows = pd.DataFrame({"id": faces.ids[:n], "model": network})
        return _Part(model=network, rows=rows, findings=Findings())

    monkeypatch.setattr(Faithfulness, "_scored", scored)
    with Progress(disable=True) as bar:
        bar.add_task("faces", total=320)
        run = Run(folder=tmp_path, manifest={}, bar=bar)
        parts = Faithfulness(until=0.1)._scored_alike({"a": None, "b": None}, faces, None, run)
        assert bar.tasks[0].completed == 256  # no face is counted twice
    assert [len(part.rows) for part in parts] == [128, 128]
    assert [part.model for part in parts] == ["a", "b"]
    assert asked == [("a", 0), ("b", 0), ("a", 96), ("b", 128)]


def test_no_fewer_faces_are_kept_than_another_model_needs():
    faces, rng = faces_of(100), np.random.default_rng(0)
    rows = rows_of(faces, rng.normal(size=100))
    for least, kept in ((0, 80), (80, 80), (81, None)):
        rule = stopping_rule(faces, metric="road", methods=["lime"], half_width=0.3, least=least)
        assert rule(rows[rows["id"].isin(faces.ids[:80])]) == kept


def test_what_skewed_intervals_reach_to_is_said():
    faces, rng = faces_of(100), np.random.default_rng(0)
    ask = {"metric": "road", "methods": ["lime"]}
    even, skewed = np.tile([-1.0, 1.0], 50), rng.exponential(size=100)
    found = mean_interval(skewed)
    half = (found.high - found.low) / 2 * (1.001 + 1 / np.sqrt(200))
    assert outcome(rows_of(faces, even).assign(model="a"), faces, half_width=0.5, **ask).endswith(
        "as asked (--until)."
    )
    said = outcome(rows_of(faces, skewed).assign(model="a"), faces, half_width=half, **ask)
    assert f"skewed ones reach up to {found.high - found.estimate:.2g} to one side." in said
    few = np.zeros(100)
    few[::50] = 1.0  # judged by betting
    said = outcome(rows_of(faces, few).assign(model="a"), faces, half_width=0.3, **ask)
    assert "its interval by betting is wider" in said
