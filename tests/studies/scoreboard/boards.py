"""What the tests of the scoreboard share: a board, rows that are known, and what they are of."""

import dataclasses

import pandas as pd

from metrics.core.registry import METRICS
from studies.scoreboard.scores import Scoreboard

CLUSTERS = pd.Series({f"f{i}": i // 2 for i in range(40)})
OWN = pd.Series(range(40), index=CLUSTERS.index)
"""Each face its own unit: enough of them for a test."""
SPECS = {name: METRICS[name] for name in ("insertion", "deletion", "aopc")}
WIDE = {"insertion": dataclasses.replace(METRICS["insertion"], bounds=(-2.0, 2.0))}
"""Bounds that let made-up gains pass."""
METHODS = ("saliency", "gradcam", "lrp")


def board(**options) -> Scoreboard:
    chosen = {"methods": ["gradcam", "saliency"], "metrics": ["average_drop", "naopc"]} | options
    return Scoreboard(**chosen)


def scored(board, predictor, faces, **options) -> pd.DataFrame:
    return board.scores(board.explained(predictor, faces), **options)
