"""Digests, hashes, candidates and groups, each held to what it should find."""

import numpy as np
import pytest
from PIL import Image

from fer_xai.data import load_dataset
from fer_xai.data.duplicates import candidates, near
from fer_xai.data.duplicates.groups import conflicting, joined, same_value_pairs, straddling
from fer_xai.data.duplicates.prints import read_prints
from fer_xai.data.images import faces_from_files
from fer_xai.errors import InputError


@pytest.fixture(scope="module")
def grey():
    """90 images of noise; the last 30 are copies of the first, brighter or mirrored."""
    rng = np.random.default_rng(0)
    first = rng.integers(0, 600, (60, 64, 64)).astype(np.uint16)
    return np.concatenate([first, first[:15] + 100, first[15:30, :, ::-1]])


@pytest.mark.parametrize("block", [7, 2048])
def test_faiss_finds_what_the_products_find(grey, monkeypatch, block):
    monkeypatch.setattr(candidates, "_BLOCK", block)
    for other in (None, grey[40:]):
        plain = near.near_pairs(grey, other)
        found = near.near_pairs(grey, other, search=candidates.faiss_search)
        assert np.array_equal(plain.pairs, found.pairs)
        assert np.array_equal(plain.mirrored, found.mirrored)
        assert len(plain) == (30 if other is None else 80)
    assert near.near_pairs(grey).pairs.tolist() == [[i, i + 60] for i in range(30)]
    assert near.near_pairs(grey).mirrored.tolist() == [False] * 15 + [True] * 15


def test_a_stricter_threshold_is_a_part_of_a_looser_one(grey):
    rng = np.random.default_rng(1)
    noisy = grey + rng.integers(0, 120, grey.shape).astype(np.uint16)
    loose = near.near_pairs(noisy, grey, like=0.9)
    assert np.array_equal(loose.above(0.95).pairs, near.near_pairs(noisy, grey, like=0.95).pairs)


def test_no_images_have_no_pairs():
    none = np.zeros((0, 64, 64), np.uint16)
    for search in (None, candidates.faiss_search):
        assert len(near.near_pairs(none, search=search)) == 0
        assert len(near.near_pairs(none, none, search=search)) == 0
    pairs, bits = candidates.hamming_pairs(np.zeros((0, 8), np.uint8), 4)
    assert pairs.shape == (0, 2)
    assert bits.shape == (0,)


def test_hamming_pairs_are_all_pairs():
    rng = np.random.default_rng(0)
    hashes = rng.integers(0, 256, (50, 1), dtype=np.uint8)
    distance = np.unpackbits(hashes[:, None] ^ hashes[None], axis=2).sum(axis=2)
    expected = [[i, j] for i in range(50) for j in range(i + 1, 50) if distance[i, j] <= 2]
    pairs, bits = candidates.hamming_pairs(hashes, 2)
    assert pairs.tolist() == expected
    assert bits.tolist() == [distance[i, j] for i, j in expected]


def test_prints_know_files_pixels_and_sizes(tmp_path):
    grey = np.arange(64, dtype=np.uint8).reshape(8, 8)
    Image.fromarray(grey).save(tmp_path / "grey.png")
    Image.fromarray(np.stack([grey] * 3, axis=2)).save(tmp_path / "rgb.png")
    Image.fromarray(grey.reshape(4, 16)).save(tmp_path / "wide.png")
    Image.fromarray(np.stack([grey, grey, grey + 1], axis=2)).save(tmp_path / "colour.png")
    names = ["grey.png", "rgb.png", "wide.png", "colour.png"]
    rows = [(name, str(tmp_path / name), "fear", "test", "", "mine", "") for name in names]
    faces = faces_from_files(rows, name="mine")
    found = read_prints(faces, hashes=["phash", "dhash"])
    assert len(set(found.files)) == 4
    assert found.pixels[0] == found.pixels[1]
    assert len(set(found.pixels)) == 3
    assert found.shapes.tolist() == [[8, 8], [8, 8], [4, 16], [8, 8]]
    assert found.colour.tolist() == [False, False, False, True]
    assert np.array_equal(found.hashes["dhash"][0], found.hashes["dhash"][1])
    assert np.array_equal(found.grey, faces.pixels(64).numpy().sum(axis=1))


def test_prints_of_rows_without_files_have_no_file_digest():
    found = read_prints(load_dataset("synthetic", split="test", limit=3))
    assert found.files == ["", "", ""]
    assert len(set(found.pixels)) == 3


def test_groups():
    assert same_value_pairs(["", ""]).shape == (0, 2)
    groups = joined(5, [[4, 2]], np.zeros((0, 2)))
    assert groups.tolist() == [0, 1, 2, 3, 2]
    assert conflicting(groups, ["a", "a", "a", "a", "b"]).tolist() == [2]
    assert straddling(groups, ["train"] * 5).tolist() == []
    assert joined(0).tolist() == []
    assert conflicting(joined(0), []).tolist() == []


def test_a_missing_library_gets_one_sentence(monkeypatch):
    with pytest.raises(InputError, match=r'pip install "fer-xai\[labels\]"'):
        candidates.labels_extra("no_such_library_of_labels")
