"""Figures of studies: legends, ticks, scales, frames, and what their marks say."""

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest

from fer_xai.landmarks import REGIONS
from metrics.core.registry import METRICS
from studies.questions.conditions.plots import severity_curves
from studies.questions.landmark_alignment.causes import SHAPLEY
from studies.questions.landmark_alignment.figures import choices_figure, endpoint_figure, shown
from studies.questions.occlusion_robustness.captions import CAPTIONS
from studies.questions.occlusion_robustness.plots import (
    area_figure,
    grid_figure,
    occluder_figure,
    region_heatmap,
)
from studies.reporting.frames import RULE
from studies.scoreboard.plots import dots


@pytest.fixture(autouse=True)
def closed():
    yield
    plt.close("all")


@pytest.mark.parametrize("models", [("net",), ("net", "other")])
def test_a_legend_stands_outside_and_only_where_it_tells_models_apart(models):
    ends = {"beyond a patch": 5.0, "beyond a patch low": 1.0, "beyond a patch high": 9.0}
    table = pd.DataFrame([{"model": name, "occluder": "mouth", **ends} for name in models])
    axis = occluder_figure(table).axes[0]
    legend = axis.get_legend()
    assert (legend is None) == (len(models) == 1)
    if legend is not None:
        legend.figure.canvas.draw()
        assert legend.get_window_extent().x0 >= axis.get_window_extent().x1 - 1


def test_the_grid_has_a_tick_at_every_share_and_its_legend_outside():
    shares = [10.0, 30.0, 50.0, 70.0, 90.0]
    ends = {"accuracy": 50.0, "accuracy low": 40.0, "accuracy high": 60.0}
    table = pd.DataFrame(
        [{"model": "net", "order": "random", "cells hidden": x, **ends} for x in shares]
    )
    figure = grid_figure(table, {"net": 80.0})
    figure.canvas.draw()
    axis = figure.axes[0]
    assert axis.get_xticks().tolist() == [0.0, *shares]
    assert axis.get_legend().get_window_extent().x0 >= axis.get_window_extent().x1


def test_every_column_of_areas_has_tick_labels():
    ends = {"accuracy": 50.0, "accuracy low": 40.0, "accuracy high": 60.0}
    table = pd.DataFrame([{"model": "net", "occluder": "mouth", "face hidden": 5.0, **ends}])
    axes = area_figure(table, {"net": 80.0}).axes
    shown_at = [axes[k].xaxis.get_tick_params()["labelbottom"] for k in (7, 8, 9, 10)]
    assert shown_at == [True] * 4


def test_likeness_has_one_scale_that_holds_every_interval():
    rows = []
    for condition, low in (("blur", -0.6), ("shift", 0.2)):
        for severity in (0.0, 1.0):
            for group in ("all", "still recognised", "lost", "always recognised"):
                row = dict.fromkeys(("likeness", "share", "recognised", "other", "centre"), 0.5)
                row |= {f"{name} high": 0.9 for name in ("likeness", "recognised")}
                row |= {"likeness low": low, "recognised low": 0.1, "untrained": np.nan}
                row |= {"condition": condition, "severity": severity, "label": "", "group": group}
                rows.append(row)
    axes = severity_curves(pd.DataFrame(rows), prior=0.3).axes
    limits = [axis.get_ylim() for axis in axes[2:4]]
    assert limits[0] == limits[1]
    assert limits[0][0] < -0.6


def test_frames_are_the_thicker_the_more_of_a_region_is_in_the_codebook():
    shares = dict(zip(REGIONS, (0, 5, 20, 40, 60, 100, 0, 0), strict=True))
    matrix = pd.DataFrame(
        [
            {
                "model": "net",
                "emotion": "sadness",
                "region": name,
                "faces": 3,
                "cost": 0.1,
                "beyond a patch": 0.05,
                "codebook": share,
            }
            for name, share in shares.items()
        ]
    )
    widths = [patch.get_linewidth() for patch in region_heatmap(matrix).axes[0].patches]
    assert len(widths) == 4  # from 10 % on
    assert widths == sorted(widths)
    assert RULE in CAPTIONS["figure of regions_by_emotion"]


def test_methods_have_one_name_in_all_figures_of_the_study():
    means = {"mean": [0.3], "mean low": [0.2], "mean high": [0.4]}
    table = pd.DataFrame({"metric": "gini", "method": ["layercam"], "control": [False], **means})
    axis = dots(table, {"gini": METRICS["gini"]}, named=shown).axes[0]
    assert [label.get_text() for label in axis.get_yticklabels()] == ["LayerCAM"]


def test_the_endpoint_says_how_intervals_were_made_and_on_how_many_faces():
    ends = {"contrast": 0.1, "contrast low": 0.0, "contrast high": 0.2, "ceiling": 0.4}
    ends |= {"untrained": 0.05, "untrained min": 0.0, "untrained max": 0.1, "model": "m"}
    rows = [
        {"method": SHAPLEY, "control": False, "faces": 6, "scheme": "by itself, by Student's t"},
        {"method": "lrp", "control": False, "faces": 12, "scheme": "simultaneous, by betting"},
        {"method": "random", "control": True, "faces": 12, "scheme": "by itself, by Student's t"},
    ]
    figure = endpoint_figure(pd.DataFrame([row | ends for row in rows]))
    names = [label.get_text() for label in figure.axes[0].get_yticklabels()]
    assert "exact region Shapley (6 faces)" in names
    said = [text.get_text() for text in figure.legends[0].get_texts()]
    assert "trained network\nsimultaneous, by betting" in said
    assert "chance controls\nby itself, by Student's t" in said
    marks = [line for line in figure.axes[0].lines if line.get_marker() == "o"]
    assert sum(line.get_markerfacecolor() == "white" for line in marks) == 1


def test_a_choice_without_an_interval_shows_its_number_of_faces():
    row = {"model": "m", "method": "gradcam", "choice": "few", "contrast": 0.1, "faces": 3}
    row |= {"contrast low": np.nan, "contrast high": np.nan, "untrained": 0.05}
    axis = choices_figure(pd.DataFrame([row])).axes[0]
    assert [text.get_text() for text in axis.texts] == ["3 faces"]
