"""What the study of occlusion leaves: tables, figures, a report, and the answer."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from fer_xai.data.challenge_lists import ChallengeList
from fer_xai.types import Faces
from studies.engine import store
from studies.engine.explained import Explained
from studies.engine.specs import DataSpec
from studies.engine.study import face_table
from studies.engine.units import units_of
from studies.questions.occlusion_robustness import effects, map_tables, plots
from studies.questions.occlusion_robustness.answers import (
    Answers,
    area_table,
    fill_table,
    occluder_table,
)
from studies.questions.occlusion_robustness.captions import CAPTIONS
from studies.questions.occlusion_robustness.gallery import pairs
from studies.questions.occlusion_robustness.grids import WORDS, grid_table, guided_table
from studies.questions.occlusion_robustness.lists import landmarks_known, list_table, lost_table
from studies.questions.occlusion_robustness.recognition import becomes_table, recognition_table
from studies.questions.occlusion_robustness.sentences import (
    CAVEATS,
    METHOD,
    answer_of,
)
from studies.registry import question
from studies.reporting.page import Picture, Table, write_page

SHOWN = ("surgical_mask", "sunglasses")
"""Occluders whose changed answers are drawn."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Found:
    """Faces and rows of a run, by the network's name.

    Attributes
    ----------
    everything, faces
        All faces, and those with landmarks that are looked at.
    lists
        Lists of faces under a condition.
    answers, regions, maps
        Rows of :class:`~studies.questions.occlusion_robustness.rows.NetworkRows`.
    right
        Which of all faces a network names rightly; empty where that was not asked for.
    explained
        Trained networks and their faces, for figures.

    Examples
    --------
    >>> from fer_xai.data.datasets.synthetic import synthetic_faces
    >>> faces = synthetic_faces(1)
    >>> Found(everything=faces, faces=faces).answers
    {}
    """

    everything: Faces
    faces: Faces
    lists: Sequence[ChallengeList] = ()
    answers: dict[str, pd.DataFrame] = field(default_factory=dict)
    regions: dict[str, pd.DataFrame] = field(default_factory=dict)
    maps: dict[str, pd.DataFrame] = field(default_factory=dict)
    right: dict[str, NDArray[np.bool_]] = field(default_factory=dict)
    explained: dict[str, Explained] = field(default_factory=dict)

    @property
    def wider(self) -> bool:
        """Whether all faces are named, and not the sample alone: for lists, or faces left out."""
        return bool(self.lists) or not bool(landmarks_known(self.everything).all())


def write_report(
    folder: Path,
    manifest: dict[str, Any],
    found: Found,
    *,
    data: DataSpec,
    built_in: bool,
    words: Sequence[Table] = (),
) -> str:
    """Write tables, figures and the page; returns the answer.

    Parameters
    ----------
    folder, manifest
        Folder of the run, and its manifest.
    found
        Faces and rows.
    data
        The data that was asked for.
    built_in
        Whether faces are built in, so that some may be pictured.
    words
        Further tables, such as maps in words.
    """
    faces = face_table(found.faces)
    clusters = faces.set_index("id")["cluster"]
    answers = {name: Answers(rows, faces) for name, rows in found.answers.items()}
    clean = {name: 100 * float(one.clean.mean()) for name, one in answers.items()}
    right = {name: hits for name, hits in found.right.items() if len(hits)}
    frames = {
        "occluders": occluder_table(answers),
        "codebook": effects.book_table(found.regions, clusters),
        "drift": map_tables.drift_table(found.maps, clusters),
        "mass": map_tables.mass_table(found.maps, clusters),
        "guided": guided_table(answers),
        "recognition": recognition_table(answers),
        "regions": effects.region_table(found.regions, clusters),
        "regions_by_emotion": effects.emotion_table(found.regions, clusters),
        "becomes": becomes_table(answers),
        "areas": area_table(answers),
        "fills": fill_table(answers),
        "grid": grid_table(answers),
        "maps_by_occluder": map_tables.occluder_maps_table(found.maps),
        "landmarks": lost_table(found.everything, right),
        "lists": list_table(found.everything, found.lists, right),
    }
    tables = [
        Table(
            name=name,
            frame=frame,
            caption=CAPTIONS[name],
            percent=_percent(frame),
            leading=name == "occluders",
        )
        for name, frame in frames.items()
    ]
    figures = {
        "occluders": plots.occluder_figure(frames["occluders"]),
        "regions_by_emotion": plots.region_heatmap(frames["regions_by_emotion"]),
        "areas": plots.area_figure(frames["areas"], clean),
        "becomes": plots.becomes_figure(frames["becomes"], occluders=SHOWN),
        "grid": plots.grid_figure(frames["grid"], clean),
        "drift": plots.drift_figure(frames["drift"]),
    }
    method = str(frames["drift"]["method"].iloc[0])
    if built_in:
        for name, explained in list(found.explained.items())[:1]:
            figures["faces"] = pairs(explained, method)
            manifest["pictured"] = {"model": name, "method": method}
    pictures = [
        Picture(name=name, figure=figure, caption=CAPTIONS[f"figure of {name}"])
        for name, figure in figures.items()
    ]
    answer = answer_of(frames, clean)
    write_page(
        folder,
        question=question("occlusion_robustness"),
        answer=answer,
        facts=_facts(found, faces, manifest, data),
        tables=[*tables, *words],
        pictures=pictures,
        method=METHOD,
        caveats=CAVEATS,
        manifest=manifest,
    )
    return answer


def _percent(frame: pd.DataFrame) -> tuple[str, ...]:
    """Columns that hold percent, or points of it."""
    names = {"accuracy", "patch", "lost", "face hidden", "macro recall", "cells hidden", "share"}
    names |= {"undefined", "undefined, patch"}
    names |= {"image", "codebook", *(f"beyond {words}" for words in WORDS.values())}
    of_accuracy = "lost" in frame or "face hidden" in frame
    return tuple(
        str(name)
        for name in frame
        if (name in names and not (name == "patch" and not of_accuracy))
        or (name == "beyond a patch" and of_accuracy)
        or str(name).startswith(("→ ", "recall of "))
        or ": accuracy " in str(name)
    )


def _facts(
    found: Found, faces: pd.DataFrame, manifest: dict[str, Any], data: DataSpec
) -> dict[str, str]:
    lost = int((~landmarks_known(found.everything)).sum())
    source = f" ({data.source})" if data.source else ""
    return {
        "faces": f"{len(faces)} of {found.faces.name}{source}, from "
        f"{len(found.everything)}, of which {lost} have no landmarks",
        "units": units_of(faces),
        "models": ", ".join(manifest["networks"]),
        "explained": f"the {manifest['config']['targets']} emotion of the clean face",
        "fer-xai": f"{manifest['versions']['fer-xai']}, commit {store.made_by(manifest)}",
    }
