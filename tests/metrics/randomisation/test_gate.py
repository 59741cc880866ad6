import numpy as np
import pytest
import torch

from fer_xai.errors import InputError
from metrics.randomisation.gate import Gate, moved_copies, randomisation_gate
from tests.metrics.explainers import centre, edges, gradient
from tests.reference.randomisation_slow import moves_slow


@pytest.mark.parametrize("explain", [edges, centre], ids=["edges", "centre"])
@pytest.mark.parametrize("kind", ["spearman", "ssim"])
def test_the_gate_stops_what_ignores_the_model(trained, explain, kind):
    predictor, images, targets = trained
    maps = explain(predictor.model, images, targets, None)
    gate = randomisation_gate(predictor, images, maps, targets, explain, similarity=kind, draws=5)
    assert not gate.passed
    assert gate.mean == pytest.approx(1)
    assert gate.threshold < 0.9
    assert gate.share_above == 1


def test_the_gate_lets_pass_what_depends_on_the_model_and_noise(case):
    predictor, images, maps, targets = case
    gate = randomisation_gate(predictor, images, maps, targets, gradient)
    assert gate.passed
    assert gate.share_above == 0
    assert gate.similarity.shape == (6, 10)
    assert gate.null.shape == (6, 10, 20)
    own = torch.Generator().manual_seed(0)
    noise = randomisation_gate(
        predictor,
        images,
        torch.rand(6, 64, 64, generator=own),
        targets,
        lambda m, i, t, d: torch.rand(len(i), 64, 64, generator=own),
    )
    assert noise.passed


def test_beside_the_verdict_stands_whether_the_mean_exceeds_means_of_the_null():
    """What lies above chance by little passes, since single pairs spread wider than their mean."""
    null = torch.randn(8, 10, 20, generator=torch.Generator().manual_seed(0))
    found = Gate(similarity=torch.full((8, 10), 0.8), null=null)
    means = null.mean(dim=(0, 1))
    assert found.passed
    assert found.null_mean == pytest.approx(null.mean().item())
    assert found.excess == pytest.approx(0.8 - null.mean().item())
    assert found.p == 1 / 21
    chance = Gate(similarity=null[:, :, 0], null=null)
    assert chance.p == (1 + (means >= means[0]).sum().item()) / 21
    gaps = null.clone()
    gaps[0], gaps[1, :5] = torch.nan, torch.nan
    some = Gate(similarity=gaps[:, :, 0], null=gaps)
    by_face = gaps[1:].nanmean(dim=1).mean(dim=0)
    assert some.p == (1 + (by_face >= by_face[0]).sum().item()) / 21
    assert some.excess == pytest.approx((by_face[0] - by_face.mean()).item(), abs=1e-6)


def test_noise_that_is_the_same_for_every_network_does_not_pass(trained):
    predictor, images, targets = trained

    def explain(model, images, targets, ids):
        rows = [torch.rand(64, 64, generator=torch.Generator().manual_seed(int(i))) for i in ids]
        return torch.stack(rows)

    maps = explain(None, images, targets, [str(i) for i in range(6)])
    assert not randomisation_gate(predictor, images, maps, targets, explain, draws=5).passed


def test_uniform_maps_say_nothing_and_do_not_pass(trained):
    predictor, images, targets = trained
    gate = randomisation_gate(
        predictor,
        images,
        torch.ones(6, 64, 64),
        targets,
        lambda m, i, t, d: torch.ones(len(i), 64, 64),
    )
    assert not gate.passed
    assert gate.blank == 6
    assert np.isnan([gate.threshold, gate.share_above, gate.excess, gate.p]).all()


def test_the_null_is_of_moved_and_mirrored_maps():
    maps = torch.randn(2, 6, 5, generator=torch.Generator().manual_seed(0))
    names = [("a",), ("b",)]
    copies = torch.stack(list(moved_copies(maps, names, draws=400)), dim=1)  # (2, D, 6, 5)
    for one, moved in zip(maps, copies, strict=True):
        allowed = {each.tobytes() for each in moves_slow(one.numpy())}
        drawn = {each.numpy().tobytes() for each in moved}
        assert drawn <= allowed
        assert len(drawn) > 0.8 * len(allowed)
    alone = torch.stack(list(moved_copies(maps[1:], names[1:], draws=400)), dim=1)
    assert torch.equal(alone[0], copies[1])


def test_bad_networks_are_one_sentence(case):
    predictor, images, maps, targets = case
    with pytest.raises(InputError, match="Expected networks as a whole number of 10 or more"):
        randomisation_gate(predictor, images, maps, targets, gradient, networks=9)
