import dataclasses

import numpy as np
import pytest
import torch

import fer_xai
import metrics
from fer_xai.errors import InputError
from fer_xai.files import DamagedFileError
from fer_xai.types import Explanation, Faces
from tests.helpers import tiny_model


@pytest.fixture
def explanation():
    return Explanation(
        maps=torch.randn(3, 8, 8),
        targets=torch.tensor([0, 0, 5]),
        logits=torch.randn(3, 2),
        emotions=("happiness", "fear"),
        method="rise",
        params={"masks": 64, "fill": "black", "seed": 3, "layer": None},
        channels=torch.randn(3, 3, 8, 8),
        ids=("a", "b", "c"),
    )


def test_what_was_saved_is_loaded(explanation, tmp_path):
    explanation.save(tmp_path / "maps.npz")
    found = Explanation.load(str(tmp_path / "maps.npz"))
    for field in dataclasses.fields(Explanation):
        one, two = getattr(explanation, field.name), getattr(found, field.name)
        assert torch.equal(one, two) if isinstance(one, torch.Tensor) else one == two
    assert [path.name for path in tmp_path.iterdir()] == ["maps.npz"]


@pytest.mark.parametrize("kept", [0, 40, 0.5, 0.99])
def test_a_file_that_was_cut_off_is_refused(explanation, tmp_path, kept):
    path = tmp_path / "maps.npz"
    explanation.save(path)
    whole = path.read_bytes()
    path.write_bytes(whole[: int(kept * len(whole)) if kept < 1 else kept])
    with pytest.raises(DamagedFileError, match=r"maps.npz to be whole.*save it again"):
        Explanation.load(path)


def test_files_of_something_else_are_refused(explanation, tmp_path):
    with pytest.raises(InputError, match=r"there is no .*none.npz"):
        Explanation.load(tmp_path / "none.npz")
    with pytest.raises(InputError, match=r"Expected a path that ends in .npz, got '.*maps.pt'"):
        explanation.save(tmp_path / "maps.pt")
    with pytest.raises(InputError, match="Expected parameters that are text, numbers"):
        dataclasses.replace(explanation, params={"net": object()}).save(tmp_path / "maps.npz")
    assert not list(tmp_path.iterdir())


def test_reprs_can_be_read(explanation, faces):
    assert repr(explanation) == ("Explanation(rise: 3 maps of 8×8 pixels of happiness 2, fear 1)")
    blank = dataclasses.replace(explanation, maps=torch.zeros(3, 8, 8), params={"layer": "relu2"})
    assert repr(blank).endswith("fear 1, 3 blank)")
    assert repr(blank).startswith("Explanation(rise at relu2: ")
    assert len(repr(faces)) < 300
    assert repr(faces).startswith(f"Faces({faces.name}: {len(faces)} faces (happiness ")
    assert isinstance(faces.subset([0]), Faces)
    assert ": 1 face (" in repr(faces.subset([0]))
    assert repr(tiny_model()) == (
        "FERModel(tiny: TinyNet of 1,542 weights, 64×64 pixels, 6 emotions (happiness, surprise, "
        "sadness, anger, disgust, fear), maps from relu2)"
    )


def test_maps_made_elsewhere_need_targets_alone():
    model, images = tiny_model(), torch.rand(2, 3, 64, 64)
    maps = np.random.default_rng(0).random((2, 64, 64))
    given = Explanation(maps=maps, targets=["fear", "happy"])
    assert (given.method, given.params, given.emotions) == ("given", {}, ())
    assert given.maps.dtype == torch.float32
    assert given.targets.tolist() == [5, 0]
    assert given.logits.shape == (2, 0)
    frame = metrics.evaluate(model, images, given, ["deletion", "gini"])
    assert frame["value"].notna().all()
    assert set(frame["target"]) == {"fear", "happiness"}
    assert fer_xai.show(images, given).subfigs[0].get_suptitle() == "fear"


def test_maps_made_elsewhere_are_saved_and_loaded(tmp_path):
    given = Explanation(maps=list(np.ones((2, 4, 4))), targets=np.array([5, 0]), method="mine")
    given.save(tmp_path / "maps.npz")
    found = Explanation.load(tmp_path / "maps.npz")
    assert torch.equal(found.maps, given.maps)
    assert found.logits.shape == (2, 0)
    assert found.method == "mine"


def test_maps_with_a_graph_are_let_go_of():
    maps = torch.rand(1, 4, 4, requires_grad=True)
    assert not Explanation(maps=maps * 2, targets="fear").maps.requires_grad


MAPS = torch.zeros(2, 4, 4)


@pytest.mark.parametrize(
    ("given", "sentence"),
    [
        ({"maps": MAPS[0]}, r"Expected maps \(B, H, W\), got \(4, 4\): one map is maps\[None\]"),
        ({"maps": MAPS[:, None]}, r"got \(2, 1, 4, 4\): join the channels first"),
        ({"maps": [np.ones((3, 3)), np.ones((4, 4))]}, "a list of arrays of one size, got list"),
        ({"maps": "fear"}, "a list of arrays of one size, got str"),
        ({"maps": None}, "a list of arrays of one size, got NoneType"),
        ({"targets": [5]}, r"Expected 2 targets, one a map, .* got \(1,\)"),
        ({"targets": ["fear", "joyless"]}, "got 'joyless'"),
        (
            {"targets": [5, 8]},
            "canonical emotion indices 0 to 7 as targets, got values from 5 to 8",
        ),
        ({"targets": [0.5, 1]}, "Expected targets as names or canonical indices"),
        ({"targets": [True, False]}, "Expected targets as names or canonical indices"),
        ({"targets": torch.tensor([0.0, 1.0])}, r"got \(2,\) of float32"),
        ({"targets": 5}, "Expected targets as names or canonical indices, one a map, got '5'"),
        ({"logits": torch.zeros(3, 7)}, "Expected logits of each of 2 maps, got 3"),
    ],
)
def test_what_does_not_fit_is_one_sentence(given, sentence):
    with pytest.raises(InputError, match=sentence):
        Explanation(**{"maps": MAPS, "targets": [5, 0]} | given)
