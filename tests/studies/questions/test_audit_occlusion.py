"""The audit asks what a hidden part of the face costs, and what it does to the map."""

import numpy as np

from fer_xai.data import load_dataset
from studies import audit
from tests.helpers import tiny_model

METRICS = ["occlusion_cost", "occlusion_drift", "occlusion_drift_kept", "occlusion_mass"]


def test_metrics_of_occlusion_are_scored_in_an_audit():
    report = audit(
        tiny_model(),
        load_dataset("synthetic", limit=6),
        methods=["gradcam", "saliency"],
        metrics=METRICS,
        anyway=True,
        gate=False,
    )
    frame = report.frame
    asked = frame[frame["method"].isin(["gradcam", "saliency"])]
    means = asked.groupby(["method", "metric"])["value"].mean()
    assert set(means.index.get_level_values("metric")) == set(METRICS)
    assert np.isfinite(means).all()
