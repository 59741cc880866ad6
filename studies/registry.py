"""The studies by name, with their questions: listing them imports nothing heavy."""

from __future__ import annotations

from typing import Any

from fer_xai.registry import Registry

QUESTIONS: dict[str, str] = {
    "gradcam_consistency": "Are Grad-CAM maps consistent across faces of one emotion?",
    "attribution_agreement": "Which attributions agree with each other, with exact region Shapley, "
    "and with themselves?",
    "faithfulness": "Do attributions show what the model uses?",
    "sanity_checks": "Do attributions depend on what the model has learned, and are they stable?",
    "meta_evaluation": "Which metrics of explanations can be trusted?",
    "audit": "Can the explanations of a model of yours be trusted?",
    "planted_regions": "Which attributions find the region that a network is known to read?",
    "paper_table": "How accurate are GiMeFive and its baselines, counted honestly and as the paper "
    "counts?",
    "ablation": "What does each part of GiMeFive do for accuracy, and for consistent explanations?",
}

_MODULES = {"audit": "audit_command"}
"""Where a study's module is not named for it: ``studies.audit`` is the function."""
STUDIES: Registry[Any] = Registry(
    "study", {name: f"studies.{_MODULES.get(name, name)}" for name in QUESTIONS}
)
