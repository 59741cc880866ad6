"""Answers, captions and figures of a scoreboard."""

import numpy as np
import pandas as pd

from studies.reporting.page import png
from studies.scoreboard import tables
from studies.scoreboard.report import answer, content
from tests.studies.scoreboard.boards import CLUSTERS, METHODS, OWN, SPECS


def test_the_answer_names_what_beats_the_floor(rows):
    made = content(
        rows, OWN, SPECS, methods=METHODS, primary="insertion", refused={"net": {"rise": "no"}}
    )
    assert made.answer.startswith(
        "net: by insertion, 1 of 3 methods beat the centre control (saliency +0.2"
    )
    assert "and 1 does worse than it. Not told apart with 40 units: gradcam" in made.answer
    assert {"scores_net", "metrics_net", "ranks_net"} == {p.name for p in made.pictures}
    assert all(len(png(picture.figure)) > 5000 for picture in made.pictures)
    for kept in (METHODS, ("centre", "random")):  # no floor, or nothing to hold against it
        table = tables.method_table(rows[rows["method"].isin(kept)], CLUSTERS, SPECS)
        assert "can be held against" in answer(table, SPECS["insertion"])


def test_what_the_gate_stops_has_no_rank_and_no_say(rows):
    more = rows[rows["method"] == "gradcam"].assign(method="occlusion")
    every = pd.concat([rows, more.assign(value=more["value"] + 0.05)])
    methods = (*METHODS, "occlusion")
    verdicts = dict.fromkeys(methods, "passes") | {"saliency": "fails", "centre": "fails"}
    made = content(
        every,
        CLUSTERS,
        SPECS,
        methods=methods,
        primary="insertion",
        refused={},
        gates={"net": verdicts},
    )
    assert "saliency" not in made.answer
    assert "of 3 methods that pass the gate beat" in made.answer
    table = made.methods.set_index(["metric", "method"])["gate"]
    assert table["insertion"].to_dict() == verdicts | {"random": ""}
    (disagreement,) = (t for t in made.tables if t.name == "disagreement")
    assert disagreement.frame["methods"].tolist() == [3]
    captions = {p.name: p.caption for p in made.pictures}
    assert "give 3 methods. Without methods that the gate does not pass" in captions["metrics_net"]
    assert "Without methods that the gate does not pass" in captions["ranks_net"]
    (ranks,) = (p.figure for p in made.pictures if p.name == "ranks_net")
    drawn = " ".join(text.get_text() for text in ranks.axes[0].texts)
    assert all(name in drawn for name in ("gradcam", "lrp", "occlusion"))
    assert "saliency" not in drawn
    none = content(
        rows,
        CLUSTERS,
        SPECS,
        methods=METHODS,
        primary="insertion",
        refused={},
        gates={"net": dict.fromkeys(METHODS, "fails")},
    )
    assert {p.name for p in none.pictures} == {"scores_net"}
    assert "0 of 0 methods that pass the gate" in none.answer


def test_captions_say_how_many_units_are_complete(rows):
    gone = (rows["method"] == "lrp") & rows["id"].isin(["f3", "f4", "f5"])
    rows.loc[gone, "value"] = np.nan  # f4 and f5 are one person
    made = content(rows, CLUSTERS, SPECS, methods=METHODS, primary="insertion", refused={})
    (ranks,) = (p.caption for p in made.pictures if p.name == "ranks_net")
    assert "over the 19 units that have a score of every method" in ranks
    assert ranks.endswith("Unit: the person or group of copies (20 of 40).")
    (disagreement,) = (t.frame for t in made.tables if t.name == "disagreement")
    assert disagreement["units"].tolist() == [19]
