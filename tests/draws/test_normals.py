import numpy as np
import pytest
import torch
from scipy import special, stats

from fer_xai.draws.normals import LARGEST, inverse_erf, logarithm, normals
from fer_xai.draws.philox import words

KEYS = np.array([[3, 4]], dtype=np.uint64)


def exact(drawn):
    """The transformation in extended precision, two numbers a word."""
    bits = drawn.numpy().view(np.uint64).ravel()
    low, high = (
        (bits & np.uint64(2**32 - 1)).astype(np.int64),
        (bits >> np.uint64(32)).astype(np.int64),
    )
    low, high = (np.where(part < 2**31, part, part - 2**32) for part in (low, high))
    uniform = ((high + 2**31).astype(np.longdouble) + 0.5) / 2**32
    radius = np.sqrt(-2 * np.log(uniform)) * ((low & 2) - 1)
    quarter = np.longdouble("1.57079632679489661923132169163975144") / 2**30
    angle = ((low >> 2).astype(np.longdouble) + 0.5) * quarter
    pair = np.stack([radius * np.cos(angle), radius * np.sin(angle)], axis=1)
    return np.where((low & 1)[:, None] == 1, pair[:, ::-1], pair).ravel()


def hardest():
    """Ends of both halves: the smallest and largest radius, the angles nearest to an axis."""
    ends = [-(2**31), -(2**31) + 1, -4, -3, -2, -1, 0, 1, 2, 3, 2**31 - 1]
    return torch.tensor([high * 2**32 + (low % 2**32) for high in ends for low in ends])[None]


def test_normals_lie_within_half_a_unit_in_the_last_place_of_the_transformation():
    drawn = torch.cat([words(KEYS, first=0, n=200_000), hardest()], dim=1)
    true = exact(drawn)
    found = normals(drawn)[0].numpy()
    unit = np.spacing(np.abs(true).astype(np.float32))
    assert np.max(np.abs(found - true) / unit) <= 0.501
    assert LARGEST - 1e-3 < np.abs(true).max() < LARGEST
    assert np.isfinite(found).all()


def test_normals_do_not_depend_on_what_is_drawn_with_them():
    """Nor on vectors of instructions, which treat the last few numbers apart."""
    drawn = words(KEYS, first=0, n=20_001)
    whole = normals(drawn)[0]
    for start, n in ((0, 1), (5, 3), (16_380, 7), (19_990, 11)):
        part = normals(drawn[:, start : start + n])
        assert torch.equal(part[0], whole[2 * start : 2 * (start + n)])


def test_normals_are_normal():
    drawn = normals(words(KEYS, first=0, n=100_000))[0].double().numpy()
    n = len(drawn)
    assert stats.kstest(drawn, "norm").pvalue > 1e-3
    assert abs(drawn.mean()) < 4 / n**0.5
    assert abs(drawn.var() - 1) < 4 * (2 / n) ** 0.5
    assert abs(stats.kurtosis(drawn)) < 4 * (24 / n) ** 0.5
    pairs = drawn.reshape(-1, 2)
    assert abs(np.corrcoef(pairs.T)[0, 1]) < 4 / len(pairs) ** 0.5
    angles = np.arctan2(pairs[:, 1], pairs[:, 0]) / (2 * np.pi) + 0.5
    assert stats.kstest(angles, "uniform").pvalue > 1e-3


def test_logarithms_are_exact_near_one_as_well():
    near = 1 - 2.0 ** -torch.arange(2, 40, dtype=torch.float64)
    values = torch.cat([near, 1 / near, 10.0 ** torch.arange(-300, 300, 7, dtype=torch.float64)])
    true = np.log(values.numpy().astype(np.longdouble))
    assert (
        np.max(np.abs(logarithm(values).numpy() - true)[true != 0] / np.abs(true[true != 0]))
        < 2**-38
    )
    assert logarithm(torch.ones(1, dtype=torch.float64)) == 0


def test_the_inverse_error_function_is_scipys():
    values = torch.cat([torch.linspace(-1, 1, 4001), 1 - 2.0 ** -torch.arange(3, 25)])[1:]
    values = values[values.abs() < 1]
    true = special.erfinv(values.double().numpy())
    assert np.allclose(inverse_erf(values).numpy(), true, rtol=2**-21, atol=0)
    odd = inverse_erf(torch.tensor([1.0, -1.0, 1.5]))
    assert odd[0] == torch.inf
    assert odd[1] == -torch.inf
    assert odd[2].isnan()


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
def test_a_gpu_gives_the_same_bits():
    drawn = words(KEYS, first=0, n=100_000)
    assert torch.equal(normals(drawn.cuda()).cpu(), normals(drawn))
    values = torch.linspace(-1, 1, 10_001)
    assert torch.equal(inverse_erf(values.cuda()).cpu(), inverse_erf(values))
