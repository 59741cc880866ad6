import numpy as np
import pytest

from metrics.statistics.significance import holm, permutation_p_value, permutations


def test_permutation_p_counts_itself():
    assert permutation_p_value(5, np.arange(4)) == pytest.approx(1 / 5)
    assert permutation_p_value(-1, np.arange(4)) == 1


def test_holm_by_hand_and_nan_stays():
    assert holm([0.01, 0.04, 0.03, np.nan]) == pytest.approx(
        [0.03, 0.06, 0.06, np.nan], nan_ok=True
    )
    assert holm([0.6, 0.9]) == pytest.approx([1, 1])


def test_labels_are_shuffled_among_exchangeable_faces():
    """Person 0 shows two emotions; faces 4 and 5, and 6 and 7, are copies; 8 to 10 single."""
    labels = np.array([0, 1, 0, 1, 2, 2, 0, 0, 1, 2, 0])
    clusters = np.array([0, 0, 0, 0, 1, 1, 2, 2, 3, 4, 5])
    orders = permutations(labels, repeats=50, seed=0, clusters=clusters)
    assert orders.shape == (50, 11)
    shuffled = labels[orders]
    assert (np.sort(shuffled, axis=1) == np.sort(labels)).all()
    assert (np.sort(shuffled[:, :4], axis=1) == [0, 0, 1, 1]).all()
    assert (shuffled[:, 4] == shuffled[:, 5]).all()
    assert {tuple(row) for row in shuffled[:, 4:8:2]} == {(2, 0), (0, 2)}
    assert (np.sort(shuffled[:, 8:], axis=1) == [0, 1, 2]).all()
    free = permutations(labels, repeats=50, seed=0)
    assert not (free[:, 4] == free[:, 5]).any()
    assert len({tuple(row) for row in free}) == 50
