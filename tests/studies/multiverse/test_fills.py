"""How far fills leave the data."""

import pandas as pd
import pytest
import torch
from torch import nn

from fer_xai import FERModel
from fer_xai.data.datasets.synthetic import synthetic_faces
from fer_xai.errors import InputError
from fer_xai.inference.predictor import Predictor
from studies.multiverse.fills import fill_facts
from tests.helpers import tiny_model


@pytest.fixture(scope="module")
def faces():
    return synthetic_faces(12, size=64)


@pytest.fixture(scope="module")
def images(faces):
    return faces.pixels(64).float() / 255


def facts(images, faces, fills, **options):
    predictor = Predictor(tiny_model(), device="cpu", batch_size=options.pop("batch_size", 8))
    return fill_facts(predictor, images, ids=faces.ids, fills=fills, **options)


def test_a_fill_that_leaves_faces_as_they_are_is_survived(images, faces):
    found = facts(images, faces, ["same"], own={"same": images})
    assert found["answer survives"].tolist() == [1.0, 1.0]
    assert found["distance"].tolist() == pytest.approx([1.0, 1.0], abs=1e-6)
    assert (found["outside"] <= 1 / 12 + 1e-9).all()


def test_a_fill_unlike_any_face_lies_far_from_faces(images, faces):
    glare = torch.zeros_like(images)
    glare[:, 0] = 1  # red
    found = facts(images, faces, ["glare", "blur"], own={"glare": glare}).set_index("fill")
    far, near = found.loc["glare"], found.loc["blur"]
    assert (far["distance"].to_numpy() > near["distance"].to_numpy()).all()
    assert far["distance"].iloc[1] > 1.5
    assert far["outside"].iloc[1] == 1


def test_facts_are_seeded_and_do_not_depend_on_the_batch(images, faces):
    one = facts(images, faces, ["linear"], batch_size=8)
    assert one.equals(facts(images, faces, ["linear"], batch_size=3))
    assert not one.equals(facts(images, faces, ["linear"], seed=1))


def test_faces_of_one_person_are_nobodys_other_face(images, faces):
    twice = torch.cat([images[:4], images[:4]])
    names = [*faces.ids[:4], *(f"{name} again" for name in faces.ids[:4])]
    used = Predictor(tiny_model(), device="cpu")
    found = fill_facts(used, twice, ids=names, fills=["black"], clusters=[0, 1, 2, 3] * 2)
    assert found["distance"].notna().all()  # the nearest is not the copy, at distance zero


def test_one_person_alone_has_no_other_face(images, faces):
    found = facts(images, faces, ["black"], clusters=["one person"] * len(images))
    assert found[["distance", "outside"]].isna().all(axis=None)


def test_too_few_faces_and_a_model_without_a_head_are_refused(images, faces):
    with pytest.raises(InputError, match="three faces or more"):
        facts(images[:2], faces.subset([0, 1]), ["black"])
    net = nn.Sequential(nn.Conv2d(3, 6, 8), nn.AdaptiveAvgPool2d(1), nn.Flatten())
    model = FERModel(net, emotions=list(tiny_model().emotions), size=64)
    with pytest.raises(InputError, match="to use a linear layer"):
        fill_facts(Predictor(model, device="cpu"), images, ids=faces.ids, fills=["black"])


class WithSpare(nn.Module):
    """A network that holds a linear layer behind its head, and does not use it."""

    def __init__(self, net):
        super().__init__()
        self.net, self.spare = net, nn.Linear(7, 3)

    def forward(self, x):
        return self.net(x)


def test_a_linear_layer_that_is_not_used_changes_nothing(images, faces):
    plain = tiny_model()
    spare = FERModel(WithSpare(plain.net), emotions=list(plain.emotions), size=64)
    found = [
        fill_facts(Predictor(model, device="cpu"), images, ids=faces.ids, fills=["black"])
        for model in (FERModel(plain.net, emotions=list(plain.emotions), size=64), spare)
    ]
    pd.testing.assert_frame_equal(*found)
