"""Agreement of trainings: known likenesses, and the study on tiny trainings."""

import dataclasses
import json

import numpy as np
import pandas as pd
import pytest
import torch

from fer_xai.errors import InputError
from fer_xai.files import read_arrays
from studies.questions.seed_agreement import study as module
from studies.questions.seed_agreement.pairs import (
    ARCHITECTURES,
    TRAININGS,
    UNTRAINED,
    WITH_UNTRAINED,
    agreement,
    mapped,
    others_of_one_emotion,
)
from studies.questions.seed_agreement.study import SeedAgreement
from tests.studies.tiny_trainings import OPTIONS, tiny_nets

LABELS = torch.tensor([0, 0, 0, 5, 5, 5])
IDS = list("abcdef")


def cells(seed):
    return torch.randn(6, 4, 4, generator=torch.Generator().manual_seed(seed))


def test_the_same_maps_agree_wholly_and_the_inverse_not_at_all():
    networks = [
        mapped("one", "x", cells(0), trained=True),
        mapped("two", "x", cells(0), trained=True),
        mapped("inverse", "y", -cells(0), trained=True),
    ]
    rows = agreement(networks, LABELS, IDS, seed=0).set_index(["kind", "network"])
    assert np.allclose(rows.loc[(TRAININGS, "x"), "same face"], 1, atol=1e-3)
    assert np.allclose(rows.loc[(ARCHITECTURES, "x × y"), "same face"], -1, atol=1e-3)
    assert (rows.loc[(TRAININGS, "x"), "other face"] < 0.99).all()


def test_a_network_that_looks_at_one_place_in_every_face_gains_nothing():
    place = cells(0)[:1].expand(6, -1, -1)
    networks = [mapped(str(k), "x", place, trained=True) for k in range(3)]
    rows = agreement(networks, LABELS, IDS, seed=0)
    assert (rows["pairs"] == 3).all()
    assert np.allclose(rows["same face"] - rows["other face"], 0, atol=1e-3)


def test_kinds_of_pairs_and_undefined_maps_are_told_apart():
    blank = cells(1)
    blank[0] = 0
    networks = [
        mapped("a", "x", cells(0), trained=True),
        mapped("b", "x", blank, trained=True),
        mapped("c", "x", cells(2), trained=False),
        mapped("d", "x", cells(3), trained=False),
        mapped("e", "y", cells(4), trained=False),
    ]
    rows = agreement(networks, LABELS, IDS, seed=0)
    assert list(rows["kind"].unique()) == [TRAININGS, WITH_UNTRAINED, UNTRAINED]
    first = rows[(rows["kind"] == TRAININGS)].set_index("id")
    assert first.loc["a", "pairs"] == 0
    assert np.isnan(first.loc["a", "same face"])


def test_grids_of_different_size_are_compared():
    coarse = cells(0)
    fine = coarse.repeat_interleave(2, dim=1).repeat_interleave(2, dim=2)
    networks = [mapped("a", "x", coarse, trained=True), mapped("b", "y", fine, trained=True)]
    assert (agreement(networks, LABELS, IDS, seed=0)["same face"] > 0.9).all()


def test_other_faces_show_the_same_emotion_whatever_the_order():
    other = others_of_one_emotion(LABELS, IDS, seed=3)
    assert (LABELS[other] == LABELS).all()
    assert (other != np.arange(6)).all()
    backwards = others_of_one_emotion(LABELS.flip(0), IDS[::-1], seed=3)
    assert [IDS[other[k]] for k in range(6)] == [IDS[::-1][backwards[5 - k]] for k in range(6)]


def test_other_faces_are_of_other_persons():
    persons = np.repeat(np.arange(20), 3)
    labels = torch.from_numpy(np.repeat(np.arange(20) % 4, 3))
    other = others_of_one_emotion(
        labels, [f"{k:02d}" for k in range(60)], seed=0, clusters=persons.tolist()
    )
    assert (persons[other] != persons).all()
    assert (labels[other] == labels).all()
    alone = others_of_one_emotion(LABELS, IDS, seed=3, clusters=["ann"] * 6)
    assert (alone == -1).all()


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    folder = tmp_path_factory.mktemp("agreement")
    with tiny_nets({"gimefive": True, "resnet18": False}), pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, "CALIBRATION", 48)
        yield folder, study(folder).run()


def study(folder, **options):
    trained = dataclasses.replace(OPTIONS, runs=folder / "runs", records=folder / "records")
    chosen = {"options": trained, "untrained": 2} | options
    return SeedAgreement(out=folder / "results", progress=False, **chosen)


def test_a_run_leaves_a_table_for_every_kind(finished):
    folder, run = finished
    table = pd.read_csv(run / "tables" / "agreement.csv")
    assert set(table["kind"]) == {TRAININGS, ARCHITECTURES, WITH_UNTRAINED, UNTRAINED}
    assert (table["gain low"] <= table["gain"]).all()
    assert table.set_index("kind").loc[ARCHITECTURES, "pairs"] == 4
    assert (
        "Two trainings of gimefive explain the same face alike by"
        in (run / "answer.txt").read_text()
    )
    trained = pd.read_csv(run / "tables" / "trainings.csv")
    assert len(trained) == 4
    cards = [
        json.loads((record / "card.json").read_text()) for record in (folder / "records").iterdir()
    ]
    known = sorted(100 * card["test"]["accuracy"] for card in cards)  # rounded to .01
    assert np.allclose(sorted(trained["recognised"]), known, atol=0.0051)
    for record in (folder / "records").iterdir():
        kept = read_arrays(record / "test_maps.npz")
        assert kept["cells"].dtype == np.float16
        assert np.abs(kept["cells"]).max() == 1
        assert (kept["cells"] < 0).any()


def test_maps_outlive_the_weights(finished):
    folder, run = finished
    before = pd.read_csv(run / "tables" / "agreement.csv")
    (folder / "runs").rename(folder / "gone")
    try:
        again = study(folder).run()
    finally:
        (folder / "gone").rename(folder / "runs")
    pd.testing.assert_frame_equal(pd.read_csv(again / "tables" / "agreement.csv"), before)


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"architectures": ("gimefife",)}, "did you mean gimefive"),
        ({"untrained": 1}, "Expected at least 2 untrained networks, got 1"),
        ({"options": dataclasses.replace(OPTIONS, seeds=(0,))}, "Expected at least 2 seeds"),
    ],
)
def test_bad_options_are_one_sentence(tmp_path, options, sentence):
    with pytest.raises(InputError, match=sentence):
        study(tmp_path, **options).run()
