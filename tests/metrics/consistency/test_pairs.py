import numpy as np
import pytest
import torch

from fer_xai.errors import InputError
from metrics.consistency.equivariance import self_consistency
from metrics.consistency.pairs import permuted_excess, separability, similarity
from metrics.consistency.profiles import profile_reliability, region_profiles
from metrics.core.similarity import normalised_rows
from metrics.statistics.intervals import bootstrap_interval, influence_interval
from metrics.statistics.tests import permutation_p_value
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


def test_cosine_of_a_constant_map_is_defined():
    rows = normalised_rows(torch.full((2, 6, 6), 3.0), MASK, kind="cosine")
    assert float(rows[0] @ rows[1]) == pytest.approx(1)


def test_scale_does_not_matter():
    maps, _ = _maps()
    for kind in ("pearson", "cosine", "spearman"):
        one, two = (normalised_rows(m, MASK, kind=kind) for m in (maps, maps * 1e-7))
        assert torch.allclose(one, two, atol=1e-6)


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


def test_uniform_maps_have_log_gain_zero_and_mass_in_a_region_is_its_gain():
    regions = torch.zeros(2, 6, 6, dtype=torch.bool)
    regions[0, :2] = True
    regions[1, 2:] = True
    uniform = region_profiles(torch.ones(1, 6, 6), regions)
    assert uniform == pytest.approx(torch.zeros(1, 2), abs=1e-6)
    top = torch.zeros(1, 6, 6)
    top[0, :2] = 2.5
    found = region_profiles(top, regions)[0]
    assert found[0] == pytest.approx(np.log(0.99 * 3 + 0.01), abs=1e-5)
    assert found[1] == pytest.approx(np.log(0.01), abs=1e-5)
    assert torch.isnan(region_profiles(torch.zeros(1, 6, 6), regions)).all()
    assert torch.isnan(region_profiles(torch.ones(1, 6, 6), torch.zeros(1, 2, 6, 6) > 0)).all()


def test_profile_reliability_tells_agreement_from_noise():
    rng = np.random.default_rng(0)
    shared = rng.normal(size=8)
    agree = torch.from_numpy(shared + 0.1 * rng.normal(size=(20, 8)))
    noise = torch.from_numpy(rng.normal(size=(20, 8)))
    labels = torch.tensor([0] * 20 + [1] * 20)
    found = profile_reliability(torch.cat([agree, noise]), labels)
    assert found[0][0] > 0.9
    assert found[0][1] > 0.9
    assert abs(found[1][0]) < 0.2
    assert found[1][1] < 0.2
    assert found[0][2] == 20


def test_self_consistency_of_a_following_and_of_a_still_map():
    still = torch.rand(3, 6, 6, generator=torch.Generator().manual_seed(0))
    moved = still.flip(-1)
    everywhere = torch.ones(6, 6, dtype=torch.bool)
    follows = self_consistency(still, moved, moved, everywhere)
    assert follows.equivariant == pytest.approx(np.ones(3), abs=1e-6)
    assert (follows.gain > 0).all()
    stays = self_consistency(still, still, moved, everywhere)
    assert stays.gain == pytest.approx(np.zeros(3), abs=1e-6)


def test_bad_input():
    with pytest.raises(InputError, match="Expected similarity pearson, cosine, spearman, got 'l2'"):
        normalised_rows(torch.ones(2, 6, 6), MASK, kind="l2")
    with pytest.raises(
        InputError, match=r"Expected maps \(N, 6, 6\) to fit the mask, got \(2, 5, 5\)"
    ):
        normalised_rows(torch.ones(2, 5, 5), MASK)
    rows, labels = torch.rand(4, 9), torch.tensor([0, 0, 1, 1])
    for fn in (similarity, separability):
        with pytest.raises(InputError, match="Expected 4 labels, one an image, got 3"):
            fn(rows, labels[:3])
        with pytest.raises(InputError, match="Expected labels as a torch tensor"):
            fn(rows, labels.tolist())
    maps = torch.rand(4, 3, 3)
    with pytest.raises(InputError, match=r"Expected regions \(R, H, W\) or .* got \(3, 3\)"):
        region_profiles(maps, maps[0] > 0)
    with pytest.raises(InputError, match="Expected 4 moved maps, one an image, got 2"):
        self_consistency(maps, maps, maps[:2], maps[0] >= 0)
    with pytest.raises(InputError, match="Expected a mask of at least two pixels"):
        normalised_rows(torch.ones(2, 6, 6), MASK & False)
