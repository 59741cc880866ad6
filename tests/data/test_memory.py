"""No part of the suite holds all pixels of a data set: how many it holds does not depend on N."""

import gc
import threading
import weakref

import numpy as np
import pandas as pd
import pytest
import torch

from fer_xai import describe, explain, show
from fer_xai.attributions import native_maps
from fer_xai.attributions.api import counting_maps
from fer_xai.data.duplicates.near import near_copies
from fer_xai.detect import locate, locating
from fer_xai.emotions import SIX
from fer_xai.inference.predictor import Predictor
from fer_xai.landmarks import canonical_landmarks
from fer_xai.types import COLUMNS, Faces, reading, streams
from metrics import evaluate
from studies.engine.explained import Explained
from studies.engine.in_words import words_table
from studies.multiverse.maps import signed_cells
from studies.questions.conditions.measured import Measured
from studies.questions.conditions.sweeps import Sweep
from studies.questions.occlusion_robustness.gallery import pairs
from tests.helpers import tiny_model
from training.kept_maps import kept_maps
from training.landmark_faces import grey_crops

N = 450
MOST = 340
"""Faces that may be in memory in one form: three batches of 64 are read ahead, two are in use."""
SIDE = 18
"""Side of the faces in pixels, which no other tensor of a test has."""


class Counter:
    """Counts the faces that are in memory, and the most that ever were, by form."""

    def __init__(self):
        self.alive, self.most, self.reads = {}, {}, 0
        self.lock = threading.RLock()  # a finaliser may run while it is held

    def add(self, form, array, faces):
        self._change(form, faces)
        weakref.finalize(array, self._change, form, -faces)

    def read(self):
        with self.lock:
            self.reads += 1
            due = self.reads % (N // 3) == N // 3 - 1
        if due:
            self.look()

    def look(self):
        self._seen("tensors", _faces_in_tensors())

    def _change(self, form, faces):
        with self.lock:
            self.alive[form] = self.alive.get(form, 0) + faces
            self._seen(form, self.alive[form])

    def _seen(self, form, faces):
        with self.lock:
            self.most[form] = max(self.most.get(form, 0), faces)


def _faces_in_tensors():
    """Faces in all tensors of this side, whatever their type, each storage counted once."""
    gc.collect()
    found = {}
    for thing in gc.get_objects():
        if type(thing) is torch.Tensor and tuple(thing.shape[-3:]) == (3, SIDE, SIDE):
            storage = thing.untyped_storage()
            found[storage.data_ptr()] = storage.nbytes() // (thing.element_size() * 3 * SIDE**2)
    return sum(found.values())


def _image(row):
    rng = np.random.default_rng(row)
    coarse = rng.integers(0, 256, (6, 6, 3), dtype=np.uint8)
    return coarse.repeat(SIDE // 6, axis=0).repeat(SIDE // 6, axis=1)


def _faces(reader):
    table = pd.DataFrame(
        {
            "id": [f"face {row}" for row in range(N)],
            "emotion": [SIX[row % 6] for row in range(N)],
            "subject": [f"S{row // 6}" for row in range(N)],
        }
    ).reindex(columns=list(COLUMNS))
    points = (canonical_landmarks() + 0.5) * SIDE / 64 - 0.5
    landmarks = np.repeat(points[None].astype(np.float32), N, axis=0)
    return Faces(table=table, reader=reader, name="many", landmarks=landmarks)


@pytest.fixture(scope="module")
def predictor():
    return Predictor(tiny_model(size=SIDE), device="cpu", batch_size=16)


@pytest.fixture
def counter(monkeypatch):
    """A counter of decoded images, of rows that are read ahead, and of tensors."""
    counted, made = Counter(), streams.PixelStream._made

    def rows(stream, number):
        found = made(stream, number)
        counted.add("rows", found, len(found))
        return found

    monkeypatch.setattr(streams.PixelStream, "_made", rows)
    monkeypatch.setattr(streams, "workers", lambda: 2)
    monkeypatch.setattr(streams, "AHEAD", 0)  # beside one unit a thread, and one more
    monkeypatch.setattr(locating, "CHUNK", 64)
    monkeypatch.setattr(reading, "KEPT", 0)  # otherwise small sets stay in memory
    return counted


@pytest.fixture
def many(counter):
    """Faces that are counted."""

    def read(row):
        counter.read()
        image = _image(row)
        counter.add("images", image, 1)
        return image

    return _faces(read)


def _conditions(used, faces):
    explained = Explained(used, faces)
    measured = Measured(explained, name="tiny", methods=["gradcam"], metrics=["gini"])
    return measured.rows(Sweep.parse("noise=10"))


def _evaluated(used, faces):
    made = explain(used, faces, method="gradcam")
    return evaluate(used, faces, made, ["gini"])


def _described(used, faces):
    made = explain(used, faces, method="gradcam")
    made.maps[torch.arange(N) % 60 > 0] = 0  # of which nothing can be said
    return [str(one) for one in describe(made, faces.landmarks_at(SIDE), images=faces, model=used)]


def _shown(used, faces):
    figure = show(faces, explain(used, faces, method="gradcam"), most=4)
    return [image.get_array() for axes in figure.axes for image in axes.get_images()]


def _gallery(used, faces):
    return [
        image.get_array()
        for axes in pairs(Explained(used, faces), "gradcam").axes
        for image in axes.get_images()
    ]


def _columns(faces):
    return torch.arange(6).expand(len(faces), -1)


USES = {
    "explain": lambda used, faces: explain(used, faces, method="gradcam").maps,
    "explain, targets": lambda used, faces: (
        explain(used, faces, method="gradcam_signed", targets=faces.labels).maps
    ),
    "explain, control": lambda used, faces: explain(used, faces, method="edges").maps,
    "studies: controls": lambda used, faces: Explained(used, faces).control("edges").maps,
    "studies: maps": lambda used, faces: Explained(used, faces).maps("gradcam", chunk=64),
    "studies: in words": lambda used, faces: words_table(Explained(used, faces), "gradcam").frame,
    "studies: conditions": _conditions,
    "studies: gallery": _gallery,
    "multiverse: maps": lambda used, faces: signed_cells(
        used, faces, _columns(faces), layer="relu2", output="logit"
    ),
    "native maps": lambda used, faces: native_maps(used, faces, _columns(faces), method="gradcam"),
    "kept maps": lambda used, faces: kept_maps(used, faces)["cells"],
    "evaluate": _evaluated,
    "describe": _described,
    "show": _shown,
    "locate": lambda _, faces: locate(faces, "template", cache=None).points,
    "near copies": lambda _, faces: near_copies(faces, faces),
    "landmark faces": lambda _, faces: grey_crops(faces),
    "fingerprint": lambda _, faces: faces.fingerprint(SIDE),
}


@counting_maps()
@pytest.mark.parametrize("use", list(USES))
def test_a_few_faces_are_in_memory_and_results_are_those_of_faces_that_stay(
    use, predictor, many, counter, monkeypatch
):
    streamed = USES[use](predictor, many)
    assert max(counter.most.values()) <= MOST, counter.most
    monkeypatch.undo()
    whole = USES[use](predictor, _faces(_image))
    if isinstance(whole, pd.DataFrame):
        pd.testing.assert_frame_equal(streamed, whole, check_exact=True)
    elif isinstance(whole, torch.Tensor | np.ndarray):
        np.testing.assert_array_equal(np.asarray(streamed), np.asarray(whole))
    elif isinstance(whole, list) and isinstance(whole[0], np.ndarray):
        for one, other in zip(streamed, whole, strict=True):
            np.testing.assert_array_equal(one, other)
    else:
        assert streamed == whole


@pytest.mark.parametrize(
    "wrong",
    [
        lambda faces: faces.images,
        lambda faces: faces.pixels(SIDE),
        lambda faces: [faces.read(row) for row in range(len(faces))],
        lambda faces: [batch.pixels for batch in faces.batches(size=SIDE)],
        lambda faces: [batch.images for batch in faces.batches(size=SIDE)],
        lambda faces: torch.cat([batch.images for batch in faces.batches(size=SIDE)]),
    ],
)
def test_the_counter_sees_what_holds_all_faces(wrong, many, counter):
    held = wrong(many)
    assert len(held) > 0
    counter.look()  # what reads ahead may have seen the end before it was all held
    assert max(counter.most.values()) > MOST


def test_maps_of_more_faces_than_memory_holds_are_refused(predictor, monkeypatch):
    monkeypatch.setattr("fer_xai.attributions.api.AT_ONCE", 1000)
    with pytest.raises(
        ValueError, match=r"those of 450 faces of many at 18×18 pixels can take .*300"
    ):
        explain(predictor, _faces(_image))


def test_large_photographs_are_located_a_few_at_a_time(many, monkeypatch):
    monkeypatch.setattr(locating, "ROOM", 3 * SIDE**2 * 10)
    parts = list(locating.batches_of(many[:25]))
    assert [len(part) for part in parts] == [10, 10, 5]
    assert np.array_equal(np.concatenate(parts), [many.read(row) for row in range(25)])
