"""A network that reads a mark on the mouth for happiness, and one on the brows for fear."""

from functools import cache

import numpy as np
import pandas as pd
import pytest
import torch
from torch import nn

import metrics
from fer_xai.data.datasets.synthetic import PEOPLE_SIZE, people
from fer_xai.data.registry import DATASETS
from fer_xai.emotions import SIX
from fer_xai.errors import InputError
from fer_xai.landmarks import REGIONS, face_regions
from fer_xai.models.checkpoints import save_weights
from fer_xai.models.planted import CYAN, MAGENTA, MarkReader, marked
from fer_xai.models.registry import MODELS, Architecture
from fer_xai.types import Faces
from studies.questions.landmark_alignment import chance
from studies.questions.landmark_alignment import study as module
from studies.questions.landmark_alignment.areas import choices
from studies.questions.landmark_alignment.cause_tables import region_table
from studies.questions.landmark_alignment.scores import SCORES
from studies.questions.landmark_alignment.study import LandmarkAlignment
from studies.questions.landmark_alignment.tables import endpoint

N = 8
BOOKS = {
    "right": "happiness = [12, 25]\nfear = [1, 2, 4]\n",
    "wrong": "happiness = [1, 2, 4]\nfear = [12, 25]\n",
}


class TwoReasons(MarkReader):
    """Logit of happiness: magenta that it sees; of fear: cyan. Untrained until it is planted."""

    def __init__(self):
        super().__init__("xor")
        self.out = nn.Linear(2, len(SIX), bias=False)
        for layer in (self.colours, self.mix, self.amount):
            layer.reset_parameters()
        with torch.no_grad():  # above 0, so that no map is blank
            for layer in (self.colours, self.mix, self.amount, self.out):
                layer.weight.abs_()
            self.colours.bias.fill_(1)

    def forward(self, x):
        cells = self.map(self.mix(self.pool(self.seen(self.colours(x)))))
        return self.out(self.amount(cells.mean(dim=(2, 3))))


def two_reasons():
    """The network that reads magenta for happiness and cyan for fear."""
    net, reader = TwoReasons(), MarkReader("xor")
    net.load_state_dict(reader.state_dict(), strict=False)
    with torch.no_grad():
        net.out.weight.zero_()
        net.out.weight[SIX.index("happiness"), 0] = 1
        net.out.weight[SIX.index("fear"), 1] = 1
    return net


@cache
def drawn():
    """Faces of as many persons, their pixels, and their regions."""
    faces = people(N, seed=0)
    regions = face_regions(faces.landmarks_at(PEOPLE_SIZE), size=PEOPLE_SIZE)
    return faces, faces.pixels(PEOPLE_SIZE).float() / 255, regions


def marked_faces(place, *, split, problems):
    """Faces of happiness and fear, with marks in the regions that the path names."""
    del split, problems
    faces, images, regions = drawn()
    for region, colour in zip(place.name.split("-"), (MAGENTA, CYAN), strict=True):
        images = marked(images, regions[:, REGIONS.index(region)], colour)
    pixels = (images * 255).round().to(torch.uint8).permute(0, 2, 3, 1).numpy()
    emotions = ["happiness" if k % 2 else "fear" for k in range(N)]
    return Faces(
        table=faces.table.assign(emotion=emotions, split="test"),
        reader=lambda row: pixels[row],
        name=place.name,
        landmarks=faces.landmarks,
    )


def planted_run(place, marks, book, **options):
    """A run of the study on marked faces."""
    (place / marks).mkdir(exist_ok=True)
    (place / f"{book}.toml").write_text(BOOKS[book])
    settings = {
        "models": (f"two_reasons={place / 'net.safetensors'}",),
        "data": f"marked:{place / marks}",
        "landmarks": None,
        "codebook": str(place / f"{book}.toml"),
        "methods": ("gradcam", "input_x_gradient"),
        "targets": "true",
        "causes": 5,
        "batch_size": 16,
        "device": "cpu",
        "progress": False,
        "out": place / "out",
    }
    return LandmarkAlignment(**(settings | options)).run()


@pytest.fixture(scope="module")
def planted(tmp_path_factory):
    """Runs of the study, by where the marks lie and which book is asked."""
    if "two_reasons" not in MODELS:
        MODELS.register("two_reasons")(
            Architecture(
                build=lambda classes: TwoReasons(),
                cam_layer="map",
                greyscale=False,
                mean=(0, 0, 0),
                std=(1, 1, 1),
            )
        )
        DATASETS.register("marked")(marked_faces)
    place = tmp_path_factory.mktemp("planted")
    save_weights(
        two_reasons(), place / "net.safetensors", settings={"model": "two_reasons"}, half=False
    )
    runs = {}

    def report(folder, manifest, results, *_, **__):
        assert results.mean_face is None  # eight persons of a data set that is not built in
        return "none"

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, "write_report", report)  # figures take time
        few = {name: chance.CONTROLS[name] for name in ("uniform", "shuffled")}
        patch.setattr(chance, "CONTROLS", few)
        for marks, book in (
            ("mouth-brows", "right"),
            ("mouth-brows", "wrong"),
            ("off_face-forehead", "right"),
        ):
            first = not runs  # the run whose excess over untrained networks has an interval
            runs[marks, book] = planted_run(place, marks, book, untrained=5 if first else 2)
            patch.setattr(module, "choices", lambda *asked: choices(*asked)[:3])
    return runs


def test_a_few_faces_of_a_data_set_are_refused(planted, tmp_path):
    place = planted["mouth-brows", "right"].parents[1].parent
    with pytest.raises(InputError, match="Expected 5 or more faces with landmarks, got 1 of 8 by"):
        planted_run(place, "mouth-brows", "right", limit=1, out=tmp_path)
    assert not list(tmp_path.iterdir())


def test_the_right_codebook_beats_the_wrong_one(planted):
    values = {}
    for name in BOOKS:
        rows = pd.read_parquet(planted["mouth-brows", name] / "contrasts.parquet")
        rows = rows[rows["trained"] & (rows["choice"] == "as declared")]
        values[name] = rows.pivot_table(index="id", columns="method", values="value")
    for method in ("gradcam", "input_x_gradient", "region_shapley"):
        right, wrong = values["right"][method].dropna(), values["wrong"][method].dropna()
        found = metrics.mean_interval((right - wrong).to_numpy())
        assert found.low > 0.1, method
        assert np.allclose(right, -wrong)  # two emotions: the books change places
    folder = planted["mouth-brows", "right"]
    rows = pd.read_parquet(folder / "contrasts.parquet")
    clusters = pd.read_parquet(folder / "faces.parquet").set_index("id")["cluster"]
    main = endpoint(rows, clusters, pd.read_parquet(folder / "ceilings.parquet"))
    own = main.set_index("method").T["input_x_gradient"]
    assert own["over untrained low"] > 0
    assert own["contrast"] < own["ceiling"]
    assert not rows["choice"].str.contains("share").any()  # neither fear and surprise


def test_the_matrix_of_regions_finds_the_plant(planted):
    rows = pd.read_parquet(planted["mouth-brows", "right"] / "regions.parquet")
    regions = region_table(rows)
    for column in ("Grad-CAM gain", "Shapley share"):
        wide = regions.pivot(index="emotion", columns="region", values=column)
        assert wide.idxmax(axis=1).to_dict() == {"happiness": "mouth", "fear": "brows"}
    named = regions[regions["in the book"]].set_index("emotion")["region"]
    assert named["happiness"] == "mouth"
    assert "brows" in set(named["fear"])
    elsewhere = pd.read_parquet(planted["off_face-forehead", "right"] / "regions.parquet")
    mean = elsewhere.groupby(["target", "region"])["Shapley share"].mean().unstack()
    assert mean.idxmax(axis=1).to_dict() == {"happiness": "off_face", "fear": "forehead"}


def test_every_metric_ranks_maps_as_it_must(planted):
    """Happiness that is read off the mouth lies in its area: by the right book, and on the face.

    Areas of other sizes have other floors, so that a uniform map's score is taken off.
    """
    gains = {}
    for key, folder in planted.items():
        rows = pd.read_parquet(folder / "scores.parquet")
        shown = pd.read_parquet(folder / "faces.parquet").set_index("id")["emotion"]
        rows = rows[rows["trained"] & (rows["id"].map(shown) == "happiness")]
        means = rows.groupby(["metric", "method"])["value"].mean().unstack()
        gains[key] = means["input_x_gradient"] - means["uniform"]
    for metric in SCORES:
        turn = -1 if metric == "off_face_mass" else 1
        right = turn * gains["mouth-brows", "right"][metric]
        assert right > turn * gains["off_face-forehead", "right"][metric] + 0.02, metric
        if metric != "off_face_mass":
            assert right > gains["mouth-brows", "wrong"][metric] + 0.02, metric
