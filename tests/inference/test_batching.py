import copy
import pickle
import random
import threading
import time

import numpy as np
import pytest
import torch
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from fer_xai.attributions import explain
from fer_xai.attributions.perturbation import Rise
from fer_xai.emotions import SIX
from fer_xai.errors import InputError
from fer_xai.inference.batching import in_batches
from fer_xai.inference.predictor import Predictor
from fer_xai.models import FERModel
from tests.helpers import tiny_model


@pytest.fixture
def threads():
    before = torch.get_num_threads()
    torch.set_num_threads(3)
    yield 3
    torch.set_num_threads(before)


def named(count):
    return [f"view {number}" for number in range(count)]


def test_results_come_in_order_and_views_are_never_shared(threads):
    busy, seen, told = set(), set(), []

    def work(view, rows):
        assert view not in busy
        busy.add(view)
        seen.add((view, threading.get_ident(), torch.get_num_threads()))
        time.sleep(0.01 if rows.start else 0.05)  # the first one ends last
        busy.remove(view)
        return rows.start, rows.stop

    found = in_batches(11, 2, work, views=named, done=told.append)
    assert found == [(0, 2), (2, 4), (4, 6), (6, 8), (8, 10), (10, 11)]
    assert told == [2, 2, 2, 2, 2, 1]
    assert len(seen) == 3
    assert {count for _, _, count in seen} == {1}
    assert torch.get_num_threads() == threads


@pytest.mark.parametrize("n", [0, 4])
def test_a_single_batch_runs_in_the_callers_thread(threads, n):
    found = in_batches(
        n, 4, lambda *_: (threading.get_ident(), torch.get_num_threads()), views=named
    )
    assert found == [(threading.get_ident(), threads)] * (n > 0)


def test_an_error_ends_the_loop_and_restores_the_threads(threads):
    def work(view, rows):
        if rows.start == 2:
            raise InputError("Expected another image.")
        time.sleep(0.01)

    before = threading.active_count()
    with pytest.raises(InputError, match="Expected another image"):
        in_batches(200, 1, work, views=named)
    assert torch.get_num_threads() == threads
    assert threading.active_count() == before


@pytest.mark.parametrize("error", [SystemExit, KeyboardInterrupt, GeneratorExit])
def test_what_ends_a_thread_ends_the_loop(threads, error):
    def work(view, rows):
        raise error

    with pytest.raises(error):
        in_batches(4, 1, work, views=named)
    assert torch.get_num_threads() == threads


def test_loops_within_loops_run_in_their_own_thread(threads):
    def outer(view, rows):
        return in_batches(4, 1, lambda *_: threading.get_ident(), views=named)

    found = in_batches(6, 1, outer, views=named)
    assert all(len(set(inner)) == 1 for inner in found)


@pytest.mark.parametrize("mode", [torch.no_grad, torch.inference_mode, torch.enable_grad])
def test_the_callers_modes_hold_in_all_threads(threads, mode):
    def modes(*_):
        return torch.is_grad_enabled(), torch.is_inference_mode_enabled()

    with mode():
        assert set(in_batches(6, 1, modes, views=named)) == {modes()}
    with torch.autocast("cpu", dtype=torch.bfloat16):
        found = in_batches(
            6, 1, lambda *_: torch.ones(2, 2).mm(torch.ones(2, 2)).dtype, views=named
        )
    assert set(found) == {torch.bfloat16}


def test_a_mode_that_watches_operators_sees_them_all(threads):
    with FlopCounterMode(display=False) as counter:
        in_batches(4, 1, lambda *_: torch.ones(3, 3) @ torch.ones(3, 3), views=named)
    assert counter.get_total_flops() == 4 * 2 * 27


METHODS = [
    "gradcam",
    "eigencam",
    "layercam_fused",
    "integrated_gradients",
    "smoothgrad",
    "scorecam",
]


@pytest.mark.parametrize("method", [*METHODS, pytest.param(Rise(masks=64), id="rise"), "occlusion"])
def test_the_number_of_threads_changes_no_bit(images, method):
    found = {}
    before = torch.get_num_threads()
    try:
        for count in (1, 2, 3):
            torch.set_num_threads(count)
            predictor = Predictor(tiny_model(), device="cpu", batch_size=1)
            found[count] = explain(predictor, images[:4], method=method, targets="fear")
            if count > 1:
                assert predictor._others
    finally:
        torch.set_num_threads(before)
    for count in (2, 3):
        assert torch.equal(found[1].maps, found[count].maps)
        assert torch.equal(found[1].logits, found[count].logits)


def test_views_see_changed_weights_and_replaced_parts(threads, images):
    predictor = Predictor(tiny_model(), device="cpu", batch_size=1, fold=False)
    first = predictor.logits(images)
    assert len(predictor._others) == 2
    with torch.no_grad():
        predictor.model.net.fc.bias += 1
    assert torch.allclose(predictor.logits(images), first + 1, atol=1e-5)
    predictor.model.net.fc = nn.Linear(16, 6)
    with torch.inference_mode():
        expected = torch.cat([predictor.model(image[None]) for image in images])
    assert torch.allclose(predictor.logits(images), expected, atol=1e-5)


def test_hooks_of_the_copy_see_every_image_in_order(threads, images):
    predictor = Predictor(tiny_model(), device="cpu", batch_size=1, fold=False)
    seen = []
    predictor.model.net.fc.register_forward_hook(lambda *_: seen.append(threading.get_ident()))
    predictor.logits(images)
    assert seen == [threading.get_ident()] * len(images)


def test_views_see_changed_options(threads, images):
    model = tiny_model()
    model.net.fc = Scaling(16)
    predictor = Predictor(model, device="cpu", batch_size=1, fold=False)
    first = predictor.logits(images)
    assert predictor._others
    predictor.model.net.fc.scale = 10
    assert torch.allclose(predictor.logits(images), first * 10, atol=1e-4)
    predictor.model.net.fc.array[0] = 2
    assert torch.allclose(predictor.logits(images), first * 20, atol=1e-4)
    predictor.model.net.fc.plain *= 2
    assert torch.allclose(predictor.logits(images), first * 40, atol=1e-4)
    assert predictor._others


class Scaling(nn.Module):
    def __init__(self, width):
        super().__init__()
        self.head, self.scale, self.array = nn.Linear(width, 6), 1, np.ones(1)
        self.plain = torch.ones(1)  # no buffer

    def forward(self, x):
        return self.head(x) * self.scale * float(self.array[0]) * self.plain


class Random(nn.Module):
    def forward(self, x):
        return x + torch.rand(1)


class PythonRandom(nn.Module):
    def forward(self, x):
        return x + random.random()


class NumpyRandom(nn.Module):
    def forward(self, x):
        return x + float(np.random.rand())  # noqa: NPY002 - what networks do


class OwnRandom(nn.Module):
    def __init__(self):
        super().__init__()
        self.random = np.random.default_rng(0)

    def forward(self, x):
        return x + float(self.random.random())


class CountingPlainly(nn.Module):
    passes = 0

    def forward(self, x):
        self.passes += 1
        return x + self.passes


class Counting(nn.Module):
    def __init__(self):
        super().__init__()
        self.register_buffer("passes", torch.zeros(()))

    def forward(self, x):
        self.passes += 1
        return x + self.passes


ORDERED = [Random, PythonRandom, NumpyRandom, OwnRandom, Counting, CountingPlainly]


@pytest.mark.parametrize("part", ORDERED)
def test_networks_whose_passes_depend_on_their_order_run_in_order(threads, images, part):
    def logits():
        torch.manual_seed(0)
        net = nn.Sequential(nn.AvgPool2d(16), nn.Flatten(), nn.Linear(48, 6), part())
        predictor = Predictor(FERModel(net, emotions=SIX), device="cpu", batch_size=1)
        torch.manual_seed(1)
        random.seed(1)
        np.random.seed(1)  # noqa: NPY002
        found = predictor.logits(images)
        assert not predictor._others
        drawn = torch.tensor([random.random(), np.random.rand()])  # noqa: NPY002
        return found, torch.rand(1), drawn

    side_by_side = logits()
    torch.set_num_threads(1)
    alone = logits()
    assert all(map(torch.equal, side_by_side, alone))


class Remembering(nn.Module):
    """Keeps something from one part of a pass to the next."""

    def __init__(self):
        super().__init__()
        self.head = nn.Linear(48, 6)

    def forward(self, x):
        self.kept = x.flatten(1)[:, :48].clone()
        time.sleep(0.002)
        return self.head(self.kept)


def test_what_a_module_keeps_belongs_to_its_micro_batch(threads, images):
    model = FERModel(Remembering(), emotions=SIX)
    predictor = Predictor(model, device="cpu", batch_size=1, fold=False)
    with torch.inference_mode():
        expected = torch.cat([predictor.model(image[None]) for image in images])
    assert torch.equal(predictor.logits(images), expected)
    assert predictor._others
    views = [id(view) for view in predictor._others]
    assert torch.equal(predictor.logits(images), expected)
    assert [id(view) for view in predictor._others] == views  # what passes keep is no change


def test_a_thread_waits_for_another_but_helpers_do_not(threads, images):
    predictor = Predictor(tiny_model(), device="cpu", batch_size=1)
    inside, seen = set(), []

    def work(view, rows):
        inside.add(threading.get_ident())
        time.sleep(0.002)
        return view.run(view.to_device(images[rows])), view.logits(images[rows])

    def loop(name):
        def told(_):
            seen.append(name)

        predictor.each(len(images), work, done=told)

    users = [threading.Thread(target=loop, args=(name,), daemon=True) for name in "ab"]
    for user in users:
        user.start()
    for user in users:
        user.join(30)
        assert not user.is_alive()
    assert len(seen) == 2 * len(images)
    assert (
        len(set(seen[: len(images)])) == len(set(seen[len(images) :])) == 1
    )  # one, then the other
    assert len(inside) > 2


def test_a_predictor_can_be_copied_and_pickled(images):
    predictor = Predictor(tiny_model(), device="cpu")
    for other in (copy.deepcopy(predictor), pickle.loads(pickle.dumps(predictor))):
        assert torch.equal(other.logits(images), predictor.logits(images))
