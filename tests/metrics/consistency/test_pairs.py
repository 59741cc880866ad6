import numpy as np
import pytest
import torch

from fer_xai.errors import InputError
from metrics.consistency.pairs import permuted_excess, separability, similarity
from metrics.core.similarity import normalised_rows
from metrics.statistics.intervals import bootstrap_interval, influence_interval
from metrics.statistics.significance import permutation_p_value
from tests.reference import consistency_slow as slow

MASK = torch.ones(6, 6, dtype=torch.bool)
MASK[0, :3] = False


def _maps(n=14, seed=0, classes=3, signal=0.0):
    """Random maps; with a signal, each emotion has a pattern of its own."""
    rng = np.random.default_rng(seed)
    labels = np.arange(n) % classes
    patterns = rng.random((classes, 6, 6))
    maps = rng.random((n, 6, 6)) + signal * patterns[labels]
    return torch.from_numpy(maps).float(), torch.from_numpy(labels)


@pytest.mark.parametrize("kind", ["pearson", "cosine", "spearman"])
def test_linear_time_means_are_those_of_all_pairs(kind):
    maps, labels = _maps(signal=0.5)
    found = similarity(normalised_rows(maps, MASK, kind=kind), labels)
    flat = maps[:, MASK].double().numpy()
    expected = slow.similarity_matrix(flat, labels.numpy(), kind)
    assert found.matrix == pytest.approx(expected, abs=1e-5)
    i = 4
    own = [
        slow.pair_similarity(flat[i], flat[j], kind)
        for j in range(14)
        if j != i and labels[j] == labels[i]
    ]
    assert found.within[i] == pytest.approx(np.mean(own), abs=1e-5)
    assert found.macro_within == pytest.approx(np.diag(expected).mean(), abs=1e-5)


def test_separability_is_that_of_all_pairs():
    maps, labels = _maps(signal=0.4)
    found = separability(normalised_rows(maps, MASK), labels)
    flat = maps[:, MASK].double().numpy()
    assert found.auc == pytest.approx(slow.separability(flat, labels.numpy()), abs=1e-9)


def test_influence_is_the_derivative_by_a_faces_weight():
    maps, labels = _maps(n=10, signal=0.4)
    flat, classes = maps[:, MASK].double().numpy(), labels.numpy()
    found = separability(normalised_rows(maps, MASK), labels)
    for i in (0, 3, 7):
        step = np.ones(10)
        step[i] += 1e-5
        back = np.ones(10)
        back[i] -= 1e-5
        slope = (
            slow.separability(flat, classes, step) - slow.separability(flat, classes, back)
        ) / 2e-5
        assert found.influence[i] == pytest.approx(slope, abs=1e-6)


def test_influence_interval_agrees_with_the_bootstrap_over_faces():
    maps, labels = _maps(n=30, classes=2, signal=0.25, seed=5)
    rows = normalised_rows(maps, MASK)
    found = separability(rows, labels)
    quick = influence_interval(found.auc, found.influence)
    gram = (rows @ rows.T).double().numpy()
    classes = labels.numpy()
    i, j = np.triu_indices(30, 1)

    def weighted(weights):
        aucs = []
        for emotion in (0, 1):
            inside = (classes[i] == emotion).astype(int) + (classes[j] == emotion)
            pair = weights[i] * weights[j]
            a, b = inside == 2, inside == 1
            order = np.argsort(gram[i, j][b])
            below = np.concatenate([[0], np.cumsum(pair[b][order])])
            place = below[np.searchsorted(gram[i, j][b][order], gram[i, j][a])]
            aucs.append((pair[a] * place).sum() / (pair[a].sum() * pair[b].sum()))
        return float(np.mean(aucs))

    boot = bootstrap_interval(weighted, 30, repeats=600, seed=1)
    assert boot.estimate == pytest.approx(found.auc, abs=1e-6)
    assert quick.standard_error == pytest.approx(boot.standard_error, rel=0.25)


def test_random_maps_have_no_excess():
    """Over many draws the excess is centred on 0, the AUC on 1/2, and intervals cover them."""
    excess, aucs, covered = [], [], 0
    for seed in range(40):
        maps, labels = _maps(n=60, seed=seed)
        rows = normalised_rows(maps, MASK)
        excess.append(similarity(rows, labels).macro_excess)
        found = separability(rows, labels)
        aucs.append(found.auc)
        interval = influence_interval(found.auc, found.influence)
        covered += interval.low <= 0.5 <= interval.high
    assert abs(np.mean(excess)) < 3 * np.std(excess) / np.sqrt(40)
    assert abs(np.mean(aucs) - 0.5) < 3 * np.std(aucs) / np.sqrt(40)
    assert covered >= 32


def test_a_pattern_of_each_emotion_is_found():
    maps, labels = _maps(n=60, signal=3.0)
    rows = normalised_rows(maps, MASK)
    assert separability(rows, labels).auc > 0.95
    assert (
        separability(
            rows, labels[torch.randperm(60, generator=torch.Generator().manual_seed(0))]
        ).auc
        < 0.6
    )


def test_order_of_faces_moves_no_score():
    maps, labels = _maps(n=30, signal=0.3)
    order = torch.randperm(30, generator=torch.Generator().manual_seed(3))
    one = separability(normalised_rows(maps, MASK), labels)
    two = separability(normalised_rows(maps[order], MASK), labels[order])
    assert two.auc == pytest.approx(one.auc, abs=1e-6)
    assert two.influence == pytest.approx(one.influence[order.numpy()], abs=1e-6)


def test_tiny_changes_of_a_map_move_no_rank_score():
    """A plateau that wobbles by 1e-6 (another batch size) keeps its ranks."""
    maps, labels = _maps(n=20)
    maps = (maps * 4).round() / 4  # plateaus
    wobble = maps + 1e-6 * torch.rand(maps.shape, generator=torch.Generator().manual_seed(1))
    one, two = (
        similarity(normalised_rows(m, MASK, kind="spearman"), labels) for m in (maps, wobble)
    )
    assert two.matrix == pytest.approx(one.matrix, abs=1e-6)


def test_undefined_maps_are_nan_and_counted():
    maps, labels = _maps(n=12)
    maps[0], maps[1], maps[2] = 0.0, 0.7, float("nan")
    rows = normalised_rows(maps, MASK)
    assert torch.isnan(rows[:3]).all()
    assert torch.isfinite(rows[3:]).all()
    found = separability(rows, labels)
    assert found.n_undefined == 3
    assert np.isnan(found.influence[:3]).all()
    assert found.auc == pytest.approx(separability(rows[3:], labels[3:]).auc)
    alike = similarity(rows, labels)
    assert np.isnan(alike.within[:3]).all()
    assert alike.matrix == pytest.approx(similarity(rows[3:], labels[3:]).matrix)


def test_permuting_emotions_gives_a_uniform_p_for_noise_and_a_small_one_for_signal():
    maps, labels = _maps(n=60, signal=1.0)
    rows = normalised_rows(maps, MASK)
    observed, permuted = permuted_excess(rows, labels, repeats=199, seed=0)
    assert observed == pytest.approx(similarity(rows, labels).macro_excess, abs=1e-6)
    assert permutation_p_value(observed, permuted) == pytest.approx(1 / 200)
    ps = []
    for seed in range(20):
        maps, labels = _maps(n=40, seed=seed)
        ps.append(
            permutation_p_value(
                *permuted_excess(normalised_rows(maps, MASK), labels, repeats=99, seed=0)
            )
        )
    assert 0.25 < np.mean(ps) < 0.75


@pytest.mark.parametrize("fn", [similarity, separability])
@pytest.mark.parametrize(
    ("labels", "match"),
    [
        (torch.tensor([0, 0, 1]), "Expected 4 labels, one an image, got 3"),
        ([0, 0, 1, 1], "Expected labels as a torch tensor"),
    ],
    ids=["too few", "a list"],
)
def test_bad_labels_are_one_sentence(fn, labels, match):
    with pytest.raises(InputError, match=match):
        fn(torch.rand(4, 9), labels)
