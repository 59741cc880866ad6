"""Metrics of explanations: pure functions, tensors in, one value a face (or a set) out.

Names are imported when first used.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from fer_xai.perturb.linear import linear_imputation as linear_imputation
    from metrics.agreement import pixel_agreement as pixel_agreement
    from metrics.complexity import effective_complexity as effective_complexity
    from metrics.complexity import entropy as entropy
    from metrics.complexity import gini as gini
    from metrics.complexity import total_variation as total_variation
    from metrics.consistency.equivariance import self_consistency as self_consistency
    from metrics.consistency.pairs import separability as separability
    from metrics.consistency.pairs import similarity as similarity
    from metrics.consistency.profiles import region_profiles as region_profiles
    from metrics.core.registry import METRICS as METRICS
    from metrics.core.registry import MetricSpec as MetricSpec
    from metrics.core.score_cache import ScoreCache as ScoreCache
    from metrics.core.similarity import map_similarity as map_similarity
    from metrics.core.similarity import normalised_rows as normalised_rows
    from metrics.core.similarity import region_agreement as region_agreement
    from metrics.core.similarity import region_sums as region_sums
    from metrics.evaluation import evaluate as evaluate
    from metrics.faithfulness.deletion import deletion as deletion
    from metrics.faithfulness.deletion import insertion as insertion
    from metrics.faithfulness.infidelity import infidelity as infidelity
    from metrics.faithfulness.infidelity import mu_fidelity as mu_fidelity
    from metrics.faithfulness.infidelity import sensitivity_n as sensitivity_n
    from metrics.faithfulness.masking import erasure as erasure
    from metrics.faithfulness.masking import masked_confidence as masked_confidence
    from metrics.faithfulness.naopc import naopc_searched as naopc_searched
    from metrics.faithfulness.regions import naopc as naopc
    from metrics.faithfulness.regions import shapley_agreement as shapley_agreement
    from metrics.faithfulness.regions import single_deletion as single_deletion
    from metrics.faithfulness.road import road as road
    from metrics.faithfulness.road import road_combined as road_combined
    from metrics.randomisation.gate import randomisation_gate as randomisation_gate
    from metrics.randomisation.mprt import emprt as emprt
    from metrics.randomisation.mprt import model_contrast as model_contrast
    from metrics.randomisation.mprt import mprt as mprt
    from metrics.randomisation.mprt import random_logit as random_logit
    from metrics.randomisation.random_networks import randomised as randomised
    from metrics.robustness import seed_agreement as seed_agreement
    from metrics.robustness import stability as stability

_PUBLIC = {
    name: f"metrics.{module}"
    for module, names in {
        "agreement": ("pixel_agreement", "region_agreement", "region_sums"),
        "complexity": ("effective_complexity", "entropy", "gini", "total_variation"),
        "consistency": (
            "normalised_rows",
            "region_profiles",
            "self_consistency",
            "separability",
            "similarity",
        ),
        "curves": ("deletion", "insertion"),
        "debiasing": ("road", "road_combined"),
        "evaluation": ("evaluate",),
        "gate": ("randomisation_gate",),
        "imputation": ("linear_imputation",),
        "cache": ("ScoreCache",),
        "likeness": ("map_similarity",),
        "masking": ("erasure", "masked_confidence"),
        "patches": ("naopc_searched",),
        "random_networks": ("randomised",),
        "randomisation": ("emprt", "model_contrast", "mprt", "random_logit"),
        "regions": ("naopc", "shapley_agreement", "single_deletion"),
        "robustness": ("seed_agreement", "stability"),
        "spec": ("METRICS", "MetricSpec"),
        "subsets": ("infidelity", "mu_fidelity", "sensitivity_n"),
    }.items()
    for name in names
}

__all__ = list(_PUBLIC)


def __getattr__(name: str) -> Any:
    if name in _PUBLIC:
        return getattr(import_module(_PUBLIC[name]), name)
    raise AttributeError(f"module 'metrics' has no attribute {name!r}")


def __dir__() -> list[str]:
    return [*globals(), *_PUBLIC]
