"""Networks are compared over the emotions that all of them have enough maps of.

The maps of every network are the same but for those that the trained one lacks, so that every
excess is zero, however much the emotions differ in how well their pairs are told.
"""

import html

import numpy as np
import pandas as pd
import pytest
import torch

from fer_xai.data.datasets.synthetic import synthetic_faces
from fer_xai.emotions import EMOTIONS, SIX
from fer_xai.inference.predictor import Predictor
from fer_xai.models.checkpoints import save_weights
from metrics.consistency.separability import separability
from metrics.core.similarity import normalised_rows
from studies.engine.networks import Network
from studies.questions.gradcam_consistency.maps import Job
from studies.questions.gradcam_consistency.multiverse import CONSISTENCY, Excesses
from studies.questions.gradcam_consistency.shared import defined_maps, shared_emotions
from tests.helpers import tiny_model
from tests.metrics.consistency.emotion_maps import MASK, maps_of
from tests.studies.run_study import sparing, study

FEAR = EMOTIONS.index("fear")


def cells_of(labels, seed=0):
    """``(N, 6, 4, 4)`` maps of which fear's alone follow the emotion."""
    rng = torch.Generator().manual_seed(seed)
    cells = torch.rand(len(labels), 6, 4, 4, generator=rng) + 0.05
    cells[labels == FEAR] += 3 * torch.rand(6, 4, 4, generator=rng)
    return cells


def lacking(cells, labels, *, kept=4, position=0):
    """The same maps, of which some of fear are blank at one target."""
    out = cells.clone()
    out[(labels == FEAR).nonzero()[kept:, 0], position] = 0
    return out


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    folder = tmp_path_factory.mktemp("shared")
    weights = folder / "tiny.safetensors"
    save_weights(tiny_model().net, weights, settings={"model": "tiny"})

    def maps(job, network, method):
        labels = job.face_set.labels
        cells = cells_of(labels)
        made = lacking(cells, labels) if network.trained else cells
        return made, torch.nn.functional.one_hot(torch.arange(len(labels)) % 6, 6).float()

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Job, "maps", maps)
        with sparing():
            run = study(folder, weights, limit=60, moved=0, methods=("gradcam",)).run()
        yield run


def test_an_emotion_that_one_network_lacks_makes_no_excess(run):
    table = pd.read_csv(run / "tables" / "primary.csv")
    row = table[table["primary"]].iloc[0]
    assert row["excess"] == 0
    assert row["AUC trained"] == row["AUC untrained"] > 0.5
    assert (row["targets"], row["left out"]) == (6, 1)
    assert np.isnan(row["low"])  # there is no spread of a difference of equal parts
    sets = pd.read_parquet(run / "sets.parquet")
    areas = sets[(sets["metric"] == "separability") & (sets["subset"] == "all")]
    fear = areas[(areas["emotion"] == "fear") & (areas["target"] == f"fixed:{SIX[0]}")]
    assert fear.loc[fear["method"] == "gradcam", "value"].isna().all()


def test_the_report_names_what_is_left_out_and_why(run):
    table = pd.read_csv(run / "tables" / "left_out.csv")
    whole = table[table["faces compared"] == "all registered faces (primary)"]
    assert whole["emotion"].tolist() == ["fear"]
    assert whole["left out at (fewest maps)"].tolist() == [f"{SIX[0]} (4 in tiny)"]
    page = html.unescape((run / "report.html").read_text())
    assert "over the emotions that every network of the architecture has enough maps of" in page
    assert f"Left out of the primary comparison of tiny: fear at {SIX[0]} (4 in tiny)." in page


def test_the_multiverse_compares_over_the_same_emotions():
    faces = synthetic_faces(60, size=64)
    networks = [
        Network(name="tiny", architecture="tiny", weights="w"),
        *(
            Network(name=f"tiny@untrained{k}", architecture="tiny", weights=None, seed=k)
            for k in range(2)
        ),
    ]
    excesses = Excesses(
        faces, faces, networks, seed=0, predictor=lambda model, n: Predictor(model, device="cpu")
    )
    cells = cells_of(faces.labels)

    def of(network, _):
        made = lacking(cells, faces.labels) if network.trained else cells
        return made, torch.zeros(len(faces), 6)

    excesses.maps.of = of
    levels = {factor.name: factor.levels[0] for factor in CONSISTENCY.factors}
    row = excesses.excess(levels | {"registration": "none"}, networks).iloc[0]
    assert row["estimate"] == 0
    assert row["AUC trained"] == row["AUC untrained"]
    assert (row["targets"], row["emotions"]) == (6, 5)


@pytest.mark.parametrize("persons", [None, np.arange(60) // 2], ids=["faces", "persons"])
def test_areas_over_fewer_emotions_are_those_of_their_faces_alone(persons):
    maps, labels = maps_of(n=60, classes=4, signal=0.4, seed=2)
    rows = normalised_rows(maps, MASK)
    kept = torch.isin(labels, torch.tensor([0, 1, 3]))
    alone = separability(rows, labels, clusters=persons, defined=kept)
    found = separability(rows, labels, clusters=persons).over([0, 1, 3], reason="said so")
    assert found.auc == pytest.approx(alone.auc, abs=1e-12)
    assert found.per_emotion == pytest.approx(alone.per_emotion, nan_ok=True)
    assert found.influence == pytest.approx(alone.influence, abs=1e-12, nan_ok=True)
    assert found.interval.low == pytest.approx(alone.interval.low)
    assert found.interval.freedom == pytest.approx(alone.interval.freedom)
    assert (found.left_out, found.counted) == ({2: "said so"}, [0, 1, 3])


def test_nothing_changes_where_no_emotion_is_left_out():
    maps, labels = maps_of(n=40, classes=4)
    found = separability(normalised_rows(maps, MASK), labels)
    assert found.over(range(6)) is found
    assert np.isnan(found.over([1]).auc)
    assert np.isnan(found.over([1]).influence).all()


def test_shared_emotions_are_those_that_separability_counts():
    faces = synthetic_faces(60, size=64)
    excesses = Excesses(faces, faces, [], seed=0, predictor=lambda model, n: Predictor(model))
    frame = excesses._frame("similarity")
    cells = lacking(cells_of(faces.labels), faces.labels, position=2)
    persons = np.arange(60) // 2
    shared = shared_emotions([defined_maps(cells, frame)], faces.labels, persons)
    areas = excesses._areas
    excesses._clusters = list(persons)
    levels = {factor.name: factor.levels[0] for factor in CONSISTENCY.factors}
    positions = excesses._positions(levels, None)
    found = areas(cells, levels, torch.ones(60, 6, dtype=torch.bool), positions)
    assert [set(one.counted) for one in found] == [set(emotions) for emotions in shared]
    assert FEAR not in shared[2]
    assert FEAR in shared[0]
