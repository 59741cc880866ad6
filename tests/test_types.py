import copy
import pickle

import numpy as np
import pandas as pd
import pytest
import torch

from fer_xai.data.datasets.synthetic import synthetic_faces
from fer_xai.errors import InputError
from fer_xai.types import COLUMNS, Explanation, Faces, undefined_maps


def _faces(images, emotions=None, landmarks=None):
    emotions = emotions or ["happiness"] * len(images)
    rows = [
        (f"f{i}", f"f{i}.png", emotion, "test", "", "", "") for i, emotion in enumerate(emotions)
    ]
    table = pd.DataFrame(rows, columns=list(COLUMNS))
    return Faces(table=table, reader=lambda row: images[row], name="x", landmarks=landmarks)


def test_pixels_of_mixed_sizes_come_out_at_one():
    images = [np.full((h, h + 4, 3), 50 * k, np.uint8) for k, h in enumerate((20, 64, 100))]
    pixels = _faces(images).pixels(32)
    assert pixels.shape == (3, 3, 32, 32)
    assert [int(p.float().mean()) for p in pixels] == [0, 50, 100]


def test_landmarks_follow_a_resize_of_the_image():
    """A bright square found by its centroid sits where its resized landmark says."""
    image = np.zeros((100, 100, 3), np.uint8)
    image[40:50, 60:70] = 255
    landmarks = np.tile(np.array([64.5, 44.5], np.float32), (1, 68, 1))
    faces = _faces([image], landmarks=landmarks)
    small = faces.pixels(50)[0, 0].double()
    y, x = torch.meshgrid(torch.arange(50.0), torch.arange(50.0), indexing="ij")
    centroid = [float((small * g).sum() / small.sum()) for g in (x, y)]
    assert faces.landmarks_at(50)[0, 0] == pytest.approx(centroid, abs=0.05)


def test_subset_keeps_reader_landmarks_and_ids_together(faces):
    faces.pixels(64)
    part = faces.subset([7, 2])
    assert part.ids == [faces.ids[7], faces.ids[2]]
    assert torch.equal(part.pixels(64)[1], faces.pixels(64)[2])
    assert np.array_equal(part.read(0), faces.read(7))
    assert np.array_equal(part.landmarks[1], faces.landmarks[2])
    assert part.fingerprint(64) != faces.fingerprint(64)


def test_limit_keeps_shares_and_is_seeded(faces):
    part = faces.limit(12, seed=1)
    assert part.table["emotion"].value_counts().eq(2).all()
    assert part.ids == faces.limit(12, seed=1).ids != faces.limit(12, seed=2).ids


def test_batches_cover_all_faces_in_order(faces):
    batches = list(faces.batches(16, size=64))
    assert [len(b.ids) for b in batches] == [16, 16, 4]
    assert torch.equal(torch.cat([b.labels for b in batches]), faces.labels)
    assert batches[0].images.dtype == torch.float32
    assert 0 <= float(batches[0].images.min()) <= float(batches[0].images.max()) <= 1


def test_bad_tables_say_what_is_wrong():
    with pytest.raises(
        InputError, match="Expected canonical emotion names in the table, got angry"
    ):
        _faces([np.zeros((4, 4, 3), np.uint8)], emotions=["angry"])
    with pytest.raises(InputError, match=r"Expected landmarks \(1, 68, 2\)"):
        _faces([np.zeros((4, 4, 3), np.uint8)], landmarks=np.zeros((1, 5, 2), np.float32))
    with pytest.raises(InputError, match="Expected a table with columns"):
        Faces(table=pd.DataFrame({"id": []}), reader=lambda row: None, name="x")
    with pytest.raises(InputError, match="Expected square faces of one size, got 2 sizes"):
        _ = _faces([np.zeros((4, 4, 3), np.uint8), np.zeros((5, 5, 3), np.uint8)]).images
    with pytest.raises(InputError, match="Expected the number of faces to keep as a whole number"):
        synthetic_faces(3).limit(0)
    with pytest.raises(InputError, match="Expected each face once in synthetic, got the id"):
        synthetic_faces(3).subset([1, 1])


def test_explanations_survive_saving_and_know_which_maps_are_undefined(tmp_path):
    maps = torch.rand(4, 2, 3)
    maps[1, 0, 0], maps[2, 1, 2] = torch.nan, -torch.inf
    made = Explanation(
        maps=maps,
        targets=torch.arange(4),
        logits=torch.zeros(4, 2),
        emotions=("fear", "anger"),
        method="lrp",
        params={"rule": "gamma"},
        completeness_gap=torch.tensor([0.2, 0, 0, -0.1]),
        ids=("a", "b", "c", "d"),
    )
    torch.save(made, tmp_path / "made.pt")
    for again in (
        made,
        copy.deepcopy(made),
        pickle.loads(pickle.dumps(made)),
        torch.load(tmp_path / "made.pt", weights_only=False),
    ):
        assert again.undefined.tolist() == [True, True, True, False]
        assert again.defined_maps[:3].isnan().all()
        assert torch.equal(again.defined_maps[3], maps[3])
        assert torch.equal(again.completeness_gap, made.completeness_gap)
        assert (again.method, again.params, again.ids) == (made.method, made.params, made.ids)
    assert undefined_maps(maps[:, None]).shape == (4, 1)
    assert undefined_maps(torch.zeros(0, 2, 3)).shape == (0,)
