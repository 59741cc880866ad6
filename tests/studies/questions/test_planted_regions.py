"""Networks whose reasons are known, on two faces."""

import dataclasses

import numpy as np
import pandas as pd
import pytest
import torch
from scipy import stats

from fer_xai.errors import InputError
from studies.questions.planted_regions import plants
from studies.questions.planted_regions.study import PlantedRegions
from studies.questions.planted_regions.tables import share_interval


# where both marks cancel, what integrated gradients show is the error of the integral
def test_plants_are_found_by_those_who_can(tmp_path):
    methods = ("region_shapley", "integrated_gradients", "saliency", "deeplift", "gradcam")
    folder = PlantedRegions(methods=methods, faces=2, out=tmp_path, progress=False).run()
    table = pd.read_csv(folder / "tables" / "found.csv").set_index("attribution")
    plants = ["one mark", "XOR, one shown", "XOR, both shown"]
    assert (table.loc["region_shapley", plants] == 100).all()
    assert (table.loc[list(methods)[:4], "one mark"] == 100).all()
    assert table.loc["saliency", "XOR, both shown"] == 0  # saturated: no gradient
    assert table.loc["uniform", "one mark"] < 30
    assert np.isclose(table.loc["region_shapley", "share given to the mark"], 1)
    assert (table.loc["region_shapley", [f"{plant} high" for plant in plants]] == 100).all()
    lows = table.loc["region_shapley", [f"{plant} low" for plant in plants]]
    assert np.allclose(lows, 100 * 0.025 ** (1 / 2))  # two of two faces
    said = (folder / "answer.txt").read_text()
    assert "Of 5 attributions" in said
    # what integrated gradients give where the whole is nothing misses a sixth of their mass
    assert "of the 4 that can be asked where two marks cancel in XOR (1 without maps of" in said
    refused = pd.read_csv(folder / "tables" / "refused.csv").set_index(["attribution", "plant"])
    assert ("deeplift", "XOR, both shown") not in refused.index
    reason = refused.loc[("integrated_gradients", "XOR, both shown"), "reason"]
    assert reason == "Its maps are undefined for every face."
    assert ("region_shapley", "XOR, both shown") not in refused.index  # exactly nothing is no gap
    assert "Blank cells" in (folder / "report.html").read_text()


def test_a_plant_that_refuses_a_method_does_not_speak_for_the_others(tmp_path):
    options = {
        "methods": ("layercam_fused", "gradcam"),
        "faces": 2,
        "out": tmp_path,
        "progress": False,
    }
    folder = PlantedRegions(**options).run()
    before = pd.read_parquet(folder / "scores.parquet")
    PlantedRegions(**options).run()
    pd.testing.assert_frame_equal(before, pd.read_parquet(folder / "scores.parquet"))
    assert set(before.query("attribution == 'layercam_fused'")["plant"]) == {"one mark"}
    other = before.query("attribution == 'other_face_other_emotion'")["found"]
    assert other.isna().all()  # all pictures explain one emotion: undefined, not missed


@pytest.mark.parametrize(("hits", "n"), [(0, 6), (1, 6), (5, 6), (6, 6), (3, 40)])
def test_shares_of_whole_faces_have_the_exact_interval(hits, n):
    peer = stats.binomtest(hits, n).proportion_ci(method="exact")
    assert share_interval(hits / n, n) == pytest.approx((peer.low, peer.high))


def test_a_share_of_no_face_has_no_interval():
    assert np.isnan(share_interval(np.nan, 0)).all()


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"faces": 0}, "Expected --faces as a whole number of 1 or more, got 0"),
        ({"seed": -1}, "Expected --seed from 0, got -1"),
        ({"methods": ("gradcm",)}, "Unknown attribution 'gradcm'"),
    ],
)
def test_bad_input_is_one_sentence(tmp_path, options, sentence):
    with pytest.raises(InputError, match=sentence):
        PlantedRegions(**options, out=tmp_path).run()
    assert not list(tmp_path.iterdir())


def test_a_map_that_is_undefined_finds_nothing_and_misses_nothing(tmp_path, monkeypatch):
    explained = plants.explain

    def sometimes(predictor, images, *, method, **options):
        found = explained(predictor, images, method=method, **options)
        if method != "saliency":
            return found
        maps = found.maps.clone()
        maps[0, 5, 5] = torch.nan  # one pixel, in a region or not
        return dataclasses.replace(found, maps=maps)

    monkeypatch.setattr(plants, "explain", sometimes)
    folder = PlantedRegions(methods=("saliency",), faces=2, out=tmp_path, progress=False).run()
    rows = pd.read_parquet(folder / "scores.parquet").query("attribution == 'saliency'")
    for _, own in rows.groupby("plant"):
        assert own["found"].isna().tolist() == [True] + [False] * (len(own) - 1)
        assert np.isnan(own["share"].iloc[0])
    refused = pd.read_csv(folder / "tables" / "refused.csv").set_index(["attribution", "plant"])
    said = refused.loc[("saliency", "one mark"), "reason"]
    assert said == f"Its maps are undefined for 1 of {len(own)} marked faces."
