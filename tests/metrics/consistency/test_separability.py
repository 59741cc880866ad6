import numpy as np
import pytest
import torch

from fer_xai.errors import InputError
from metrics.consistency import pairs
from metrics.consistency.jackknife import jackknife_interval
from metrics.consistency.separability import separability
from metrics.consistency.similarity import similarity
from metrics.core.similarity import normalised_rows
from tests.metrics.consistency.emotion_maps import MASK, maps_of
from tests.reference import consistency_slow as slow


def test_separability_is_that_of_all_pairs():
    maps, labels = maps_of(signal=0.4)
    found = separability(normalised_rows(maps, MASK), labels)
    flat = maps[:, MASK].double().numpy()
    assert found.auc == pytest.approx(slow.separability(flat, labels.numpy()), abs=1e-9)
    assert (found.n_pairs, found.sampled) == (18 * 17 // 2, False)


PERSONS = {
    "faces": None,
    "persons of one emotion": np.arange(24) % 2 + 2 * (np.arange(24) // 4),
    "persons of all emotions": np.arange(24) // 3,
    "unequal persons": np.array([0, 0, 0, 0, 0, 1, 1, 2, 2, 2, *range(3, 17)]),
}


@pytest.mark.parametrize("clusters", PERSONS.values(), ids=PERSONS.keys())
@pytest.mark.parametrize("ties", [False, True])
def test_pairs_of_a_person_are_left_out_and_the_jackknife_is_that_of_recomputing(clusters, ties):
    maps, labels = maps_of(n=24, signal=0.4, classes=2, seed=3)
    if ties:
        maps = (maps > 0.9).float() + 1e-3 * (maps == maps.amax(dim=(1, 2), keepdim=True))
    rows = normalised_rows(maps, MASK)
    x, classes = rows.double().numpy(), labels.numpy()
    units = np.arange(24) if clusters is None else clusters
    found = separability(rows, labels, clusters=clusters)
    assert found.per_emotion == pytest.approx(slow.separability_apart(x, classes, units, (0, 1)))
    excess = similarity(rows, labels, clusters=clusters)
    assert excess.interval.estimate == pytest.approx(slow.excess_apart(x, classes, units, (0, 1)))
    for result, statistic in (
        (found, lambda *of: slow.separability_apart(*of, (0, 1)).mean()),
        (excess, lambda *of: slow.excess_apart(*of, (0, 1))),
    ):
        whole = statistic(x, classes, units)
        for unit, without in slow.without_each(statistic, x, classes, units).items():
            own = units == unit
            sizes = [len(np.unique(units[classes == label])) for label in classes[own]]
            part = np.mean(np.sqrt(1 - 1 / np.array(sizes))) * (whole - without)
            assert result.influence[own].sum() == pytest.approx(part, abs=2e-6)


def test_ties_count_half_although_float32_breaks_them():
    maps = torch.zeros(20, 6, 6)
    maps[:, 2, 3] = torch.tensor([0.425, 0.071, 0.417, 0.161] * 5)
    rows = normalised_rows(maps, MASK)
    found = separability(rows, torch.tensor([0, 0, 1, 1] * 5))
    assert found.per_emotion.tolist() == [0.5, 0.5]
    assert np.isnan(found.interval.low)  # all maps are alike: nothing is known of the spread
    assert "no spread" in found.interval.reason


def test_equal_means_of_unequal_spread_are_above_one_half_and_not_above_their_floor():
    """.5 is chance for exchangeable maps only: the reference is that of untrained networks."""
    labels = torch.arange(120) % 2
    spread = torch.tensor([0.6, 0.8])[labels][:, None, None]
    rng = torch.Generator().manual_seed(0)
    base = torch.randn(6, 6, generator=rng)
    found = [
        separability(
            normalised_rows(base + spread * torch.randn(120, 6, 6, generator=rng), MASK), labels
        )
        for _ in range(6)
    ]
    assert all(one.interval.low > 0.5 for one in found)
    trained, floor = found[0], np.array([one.auc for one in found[1:]])
    parts = trained.influence - np.mean([one.influence for one in found[1:]], axis=0)
    excess = jackknife_interval(
        trained.auc - floor.mean(), parts, labels, extra_variance=floor.var(ddof=1) / 5, extra_n=5
    )
    assert excess.low < 0 < excess.high


def test_frames_of_one_person_are_no_evidence_for_an_emotion():
    """60 faces, three near-identical frames a person and emotion, no effect: .67 with them."""
    persons = np.repeat(np.arange(20), 3)
    labels = torch.from_numpy(persons % 4)
    apart, together = [], []
    for seed in range(40):
        rng = np.random.default_rng(seed)
        maps = torch.from_numpy(rng.random((20, 6, 6))[persons] + 0.1 * rng.random((60, 6, 6)))
        rows = normalised_rows(maps, MASK)
        together.append(separability(rows, labels).auc)
        found = separability(rows, labels, clusters=persons)
        apart.append(found.auc)
        assert found.interval.n == similarity(rows, labels, clusters=persons).interval.n == 20
    assert np.mean(together) > 0.55
    assert abs(np.mean(apart) - 0.5) < 3 * np.std(apart) / np.sqrt(40)


def test_emotions_of_fewer_than_five_maps_or_persons_are_left_out_and_said():
    maps, labels = maps_of(n=24, signal=0.4)
    labels[labels == 2] = torch.tensor([0, 1, 2, 2, 2, 2, 0, 1])
    rows = normalised_rows(maps, MASK)
    found = separability(rows, labels)
    assert found.left_out == {2: "4 maps, and 5 maps are needed"}
    assert np.isnan(found.per_emotion[2])
    assert np.isnan(found.emotion_intervals[2].low)
    assert found.emotion_intervals[2].reason == found.left_out[2]
    assert found.emotion_intervals[0].low < found.per_emotion[0] < found.emotion_intervals[0].high
    rest = labels != 2
    assert found.auc == pytest.approx(separability(rows[rest], labels[rest]).auc)
    assert np.isnan(found.influence[labels.numpy() == 2]).all()
    alike = similarity(rows, labels)
    assert alike.left_out == found.left_out
    two = similarity(rows[rest], labels[rest])
    assert alike.interval.estimate == pytest.approx(two.macro_excess)
    assert alike.interval.low == pytest.approx(two.interval.low)
    few = separability(rows, labels, clusters=np.arange(24) // 6)
    assert np.isnan(few.auc)
    assert few.left_out[0].endswith("of 4 persons, and 5 persons are needed")
    for one in (few, similarity(rows, labels, clusters=np.arange(24) // 6)):
        assert one.interval.reason.startswith("Fewer than two emotions can be compared (label 0: ")


def test_a_pattern_of_each_emotion_is_found():
    maps, labels = maps_of(n=60, signal=1.5)
    rows = normalised_rows(maps, MASK)
    assert separability(rows, labels).interval.low > 0.9
    order = torch.randperm(60, generator=torch.Generator().manual_seed(0))
    assert separability(rows, labels[order]).auc < 0.6


def test_order_of_faces_moves_no_score():
    maps, labels = maps_of(n=30, signal=0.3)
    order = torch.randperm(30, generator=torch.Generator().manual_seed(3))
    one = separability(normalised_rows(maps, MASK), labels)
    two = separability(normalised_rows(maps[order], MASK), labels[order])
    assert two.auc == pytest.approx(one.auc, abs=1e-6)
    assert two.influence == pytest.approx(one.influence[order.numpy()], abs=1e-6)


def test_undefined_maps_are_nan_and_counted():
    maps, labels = maps_of(n=18)
    maps[0], maps[1], maps[2] = 0.0, 0.7, float("nan")
    rows = normalised_rows(maps, MASK)
    assert torch.isnan(rows[:3]).all()
    assert torch.isfinite(rows[3:]).all()
    found = separability(rows, labels)
    assert found.n_undefined == 3
    assert np.isnan(found.influence[:3]).all()
    rest = separability(rows[3:], labels[3:])
    assert found.auc == pytest.approx(rest.auc)
    alike = similarity(rows, labels)
    assert np.isnan(alike.within[:3]).all()
    assert alike.matrix == pytest.approx(similarity(rows[3:], labels[3:]).matrix)
    some = separability(normalised_rows(maps_of()[0], MASK), labels, defined=torch.arange(18) > 2)
    assert some.influence == pytest.approx(found.influence, nan_ok=True)


def test_many_faces_are_compared_in_blocks_of_all_pairs(monkeypatch):
    maps, labels = maps_of(n=60, signal=0.3)
    rows = normalised_rows(maps, MASK)
    small = separability(rows, labels)
    monkeypatch.setattr(pairs, "_RANKED_UP_TO", 0)
    monkeypatch.setattr(pairs, "_CHUNK", 4)
    large = separability(rows, labels)
    assert large.auc == small.auc
    assert np.array_equal(large.influence, small.influence)


def test_a_sample_of_pairs_is_stated_seeded_and_near_the_whole():
    maps, labels = maps_of(n=300, signal=0.15, seed=4)
    rows = normalised_rows(maps, MASK)
    whole = separability(rows, labels)
    some = separability(rows, labels, exact_up_to=100, sample=1500)
    assert (some.sampled, whole.sampled) == (True, False)
    assert some.n_pairs < 6 * 1500 + 1 < whole.n_pairs
    assert some.auc == pytest.approx(whole.auc, abs=0.02)
    assert whole.interval.standard_error < some.interval.standard_error
    again = separability(rows, labels, exact_up_to=100, sample=1500)
    assert again.auc == some.auc
    assert separability(rows, labels, exact_up_to=100, sample=1500, seed=1).auc != some.auc


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
        fn(torch.eye(4), labels)


@pytest.mark.parametrize("fn", [similarity, separability])
def test_clusters_and_marks_are_one_for_each_face(fn):
    with pytest.raises(InputError, match="Expected 4 cluster labels, one a face, got 1"):
        fn(torch.eye(4), torch.zeros(4), clusters=["a"])
    with pytest.raises(InputError, match="Expected 4 marks of defined maps, one an image, got 2"):
        fn(torch.eye(4), torch.zeros(4), defined=torch.ones(2) > 0)


@pytest.mark.parametrize("fn", [similarity, separability])
@pytest.mark.parametrize(
    ("rows", "match"),
    [
        (torch.rand(4, 3, 3), r"Expected rows \(N, P\) from normalised_rows, got \(4, 3, 3\)"),
        (
            2 * torch.eye(4),
            "Expected rows of length 1 from normalised_rows, got lengths from 2 to 2",
        ),
    ],
    ids=["maps", "no unit vectors"],
)
def test_maps_that_were_not_normalised_are_refused(fn, rows, match):
    with pytest.raises(InputError, match=match):
        fn(rows, torch.zeros(4))
