"""Tests of faces that are taken until every gain is known well enough."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from fer_xai.data.datasets.synthetic import synthetic_faces
from fer_xai.data.splits import face_groups
from fer_xai.errors import InputError
from studies.questions.faithfulness import Faithfulness
from studies.scoreboard.until import in_random_order, stopping_rule


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
