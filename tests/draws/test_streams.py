import numpy as np
import pytest
import torch
from scipy import stats

from fer_xai.draws.sources import normal_rows, uniform_rows
from fer_xai.draws.streams import stream, streams
from fer_xai.errors import InputError
from fer_xai.seeding import seed_of

FACES = ["anna", "ben", "carla/1"]
DRAWS = {
    "rand": lambda s, device="cpu": s.rand(3, 5, device=device),
    "randn": lambda s, device="cpu": s.randn(3, 5, device=device),
    "randint": lambda s, device="cpu": s.randint(7, 3, 5, device=device),
    "bernoulli": lambda s, device="cpu": s.bernoulli(0.3, 3, 5, device=device),
    "randperm": lambda s, device="cpu": s.randperm(9, 3, device=device),
    "subsets": lambda s, device="cpu": s.subsets(9, 4, 3, device=device),
    "choice": lambda s, device="cpu": s.choice(torch.tensor([1.0, 0, 3]), 3, 5, device=device),
}


def of(faces, use="law", seed=0):
    return streams((seed, face, use) for face in faces)


@pytest.mark.parametrize("draw", DRAWS.values(), ids=DRAWS)
def test_a_face_draws_the_same_alone_and_in_any_batch(draw):
    together = of(FACES)
    first, then = draw(together), draw(together)
    assert not torch.equal(first, then)
    backwards = of(FACES[::-1])
    assert torch.equal(draw(backwards).flip(0), first)
    assert torch.equal(draw(backwards).flip(0), then)
    for row, face in enumerate(FACES):
        alone = stream(0, face, "law")
        assert torch.equal(draw(alone), first[row])
        assert torch.equal(draw(alone), then[row])
        assert not torch.equal(draw(stream(0, face, "other")), first[row])
        assert not torch.equal(draw(stream(1, face, "law")), first[row])


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
@pytest.mark.parametrize("draw", DRAWS.values(), ids=DRAWS)
def test_a_gpu_draws_the_same_bits(draw):
    found = draw(of(FACES), "cuda")
    assert found.device.type == "cuda"
    assert torch.equal(found.cpu(), draw(of(FACES)))


@pytest.mark.parametrize("name", ["rand", "randn"])
def test_a_longer_draw_begins_with_the_shorter_one(name):
    whole = getattr(of(FACES), name)(13, 5)
    assert torch.equal(getattr(of(FACES), name)(4, 5), whole[:, :4])
    assert torch.equal(getattr(of(FACES), name)(7), whole.flatten(1)[:, :7])


def test_a_stream_that_is_taken_out_goes_on_where_the_others_are():
    together = of(FACES)
    together.rand(3)
    one = together[1]
    drawn = one.rand(2)
    assert torch.equal(drawn, together.rand(2)[1])
    assert [len(list(of(faces))) for faces in ([], FACES)] == [0, 3]


def test_names_keep_the_borders_of_their_parts():
    names = [("a/b", "c"), ("a", "b/c"), ("a", "b", "c"), ("a,1:b", "c"), ("ab", "c"), ("a", "bc")]
    assert len(set(streams(names).keys[:, 0].tolist())) == len(names)
    assert len({seed_of(*name) for name in names}) == len(names)
    assert stream(0, "\ud800").rand().shape == ()  # a file name that is no text


def test_nothing_is_drawn_for_nobody():
    for draw in DRAWS.values():
        assert len(draw(of([]))) == 0
    assert of(FACES).rand(0).shape == (3, 0)
    assert of(FACES).randperm(0).shape == (3, 0)
    assert not of(FACES).subsets(4, 0).any()
    assert of(FACES).subsets(4, 4).all()


def test_uniform_numbers_are_uniform():
    drawn = of(FACES).rand(50_000)
    assert drawn.min() >= 0
    assert drawn.max() < 1
    assert ((drawn * 2**24) % 1 == 0).all()
    for row in drawn.double().numpy():
        assert stats.kstest(row, "uniform").pvalue > 1e-3
        assert abs(np.corrcoef(row[1:], row[:-1])[0, 1]) < 4 / len(row) ** 0.5
    assert np.abs(np.corrcoef(drawn.numpy())[np.triu_indices(3, 1)]).max() < 4 / 50_000**0.5


def test_each_bit_of_a_stream_is_fair():
    words = stream(0, "bits")._one.words(20_000)[0].numpy()
    ones = [(words >> bit & 1).mean() for bit in range(64)]
    assert np.abs(np.array(ones) - 0.5).max() < 4.5 * 0.5 / 20_000**0.5


@pytest.mark.parametrize("p", [0.0, 0.1, 0.25, 0.5, 0.999, 1.0])
def test_probabilities_hold(p):
    assert (
        abs(stream(0).bernoulli(p, 40_000).double().mean() - p) <= 4 * (p * (1 - p) / 40_000) ** 0.5
    )


def test_whole_numbers_are_equally_likely():
    drawn = stream(0).randint(6, 30_000)
    assert stats.chisquare(drawn.bincount(minlength=6).numpy()).pvalue > 1e-3
    assert int(stream(0).randint(1)) == 0
    assert int(stream(0).randint(2**31, 1000).max()) > 2**30


def test_orders_are_permutations_each_as_likely():
    drawn = stream(0).randperm(4, 24_000)
    assert (drawn.sort(dim=1).values == torch.arange(4)).all()
    numbers = (drawn * torch.tensor([64, 16, 4, 1])).sum(dim=1)
    counts = numbers.unique(return_counts=True)[1]
    assert len(counts) == 24
    assert stats.chisquare(counts.numpy()).pvalue > 1e-3
    large = stream(0).randperm(4097)
    assert torch.equal(large.sort().values, torch.arange(4097))


def test_subsets_are_the_first_of_an_order():
    orders, subsets = stream(0).randperm(50, 20), stream(0).subsets(50, 7, 20)
    assert torch.equal(
        torch.zeros(20, 50, dtype=torch.bool).scatter(1, orders[:, :7], True), subsets
    )


def test_choices_follow_their_odds():
    odds = torch.tensor([1.0, 0.0, 2.0, 5.0])
    counts = stream(0).choice(odds, 40_000).bincount(minlength=4)
    assert counts[1] == 0
    assert stats.chisquare(counts[[0, 2, 3]].numpy(), [5000, 10_000, 25_000]).pvalue > 1e-3


REFUSED = {
    "a number below 0": (lambda s: s.randint(0, 2), "Expected below"),
    "too large numbers": (
        lambda s: s.randint(2**31 + 1, 2),
        "Expected whole numbers below at most",
    ),
    "no probability": (lambda s: s.bernoulli(1.5, 2), "Expected p"),
    "too large subsets": (lambda s: s.subsets(3, 4), "Expected subsets of at most 3 things"),
    "no odds": (lambda s: s.choice(torch.zeros(3)), "Expected odds"),
    "negative odds": (lambda s: s.choice(torch.tensor([2.0, -1])), "Expected odds"),
}


@pytest.mark.parametrize(("ask", "sentence"), REFUSED.values(), ids=REFUSED)
def test_what_cannot_be_drawn_is_refused(ask, sentence):
    with pytest.raises(InputError, match=sentence):
        ask(stream(0))


def test_generators_of_pytorch_are_honoured():
    own = [torch.Generator().manual_seed(seed) for seed in (5, 6)]
    same = [torch.Generator().manual_seed(seed) for seed in (5, 6)]
    for rows, draw in ((uniform_rows, torch.rand), (normal_rows, torch.randn)):
        expected = torch.stack([draw(2, 3, generator=source) for source in same])
        assert torch.equal(rows(own, 2, 3), expected)
    assert torch.equal(uniform_rows(of(FACES), 4), of(FACES).rand(4))
    assert torch.equal(normal_rows(of(FACES), 4), of(FACES).randn(4))
