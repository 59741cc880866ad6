import numpy as np
import pytest
import torch
from scipy import stats
from torch import nn

from fer_xai.draws.initial import repeatable
from fer_xai.draws.streams import stream

DRAWN = {
    "uniform": (lambda t: nn.init.uniform_(t, -2, 5), stats.uniform(-2, 7).cdf),
    "normal": (lambda t: nn.init.normal_(t, 3, 0.5), stats.norm(3, 0.5).cdf),
    "truncated normal": (
        lambda t: nn.init.trunc_normal_(t, std=0.02, a=-0.03, b=0.05),
        stats.truncnorm(-1.5, 2.5, scale=0.02).cdf,
    ),
    "Kaiming, uniform": (
        lambda t: nn.init.kaiming_uniform_(t, a=5**0.5),
        stats.uniform(-(100**-0.5), 2 * 100**-0.5).cdf,
    ),
    "Kaiming, normal": (
        lambda t: nn.init.kaiming_normal_(t, mode="fan_out", nonlinearity="relu"),
        stats.norm(0, (2 / 200) ** 0.5).cdf,
    ),
    "Xavier": (
        nn.init.xavier_uniform_,
        stats.uniform(-((6 / 300) ** 0.5), 2 * (6 / 300) ** 0.5).cdf,
    ),
}
MADE = {
    "rand": (lambda: torch.rand(200, 100), stats.uniform.cdf),
    "randn": (lambda: 2 * torch.randn(200, 100), stats.norm(0, 2).cdf),
    "rand_like": (lambda: torch.rand_like(torch.ones(200, 100)), stats.uniform.cdf),
    "randn_like": (lambda: torch.randn_like(torch.ones(200, 100)), stats.norm.cdf),
    "normal around means": (
        lambda: torch.normal(torch.full((200, 100), 4.0), 0.5),
        stats.norm(4, 0.5).cdf,
    ),
}


def as_drawn(draw):
    with repeatable(0, "law") as mode:
        found = draw()
    assert not mode.by_pytorch
    return found


@pytest.mark.parametrize(("fill", "cdf"), DRAWN.values(), ids=DRAWN)
def test_an_initialisation_keeps_its_distribution(fill, cdf):
    found = as_drawn(lambda: fill(torch.empty(200, 100)))
    assert stats.kstest(found.flatten().double().numpy(), cdf).pvalue > 1e-3
    assert torch.equal(found, as_drawn(lambda: fill(torch.empty(200, 100))))


@pytest.mark.parametrize(("make", "cdf"), MADE.values(), ids=MADE)
def test_new_tensors_are_drawn_as_well(make, cdf):
    found = as_drawn(make)
    assert found.shape == (200, 100)
    assert stats.kstest(found.flatten().double().numpy(), cdf).pvalue > 1e-3
    assert torch.equal(found, as_drawn(make))


def test_a_draw_is_that_of_its_number_and_name():
    expected = [stream(0, "law", k).rand(5) for k in (1, 2)]
    found = as_drawn(lambda: [torch.rand(5), torch.empty(5).uniform_()])
    assert all(map(torch.equal, found, expected))


def test_whole_numbers_orders_and_coins():
    drawn = as_drawn(
        lambda: (
            torch.randint(6, (3000,)),
            torch.randint(2, 4, (3000,)),
            torch.randperm(50),
            torch.empty(3000).bernoulli_(0.2),
        )
    )
    dice, low, order, coins = drawn
    assert dice.dtype == order.dtype == torch.int64
    assert stats.chisquare(dice.bincount(minlength=6).numpy()).pvalue > 1e-3
    assert set(low.tolist()) == {2, 3}
    assert torch.equal(order.sort().values, torch.arange(50))
    assert coins.mean().item() == pytest.approx(0.2, abs=0.03)


def test_other_shapes_and_kinds_of_tensors():
    """Also one that is not contiguous, and more numbers than are drawn at once."""
    wide = as_drawn(lambda: nn.init.normal_(torch.empty(4, 6).t()))
    assert torch.equal(wide, stream(0, "law", 1).randn(6, 4))
    half = as_drawn(lambda: torch.empty(8, dtype=torch.float16).uniform_())
    assert torch.equal(half, stream(0, "law", 1).rand(8).half())
    many = as_drawn(lambda: torch.empty(2**20 + 5).uniform_())
    assert torch.equal(many, stream(0, "law", 1).rand(2**20 + 5))
    assert as_drawn(lambda: torch.empty(3, device="meta").uniform_()).is_meta
    assert as_drawn(lambda: torch.rand(0)).shape == (0,)


def test_what_pytorch_draws_is_counted_and_repeated():
    found = []
    for _ in range(2):
        with repeatable(0, "law") as mode:
            found.append(torch.empty(5).exponential_())
        assert mode.by_pytorch == {"aten.exponential_.default"}
    assert torch.equal(*found)


def test_a_generator_that_is_handed_in_is_honoured():
    own = [torch.Generator().manual_seed(3) for _ in range(2)]
    found = as_drawn(lambda: torch.empty(5).normal_(generator=own[0]))
    assert torch.equal(found, torch.randn(5, generator=own[1]))


def test_the_global_generator_is_left_as_found():
    before = torch.random.get_rng_state()
    with repeatable(0, "law"):
        nn.Linear(3, 2)
        torch.empty(5).exponential_()
    assert torch.equal(torch.random.get_rng_state(), before)


def test_bounds_may_be_given_by_name():
    found = as_drawn(lambda: torch.empty(1000).uniform_(to=3))
    assert torch.equal(found, stream(0, "law", 1).rand(1000) * 3)


def test_layers_differ_from_one_another():
    one, two = as_drawn(lambda: [nn.Linear(30, 20), nn.Linear(30, 20)])
    assert (
        abs(np.corrcoef(one.weight.detach().flatten(), two.weight.detach().flatten())[0, 1]) < 0.2
    )
