"""The studies by name, with their questions: listing them imports nothing heavy."""

from __future__ import annotations

from typing import Any

from fer_xai.registry import Registry

QUESTIONS: dict[str, str] = {
    "gradcam_consistency": "Are Grad-CAM maps consistent across faces of one emotion?",
    "attribution_agreement": "Which attributions agree with each other, with exact region Shapley, "
    "and with themselves?",
    "planted_regions": "Which attributions find the region that a network is known to read?",
    "paper_table": "How accurate are GiMeFive and its baselines, counted honestly and as the paper "
    "counts?",
    "ablation": "What does each part of GiMeFive do for accuracy, and for consistent explanations?",
}

STUDIES: Registry[Any] = Registry("study", {name: f"studies.{name}" for name in QUESTIONS})
