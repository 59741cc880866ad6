import pytest
import torch
from torch import nn

from fer_xai.fingerprint import Same, fingerprint, weighed_sum


@pytest.mark.parametrize("length", [1, 2, 1000, (1 << 16) + 3, (1 << 17)])
def test_a_device_checksum_sees_places(length):
    words = torch.arange(length, dtype=torch.int32)
    total = int(weighed_sum(words))
    assert int(weighed_sum(words.clone())) == total
    for one, two in [(0, length - 1), (length // 2, 0)]:
        if one != two:
            other = words.clone()
            other[[one, two]] = other[[two, one]]
            assert int(weighed_sum(other)) != total
    other = words.clone()
    other[-1] += 1
    assert int(weighed_sum(other)) != total


def test_networks_with_circles_and_odd_attributes_have_a_fingerprint():
    net = nn.Linear(2, 2)
    net.me, net.files, net.sparse = [net], iter([1]), torch.eye(2).to_sparse()
    net.kinds = (torch.float32, torch.Size([1]), slice(1, 2), frozenset({1}), float("nan"))
    before = fingerprint(net)
    assert before == fingerprint(net)
    net.sparse.values().mul_(2)
    assert before != fingerprint(net)


def test_what_is_gone_equals_nothing():
    class Thing:
        pass

    thing = Thing()
    same = Same(thing)
    assert same == Same(thing)
    del thing
    assert same != same  # noqa: PLR0124


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
def test_rows_that_change_places_on_a_gpu_are_seen():
    net = nn.Linear(4, 4).cuda()
    before = fingerprint(net)
    assert before == fingerprint(net)
    net.weight.data[[0, 1]] = net.weight.data[[1, 0]]
    assert before != fingerprint(net)
