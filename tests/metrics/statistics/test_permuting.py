import numpy as np
import pytest

from fer_xai.errors import InputError
from metrics.statistics.permuting import permutation_p_value, permutations


def test_permutation_p_counts_itself():
    assert permutation_p_value(5, np.arange(4)) == pytest.approx(1 / 5)
    assert permutation_p_value(-1, np.arange(4)) == 1


def test_labels_are_shuffled_among_exchangeable_faces():
    """Person 0 shows two emotions; faces 4 and 5, and 6 and 7, are copies; 8 to 10 single."""
    labels = np.array([0, 1, 0, 1, 2, 2, 0, 0, 1, 2, 0])
    clusters = np.array([0, 0, 0, 0, 1, 1, 2, 2, 3, 4, 5])
    orders = permutations(labels, repeats=50, seed=0, clusters=clusters)
    assert orders.shape == (50, 11)
    shuffled = labels[orders]
    assert (np.sort(shuffled[:, :4], axis=1) == [0, 0, 1, 1]).all()
    assert (shuffled[:, 4] == shuffled[:, 5]).all()
    assert (shuffled[:, 6] == shuffled[:, 7]).all()
    whole = shuffled[:, [4, 6, 8, 9, 10]]  # copies and single faces exchange whole labels
    assert (np.sort(whole, axis=1) == [0, 0, 1, 2, 2]).all()
    assert len({tuple(row) for row in whole}) > 10
    free = permutations(labels, repeats=50, seed=0)
    assert not (free[:, 4] == free[:, 5]).any()
    assert len({tuple(row) for row in free}) == 50


def test_a_value_that_rounding_lowers_counts_as_equal():
    assert permutation_p_value(0.3, [0.1 + 0.2, 0.3 - 1e-16, 0.1]) == pytest.approx(3 / 4)


def test_frames_of_one_moment_keep_one_label():
    """Two persons of two moments each; the second person's moments differ in length."""
    labels = np.array([0, 0, 1, 1, 0, 0, 0, 1])
    persons = np.array(["a"] * 4 + ["b"] * 4)
    shuffled = labels[permutations(labels, repeats=40, seed=0, clusters=persons)]
    assert {tuple(row) for row in shuffled[:, :4]} == {(0, 0, 1, 1), (1, 1, 0, 0)}
    assert {tuple(row) for row in shuffled[:, 4:]} == {(0, 0, 0, 1), (1, 1, 1, 0)}


def test_sequences_are_moments_where_they_are_known():
    labels = np.array([0, 0, 0, 0, 1, 1])
    persons, sequences = ["a"] * 6, ["s1", "s1", "s2", "s2", "s3", "s3"]
    orders = permutations(labels, repeats=60, seed=0, blocks=sequences, clusters=persons)
    found = {tuple(row) for row in labels[orders]}
    assert found == {(0, 0, 0, 0, 1, 1), (0, 0, 1, 1, 0, 0), (1, 1, 0, 0, 0, 0)}
    alone = permutations(labels, repeats=60, seed=0, blocks=sequences)  # no person is known
    assert {tuple(row) for row in labels[alone]} == found
    partly = permutations(labels, repeats=60, seed=0, blocks=["s1", "s1", "", "", "s3", "s3"])
    assert len({tuple(row) for row in labels[partly]}) > 3  # faces 2 and 3 are free


def test_blocks_and_clusters_are_one_for_each_face():
    for name in ("blocks", "clusters"):
        with pytest.raises(InputError, match="Expected 3 cluster labels, one a face, got 1"):
            permutations(np.array([0, 1, 0]), repeats=2, seed=0, **{name: ["a"]})
