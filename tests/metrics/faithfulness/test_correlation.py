import pytest
import torch

from fer_xai.errors import InputError
from fer_xai.inference.predictor import Predictor
from metrics.core.score_cache import ScoreCache
from metrics.faithfulness.correlation import mu_fidelity, sensitivity_n
from tests.helpers import TARGETS
from tests.reference.subsets_slow import subset_correlation_slow


@pytest.mark.parametrize("kind", ["pearson", "spearman"])
def test_mu_fidelity_is_the_correlation_over_subsets_of_cells(model, three, maps, kind):
    cache = ScoreCache(Predictor(model, device="cpu"), three)
    found = mu_fidelity(cache, three, maps, TARGETS, samples=6, fill="black", correlation=kind)
    cells = (torch.arange(64) * 9 // 64)[:, None] * 9 + torch.arange(64) * 9 // 64
    assert cells.unique().tolist() == list(range(81))
    for face, column in enumerate(model.columns(TARGETS)):
        order = cache.stream(face, "mu 9").randperm(81, 6)
        masks = torch.stack([torch.isin(cells, order[m, :16]) for m in range(6)])
        expected = subset_correlation_slow(
            model,
            three[face],
            maps[face],
            int(column),
            masks,
            filled=torch.zeros(3, 64, 64),
            kind=kind,
        )
        assert found[face].item() == pytest.approx(expected, abs=1e-3)


def test_sensitivity_n_is_the_correlation_over_subsets_of_pixels(model, three, maps):
    cache = ScoreCache(Predictor(model, device="cpu"), three)
    found = sensitivity_n(cache, three, maps, TARGETS, shares=(0.05,), samples=4, fill="black")
    assert found.fractions.item() == pytest.approx(205 / 4096)
    for face, column in enumerate(model.columns(TARGETS)):
        order = cache.stream(face, "sensitivity 205").randperm(4096, 4)
        masks = torch.zeros(4, 4096, dtype=torch.bool)
        for m in range(4):
            masks[m, order[m, :205]] = True
        expected = subset_correlation_slow(
            model,
            three[face],
            maps[face],
            int(column),
            masks.reshape(4, 64, 64),
            filled=torch.zeros(3, 64, 64),
        )
        assert found.scores[face, 0].item() == pytest.approx(expected, abs=1e-3)


BAD = {
    "too fine a grid": (
        lambda model, three, maps: mu_fidelity(model, three, maps, TARGETS, grid=65),
        "Expected a grid of 1 to 64 cells a side",
    ),
    "no cell": (
        lambda model, three, maps: mu_fidelity(model, three, maps, TARGETS, share=1e-3),
        "Expected a grid of 1 to 64 cells a side",
    ),
    "unknown correlation": (
        lambda model, three, maps: mu_fidelity(
            model, three, maps, TARGETS, samples=2, correlation="kendall"
        ),
        "Expected correlation pearson, spearman",
    ),
    "no pixel": (
        lambda model, three, maps: sensitivity_n(model, three, maps, TARGETS, shares=(1e-5,)),
        "Expected shares between none and all",
    ),
}


@pytest.mark.parametrize(("asked", "match"), BAD.values(), ids=BAD)
def test_bad_input_is_one_sentence(asked, match, model, three, maps):
    with pytest.raises(InputError, match=match):
        asked(model, three, maps)
