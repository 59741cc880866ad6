"""On an accelerator: no double precision there, no array of it, no mixing with the CPU's tensors."""

import numpy as np
import pytest
import torch
from torch import Tensor

from fer_xai.attributions.eigencam import EigenCam
from fer_xai.coalitions import banzhaf_values, interaction_index, shapley_values
from fer_xai.inference.predictor import Predictor
from fer_xai.landmarks import face_regions
from fer_xai.perturb.fills.skin import skin_fill
from metrics import (
    alignment_ceiling,
    au_cosine,
    emotion_contrast,
    energy_gain,
    off_face_mass,
    other_faces_areas,
    pixel_auc,
    pointing_game,
    region_iou,
    region_mass,
    region_rank,
)
from metrics.agreement import pixel_agreement
from metrics.complexity import effective_complexity, entropy, gini, total_variation
from metrics.consistency.equivariance import self_consistency
from metrics.consistency.profiles import profile_reliability, region_profiles
from metrics.consistency.separability import separability
from metrics.consistency.similarity import permuted_excess, similarity
from metrics.consistency.structure import ssim_within_between
from metrics.core.histogram import histogram_entropy
from metrics.core.pixel_order import rank_pixels
from metrics.core.similarity import map_similarity, normalised_rows, region_agreement
from metrics.core.ssim import ssim
from metrics.faithfulness.correlation import mu_fidelity, sensitivity_n
from metrics.faithfulness.infidelity import infidelity
from metrics.faithfulness.naopc import naopc_searched
from metrics.robustness import seed_agreement
from tests.helpers import tiny_model

MOVES = {"cpu", "to", "type_as", "__getitem__", "__setitem__", "copy_", "index_put_"}
"""What takes tensors of two devices."""


class Apple(Tensor):
    """A tensor of an Apple GPU, as far as a machine without one can tell: float64 is refused, and
    so are arrays and the CPU's tensors beside it, until it is asked for its copy on the CPU.
    """

    @classmethod
    def __torch_function__(cls, func, types, args=(), kwargs=None):
        name = func.__name__
        flat = [a for arg in args for a in (arg if isinstance(arg, list | tuple) else [arg])]
        plain = [a for a in flat if type(a) is Tensor and a.ndim]
        if name == "numpy":
            raise TypeError("can't convert mps:0 device type tensor to numpy")
        if plain and name not in MOVES:
            raise RuntimeError(f"Expected all tensors to be on the same device: {name}")
        found = super().__torch_function__(func, types, args, kwargs or {})
        if name == "cpu":
            return found.as_subclass(Tensor)
        if isinstance(found, Tensor) and found.dtype == torch.float64:
            raise TypeError(f"Cannot convert a MPS Tensor to float64 dtype: {name}")
        return found


def _drawn(*shape, seed=0):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


MAPS, OTHERS, WORTH = _drawn(6, 64, 64), _drawn(6, 64, 64, seed=1), _drawn(2, 3, 16)
MASK = torch.arange(64 * 64).reshape(64, 64) % 5 > 0
LABELS = torch.tensor([0, 1, 0, 1, 0, 1])
REGIONS = torch.nn.functional.one_hot(torch.arange(64 * 64) // 1024, 4).T.reshape(4, 64, 64) > 0
PROFILES = _drawn(6, 4)
ROWS = torch.nn.functional.normalize(PROFILES)
ALIGNED = (
    *(au_cosine, energy_gain, pixel_auc, pointing_game, region_iou, region_mass, region_rank),
)
CASES = {
    "rank_pixels": (rank_pixels, MAPS),
    **{fn.__name__: (fn, MAPS) for fn in (gini, entropy, effective_complexity, total_variation)},
    "histogram_entropy": (histogram_entropy, MAPS),
    "map_similarity": (map_similarity, MAPS, OTHERS),
    "map_similarity ssim": (lambda a, b: map_similarity(a, b, similarity="ssim"), MAPS, OTHERS),
    "seed_agreement": (seed_agreement, torch.stack([MAPS, OTHERS])),
    "pixel_agreement": (pixel_agreement, torch.stack([MAPS, OTHERS])),
    "region_agreement": (region_agreement, PROFILES, PROFILES.flip(0)),
    "other_faces_areas": (other_faces_areas, MAPS, REGIONS[:1].expand(6, -1, -1)),
    "emotion_contrast": (
        lambda a, b: emotion_contrast(a, b).similarities,
        MAPS.reshape(2, 3, 64, 64),
        OTHERS.abs().clamp(max=1).reshape(2, 3, 64, 64),
    ),
    "alignment_ceiling": (alignment_ceiling, OTHERS.abs().clamp(max=1)),
    "off_face_mass": (off_face_mass, MAPS, REGIONS.repeat(2, 1, 1).expand(6, -1, -1, -1)),
    **{fn.__name__: (fn, MAPS, REGIONS[:1].expand(6, -1, -1)) for fn in ALIGNED},
    "ssim": (ssim, MAPS, OTHERS, MASK),
    "ssim_within_between": (
        lambda m, labels, mask: list(
            ssim_within_between(m, labels, mask, pairs=3, seed=0).values()
        ),
        MAPS,
        LABELS,
        MASK,
    ),
    "similarity": (
        lambda m, labels, mask: similarity(normalised_rows(m, mask), labels).matrix,
        MAPS,
        LABELS,
        MASK,
    ),
    "similarity of rows": (lambda r, labels: similarity(r, labels).matrix, ROWS, LABELS),
    "separability of rows": (lambda r, labels: separability(r, labels).auc, ROWS, LABELS),
    "permuted_excess": (
        lambda r, labels: permuted_excess(r, labels, repeats=3, seed=0)[1],
        ROWS,
        LABELS,
    ),
    "region_profiles": (region_profiles, MAPS, REGIONS),
    "profile_reliability": (
        lambda p, labels: list(profile_reliability(p, labels).values()),
        PROFILES,
        LABELS,
    ),
    "self_consistency": (
        lambda a, b, mask: self_consistency(a, b, b, mask).gain,
        MAPS,
        OTHERS,
        MASK,
    ),
    "shapley_values": (shapley_values, WORTH),
    "banzhaf_values": (banzhaf_values, WORTH),
    "interaction_index": (interaction_index, WORTH),
    "EigenCAM": (EigenCam.combine, _drawn(2, 1, 5, 4, 4)),
}


@pytest.mark.parametrize("case", CASES.values(), ids=CASES)
def test_what_is_on_an_accelerator_gives_the_same(case):
    fn, *given = case
    expected, found = fn(*given), fn(*[tensor.as_subclass(Apple) for tensor in given])
    if isinstance(found, Apple):
        found = found.cpu()
    np.testing.assert_equal(np.asarray(found), np.asarray(expected))


def test_skin_is_found_of_faces_on_an_accelerator(faces):
    images = faces.images[:3]
    regions = face_regions(faces.landmarks_at(64)[:3], size=64)
    expected = skin_fill(images, regions)
    found = skin_fill(images.as_subclass(Apple), regions.as_subclass(Apple))
    assert torch.equal(found.cpu(), expected)


@pytest.mark.parametrize("metric", [infidelity, mu_fidelity, sensitivity_n, naopc_searched])
def test_maps_may_lie_on_an_accelerator(metric):
    predictor, images = Predictor(tiny_model(), device="cpu"), torch.rand(2, 3, 64, 64)
    options = {"grid": 2} if metric is naopc_searched else {"samples": 4}
    given = [predictor, images, MAPS[:2], torch.tensor([0, 5])]
    expected = metric(*given, **options)
    given[2] = given[2].as_subclass(Apple)
    found = metric(*given, **options)
    if metric is not infidelity and metric is not mu_fidelity:
        expected, found = (
            getattr(made, "scores", getattr(made, "aopc", None)) for made in (expected, found)
        )
    assert torch.equal(found, expected)
