import pytest
import torch

from metrics.consistency.structure import ssim_within_between
from metrics.core.similarity import map_similarity
from metrics.core.ssim import ssim


def _maps(n, side=20, seed=0):
    return torch.rand(n, side, side, generator=torch.Generator().manual_seed(seed))


def test_pairs_within_and_between_are_pairs_of_distinct_faces():
    maps = _maps(2)
    maps = torch.cat([maps, maps[1:]])
    mask = torch.ones(20, 20, dtype=torch.bool)
    found = ssim_within_between(maps, torch.tensor([0, 1, 1]), mask, pairs=3, seed=0)
    assert list(found) == [1]  # one map has no partner
    within, between = found[1]
    assert within == pytest.approx(1)
    scaled = maps / maps.amax(dim=(1, 2), keepdim=True)
    assert between == pytest.approx(float(ssim(scaled[:1], scaled[1:2], mask)), abs=1e-9)


def test_a_signed_map_is_not_like_its_inverse_whoever_compares():
    maps = _maps(1) - 0.5
    maps = torch.nn.functional.interpolate(maps[:, None, ::4, ::4], scale_factor=4)[:, 0]
    maps = torch.cat([maps, -maps, -maps])
    mask = torch.ones(20, 20, dtype=torch.bool)
    found = ssim_within_between(maps, torch.tensor([0, 1, 1]), mask, pairs=3, seed=0)
    between = map_similarity(maps[:1], maps[1:2], similarity="ssim").item()
    assert found[1] == pytest.approx((1, between), abs=1e-6)
    assert between < 0


def test_blank_and_unregistered_maps_take_no_part():
    maps = _maps(6)
    maps[4], maps[5] = 0.0, float("nan")
    labels = torch.tensor([0, 0, 1, 1, 0, 1])
    mask = torch.ones(20, 20, dtype=torch.bool)
    found = ssim_within_between(maps, labels, mask, pairs=8, seed=3)
    assert found == ssim_within_between(maps[:4], labels[:4], mask, pairs=8, seed=3)
    assert not ssim_within_between(maps[4:], labels[4:], mask, pairs=8, seed=3)


def three_frames_a_person(seed, persons=20, side=8):
    """60 maps, three near-identical ones a person, whose emotion has no effect."""
    rng = torch.Generator().manual_seed(seed)
    own = torch.rand(persons, side, side, generator=rng).repeat_interleave(3, dim=0)
    maps = own + 0.02 * torch.rand(3 * persons, side, side, generator=rng)
    return maps, (torch.arange(persons) % 4).repeat_interleave(3), [k // 3 for k in range(60)]


def test_frames_of_one_person_make_no_excess():
    mask = torch.ones(8, 8, dtype=torch.bool)
    excess = {None: [], "person": []}
    for seed in range(12):
        maps, labels, persons = three_frames_a_person(seed)
        for kind, values in excess.items():
            found = ssim_within_between(
                maps, labels, mask, pairs=100, seed=seed, clusters=persons if kind else None
            )
            values += [within - between for within, between in found.values()]
    assert torch.tensor(excess["person"]).mean().item() == pytest.approx(0, abs=0.02)
    assert torch.tensor(excess[None]).mean() > 0.1  # pairs of one person, whatever is shown


def test_without_known_persons_pairs_are_those_of_before():
    maps, labels, _ = three_frames_a_person(0)
    mask = torch.ones(8, 8, dtype=torch.bool)
    before = ssim_within_between(maps, labels, mask, pairs=20, seed=1)
    assert before[0] == pytest.approx((0.147808492, 0.052215824), abs=1e-8)
    for clusters in ([""] * 60, [None] * 60, [f"person {60 - k}" for k in range(60)]):
        assert (
            ssim_within_between(maps, labels, mask, pairs=20, seed=1, clusters=clusters) == before
        )


def test_no_pair_is_drawn_inside_a_person():
    """Maps of one person are alike and of two persons are not, so one such pair would show."""
    maps = _maps(4, side=8).repeat_interleave(2, dim=0)
    labels, persons = torch.tensor([0, 0, 0, 0, 1, 1, 1, 1]), [0, 0, 1, 1, 2, 2, 0, 3]
    mask = torch.ones(8, 8, dtype=torch.bool)
    scaled = maps / maps.amax(dim=(1, 2), keepdim=True)
    found = ssim_within_between(maps, labels, mask, pairs=50, seed=0, clusters=persons)
    alike = float(ssim(scaled[:1], scaled[2:3], mask))
    assert found[0][0] == pytest.approx(alike, abs=1e-9)
    one_each = ssim_within_between(maps, labels, mask, pairs=50, seed=0, clusters=[0] * 4 + [1] * 4)
    assert not one_each  # an emotion of one person has no pair within


def test_a_person_who_shows_several_emotions_meets_none_of_their_own_faces():
    maps, mask = _maps(8, side=8), torch.ones(8, 8, dtype=torch.bool)
    labels = torch.tensor([0, 0, 1, 1, 2, 2, 2, 2])
    found = ssim_within_between(maps, labels, mask, pairs=9, seed=0, clusters=list("abaabcde"))
    assert list(found) == [0, 2]  # one person alone shows emotion 1
