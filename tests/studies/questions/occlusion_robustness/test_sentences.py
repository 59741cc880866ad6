"""Sentences of the answer say no more than the tables show."""

import numpy as np
import pandas as pd

from fer_xai.emotions import SIX
from fer_xai.landmarks import REGIONS
from studies.questions.occlusion_robustness import effects
from studies.questions.occlusion_robustness.sentences import (
    _book,
    _bound,
    _drift,
    _guided,
    _mass,
)

FACES = 60


def matrix_of(effect, *, seed=0):
    """The table of cells where losing a region costs an emotion so much beyond a patch."""
    rng = np.random.default_rng(seed)
    ids = [f"{emotion}{k}" for emotion in ("fear", "happiness") for k in range(FACES)]
    targets = np.repeat(["fear", "happiness"], FACES)
    parts = []
    for region in REGIONS:
        cost = rng.normal(0, 0.05, len(ids))
        cost = cost + [effect.get((target, region), 0.0) for target in targets]
        patch = np.nan if region == "off_face" else 0.0
        parts.append(
            pd.DataFrame(
                {"id": ids, "region": region, "target": targets, "cost": cost, "patch": patch}
                | {f"book {emotion}": 0.5 for emotion in SIX}
            )
        )
    rows = pd.concat(parts, ignore_index=True)
    return effects.emotion_table({"net": rows}, pd.Series(range(len(ids)), index=ids))


def test_regions_are_named_that_are_told_from_a_patch_and_no_others():
    said = _bound(matrix_of({("fear", "eyes"): 0.2, ("happiness", "mouth"): -0.3}))
    assert "fear: eyes (+0.2" in said
    assert "happiness" not in said  # its mouth costs less than a patch
    assert "\N{MINUS SIGN}" not in said
    assert "-" not in said


def test_no_region_is_named_where_none_is_told():
    said = _bound(matrix_of({}))
    assert said == "No region is told from a patch of its area for any emotion."


def test_cells_are_one_family():
    table = matrix_of({("fear", "eyes"): 0.2})
    face = table[table["region"] != "off_face"]
    width = face["beyond a patch high"] - face["beyond a patch low"]
    alone = 2 * 1.96 * 0.05 / FACES**0.5  # of one 95 % interval
    assert width.mean() > 1.3 * alone
    assert (face["p, beyond a patch"] < 0.05).sum() == 1


def test_the_mean_over_emotions_is_said_without_a_claim():
    table = pd.DataFrame(
        [
            ("all", 0.2, np.nan, np.nan, np.nan),
            ("fear", 0.3, 0.1, 0.5, 0.01),
            ("anger", 0.1, -0.1, 0.3, 0.4),
        ],
        columns=["emotion", "gain", "gain low", "gain high", "p"],
    )
    said = _book(table)
    assert "without an interval" in said
    assert "shown to cost more for fear" in said
    assert "anger" not in said
    assert "no emotion is told from 0" in _book(table[table["emotion"] != "fear"])


def test_maps_that_are_all_undefined_give_a_sentence_without_nan():
    row = {"method": "grad_cam", "likeness": np.nan, "faces": 0}
    assert _drift(pd.DataFrame([row])) == (
        "The likeness of the map of grad cam is undefined under every occluder."
    )


def test_the_maps_sentences_say_each_thing_once():
    beyond = {
        "random cells": (-30.0, -40.0, -20.0, 0.001),
        "the centre": (5.0, 1.0, 9.0, 0.01),
        "a random map": (1.0, -3.0, 5.0, 0.6),
    }
    row = {"order": "layer_cam", "lost": 9.0}
    for words, (mean, low, high, p) in beyond.items():
        row |= {f"beyond {words}": mean, f"beyond {words} low": low, f"beyond {words} high": high}
        row[f"p, {words}"] = p
    assert _guided(pd.DataFrame([{"order": "random"}, row])) == (
        "In accuracy, hiding the cells that layer cam marks costs more than hiding the centre "
        "(+5.0 [+1.0, +9.0] points); it costs less than hiding random cells "
        "(-30.0 [-40.0, -20.0] points); it is not told apart from hiding a random map "
        "(+1.0 [-3.0, +5.0] points)."
    )
    less = {"order": "eigencam", "lost": 3.0}
    assert _guided(pd.DataFrame([{"order": "random"}, less, row])).startswith(
        "In accuracy, hiding the cells that layer cam, the method of 2 whose hidden cells cost "
        "most, marks costs more than"
    )
    drift = {"method": "lrp", "likeness": 0.6, "faces": 9, "prediction stays": 0.7}
    drift |= {"random patch": 0.5, "other persons' maps": 0.25, "undefined": 0.0}
    assert _drift(pd.DataFrame([drift])) == (
        "Where the face is not covered, the map of lrp correlates with that of the whole face by "
        "0.60 (Pearson, 9 faces; 0.70 where the prediction stays), under random patches of the "
        "same area by 0.50 and with maps of other persons by 0.25."
    )
    mass = {"area": 0.15, "before": 0.2, "after": 0.1, "moved": -0.1}
    mass |= {"moved low": -0.2, "moved high": 0.0, "p, beyond a patch": 0.5}
    mass |= {"beyond a patch low": -0.1, "beyond a patch high": 0.1}
    assert _mass(pd.DataFrame([mass])).startswith(
        "The covered part, 15 % of the image, holds 20 % of the map before and 10 % after: "
    )
    assert _mass(pd.DataFrame([mass])).endswith("not told from the change under patches.")
    assert _mass(pd.DataFrame([mass | {"moved": np.nan}])) == ""
