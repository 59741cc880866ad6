"""Images that are made while others are passed."""

from __future__ import annotations

import threading
from collections.abc import Iterator

import pytest
import torch
from torch import Tensor, nn

from fer_xai import FERModel
from fer_xai.errors import InputError
from fer_xai.inference.lazy import LazyImages
from fer_xai.inference.predictor import Predictor

N = 23


@pytest.fixture
def two_threads() -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    yield
    torch.set_num_threads(before)


def predictor(batch_size: int) -> Predictor:
    torch.manual_seed(0)
    net = nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU(), nn.Flatten(), nn.Linear(4 * 36, 7))
    return Predictor(FERModel(net, emotions="rafdb", size=8), device="cpu", batch_size=batch_size)


@pytest.mark.usefixtures("two_threads")
@pytest.mark.parametrize("batch_size", [1, 4, 50])
def test_logits_are_those_of_the_joined_images(batch_size: int) -> None:
    images, model = torch.rand(N, 3, 8, 8), predictor(batch_size)
    lazy = LazyImages(iter(images.split(3)), N)
    assert torch.equal(model.logits(lazy), model.logits(images))


@pytest.mark.usefixtures("two_threads")
def test_parts_are_made_one_at_a_time_outside_of_inference_mode() -> None:
    making = threading.Lock()
    made: list[int] = []

    def parts() -> Iterator[Tensor]:
        for start in range(0, N, 2):
            assert making.acquire(blocking=False)
            one = torch.rand(min(2, N - start), 3, 8, 8)
            assert not one.is_inference()
            made.append(len(one))
            making.release()
            yield one

    predictor(2).logits(LazyImages(parts(), N))
    assert sum(made) == N


def test_no_part_is_made_before_it_is_asked_for() -> None:
    made: list[int] = []

    def parts() -> Iterator[Tensor]:
        for _ in range(4):
            made.append(2)
            yield torch.rand(2, 3, 8, 8)

    lazy = LazyImages(parts(), 8)
    for start, then in ((0, 4), (3, 6), (6, 8)):
        assert len(lazy[start : start + 3]) == min(3, 8 - start)
        assert sum(made) == then


@pytest.mark.parametrize("n", [N - 1, N + 1])
def test_another_number_of_images_is_refused(n: int) -> None:
    lazy = LazyImages(torch.rand(N, 3, 8, 8).split(5), n)
    with pytest.raises(InputError, match=f"Expected {n} images in all parts, got "):
        predictor(4).logits(lazy)


def test_images_are_let_go_and_not_read_twice() -> None:
    lazy = LazyImages(torch.rand(6, 3, 8, 8).split(3), 6)
    assert len(lazy[0:4]) == 4
    with pytest.raises(InputError, match="0 to 3 a second time"):
        lazy[0:4]


def test_what_making_raises_is_raised() -> None:
    def parts() -> Iterator[Tensor]:
        yield torch.rand(4, 3, 8, 8)
        raise InputError("Expected a face.")

    with pytest.raises(InputError, match="Expected a face"):
        predictor(4).logits(LazyImages(parts(), 8))
