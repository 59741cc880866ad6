import dataclasses

import pytest
import torch

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
