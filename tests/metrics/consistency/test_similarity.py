import numpy as np
import pytest
import torch

from metrics.consistency.similarity import permuted_excess, similarity
from metrics.core.similarity import normalised_rows
from metrics.statistics.permuting import permutation_p_value
from tests.metrics.consistency.emotion_maps import MASK, maps_of
from tests.reference import consistency_slow as slow


@pytest.mark.parametrize("kind", ["pearson", "cosine", "spearman"])
def test_linear_time_means_are_those_of_all_pairs(kind):
    maps, labels = maps_of(signal=0.5)
    found = similarity(normalised_rows(maps, MASK, kind=kind), labels)
    flat = maps[:, MASK].double().numpy()
    expected = slow.similarity_matrix(flat, labels.numpy(), kind)
    assert found.matrix == pytest.approx(expected, abs=1e-5)
    i = 4
    own = [
        slow.pair_similarity(flat[i], flat[j], kind)
        for j in range(18)
        if j != i and labels[j] == labels[i]
    ]
    assert found.within[i] == pytest.approx(np.mean(own), abs=1e-5)
    assert found.macro_within == pytest.approx(np.diag(expected).mean(), abs=1e-5)


def test_permuting_emotions_gives_a_uniform_p_for_noise_and_a_small_one_for_signal():
    maps, labels = maps_of(n=60, signal=1.0)
    rows = normalised_rows(maps, MASK)
    observed, permuted = permuted_excess(rows, labels, repeats=199, seed=0)
    assert observed == pytest.approx(similarity(rows, labels).macro_excess, abs=1e-6)
    assert permutation_p_value(observed, permuted) == pytest.approx(1 / 200)
    ps = []
    for seed in range(20):
        maps, labels = maps_of(n=40, seed=seed)
        ps.append(
            permutation_p_value(
                *permuted_excess(normalised_rows(maps, MASK), labels, repeats=99, seed=0)
            )
        )
    assert 0.25 < np.mean(ps) < 0.75


def test_tiny_changes_of_a_map_move_no_rank_score():
    """A plateau that wobbles by 1e-6 (another batch size) keeps its ranks."""
    maps, labels = maps_of(n=20)
    maps = (maps * 4).round() / 4  # plateaus
    wobble = maps + 1e-6 * torch.rand(maps.shape, generator=torch.Generator().manual_seed(1))
    one, two = (
        similarity(normalised_rows(m, MASK, kind="spearman"), labels) for m in (maps, wobble)
    )
    assert two.matrix == pytest.approx(one.matrix, abs=1e-6)


def test_the_observed_excess_leaves_pairs_of_a_person_out():
    maps, labels = maps_of(n=24, signal=0.5)
    persons = np.arange(24) // 4
    rows = normalised_rows(maps, MASK)
    observed, permuted = permuted_excess(rows, labels, repeats=50, seed=0, clusters=persons)
    assert observed == pytest.approx(
        similarity(rows, labels, clusters=persons).macro_excess, abs=1e-9
    )
    assert np.isfinite(permuted).all()


@pytest.mark.parametrize("persons", [None, np.arange(60) // 3], ids=["faces", "persons"])
def test_permutations_of_more_faces_than_pixels_have_the_same_values_without_a_matrix(persons):
    """33 pixels: sums over maps; with zeros beside them, the pairs' matrix is the smaller table."""
    maps, labels = maps_of(n=60, signal=0.3)
    rows = normalised_rows(maps, MASK)
    assert len(rows) > rows.shape[1]
    wide = torch.nn.functional.pad(rows, (0, 60))
    few, many = (
        permuted_excess(some, labels, repeats=70, seed=0, clusters=persons) for some in (rows, wide)
    )
    assert few[0] == pytest.approx(many[0], abs=1e-12)
    assert few[1] == pytest.approx(many[1], abs=1e-12)
