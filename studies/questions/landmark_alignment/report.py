"""What a run of the alignment study leaves: tables, figures, a report, the answer."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from fer_xai.landmarks import canonical_landmarks, emotion_areas
from metrics.core.registry import METRICS
from studies.engine import store
from studies.engine.explained import MATCHED_TO
from studies.engine.units import units_of
from studies.questions.landmark_alignment import cause_tables, tables
from studies.questions.landmark_alignment.answer import METHOD, answer, caveats
from studies.questions.landmark_alignment.cause_figures import (
    faces_figure,
    regions_figure,
    units_figure,
)
from studies.questions.landmark_alignment.causes import (
    ACTIVE,
    SHAPLEY,
    parameters_of,
    units_agreement,
)
from studies.questions.landmark_alignment.collected import LEAST_PERSONS, Results
from studies.questions.landmark_alignment.figures import (
    choices_figure,
    endpoint_figure,
    matrices_figure,
    shown,
)
from studies.questions.landmark_alignment.maps import Job
from studies.questions.landmark_alignment.scores import SCORES
from studies.registry import question
from studies.reporting.frames import RULE
from studies.reporting.page import Picture, Table, write_page
from studies.scoreboard.plots import dots


def write_report(
    folder: Path,
    manifest: dict[str, Any],
    results: Results,
    faces: pd.DataFrame,
    job: Job,
    *,
    words: Sequence[Table] = (),
) -> str:
    """Tables as csv, Markdown and LaTeX; figures; report.html; returns the answer."""
    clusters = faces.set_index("id")["cluster"]
    config = manifest["config"]
    unit = f"the person or face ({clusters.nunique()}, of {len(faces)} faces)"
    main = tables.endpoint(results.contrasts, clusters, results.ceilings)
    choices = tables.sensitivities(results.contrasts, clusters)
    scores = tables.score_table(
        results.scores, results.others, results.ceilings, clusters, margin=config["margin"]
    )
    units = (
        cause_tables.book_units(results.units, clusters) if len(results.units) else pd.DataFrame()
    )
    said = answer(main, scores, units, config["untrained"])
    book = f"{config['edition']}, {_book_name(config)}"
    causes = _cause_tables(results, clusters, units)
    made = [
        Table(
            name="endpoint",
            frame=main.drop(columns=tables.SCHEME),
            caption=_endpoint_caption(book, unit),
            leading=True,
        ),
        Table(
            name="choices",
            frame=choices.drop(columns=tables.COUNT),
            caption="The contrast under other choices, each changed alone (without the ReLU: the "
            "Pearson correlation of Grad-CAM's signed map and the area, to be held against the row "
            "of Pearson, which reads the positive values); intervals of one "
            "comparison at a time, over faces, and over faces and untrained networks. Untrained: "
            "over the pairs of emotions that each untrained network has maps of itself; over "
            "untrained: over those that both networks have maps of. Faces with "
            f"maps of all targets: those on which no map is blank. Unit: {unit}.",
        ),
        Table(name="scores", frame=scores, caption=_scores_caption(unit)),
        Table(name="matrix", frame=_matrix(results), caption=_matrix_caption(book)),
        *causes,
        *words,
        Table(
            name="without_landmarks",
            frame=tables.lost_table(manifest["without landmarks"]),
            caption="Faces without landmarks, which take no part, by emotion.",
        ),
        Table(name="refused", frame=_refused(manifest), caption="Methods without maps, and why."),
    ]
    write_page(
        folder,
        question=question("landmark_alignment"),
        answer=said,
        facts=_facts(manifest, faces),
        tables=made,
        pictures=_pictures(
            results,
            job,
            main=main,
            choices=choices,
            scores=scores,
            causes={table.name: table.frame for table in causes},
        ),
        method=METHOD,
        caveats=caveats(manifest, built_in=parameters_of(job.faces) is not None),
        manifest=manifest,
    )
    return said


def _book_name(config: dict[str, Any]) -> str:
    book = config["codebook"]
    return book if isinstance(book, str) else "a codebook of the user's own"


def _endpoint_caption(book: str, unit: str) -> str:
    return (
        f"The primary endpoint, with areas of {book}. Contrast: cosine of the maps of all targets "
        "with their own emotion's area, less with other emotions' areas. Intervals and p of "
        "methods hold together (one max-T resampling; below 60 units Bonferroni, below 24 betting "
        "on a bounded mean), those of controls and of exact Shapley values (of a sample) one at a "
        "time. Untrained: mean and range over untrained networks, each over the pairs of emotions "
        "that it has maps of itself; over untrained: the excess over the pairs that both networks "
        "have maps of, with intervals over faces and networks that hold for all methods together "
        "(Bonferroni), so that it need not be the contrast less the column of untrained networks. "
        "Ceiling: the largest contrast that maps of Grad-CAM's cells can have. Targets: maps a "
        f"face that are not blank, of all emotions. Unit: {unit}; 95 %."
    )


def _scores_caption(unit: str) -> str:
    return (
        "Where the map of each face's own target lies, beside its floors. Over centre: paired by "
        "face, with intervals and p of one max-T resampling over the methods of a model and metric "
        "(exact Shapley values: by themselves, on their faces). Untrained: mean of the same method "
        "of untrained networks at the same targets. Other faces: mean over the areas of other "
        "persons' faces with the same target. Ceiling: the best of any map of Grad-CAM's cells, "
        f"where it is known exactly. Unit: {unit}; 95 %."
    )


def _matrix_caption(book: str) -> str:
    return (
        f"Grad-CAM maps of a target against areas of emotions ({book}): mean cosine, and the "
        "contrast of each pair of emotions, over the faces with maps of both."
    )


def _matrix(results: Results) -> pd.DataFrame:
    rows = results.matrix
    here = rows[(rows["method"] == MATCHED_TO) & rows["trained"]]
    return here.drop(columns=["network", "trained", "method"]).reset_index(drop=True)


def _cause_tables(results: Results, clusters: pd.Series, units: pd.DataFrame) -> list[Table]:
    made = [
        Table(
            name="regions",
            frame=cause_tables.region_table(results.regions),
            caption="By emotion (of the own target) and facial region: the share of the region's "
            "pixels in the emotion's area, how dense Grad-CAM is there over the image, and the "
            "region's exact Shapley value over the sum of all regions' absolute values.",
        )
    ]
    if len(results.agreement):
        made.append(
            Table(
                name="agreement",
                frame=cause_tables.agreement_table(results.agreement, clusters, by="pair"),
                caption="Spearman over the regions of a face, mean over faces: of exact Shapley "
                "values, of Grad-CAM (its density with the book, its sum with Shapley), and of "
                "each region's share in the own emotion's area, or in other emotions' areas. "
                "Intervals of one mean at a time.",
            )
        )
    if len(results.units):
        rows = units_agreement(results.units)
        made += [
            Table(
                name="units_at_rest",
                frame=cause_tables.unit_table(results.units, clusters),
                caption="Probability that the own target loses when a unit that the face shows is "
                "set to rest and the face is drawn anew, the same down to its noise.",
            ),
            Table(
                name="units_of_the_book",
                frame=units,
                caption="Mean probability lost by a unit of the book and by another shown unit, on "
                "faces that show both kinds, and the mean intensity of either. Every shown unit "
                f"(intensity {ACTIVE} or more) counts alike, whatever its intensity: units of the "
                "book are mostly drawn stronger, so that the difference is not of the book alone.",
            ),
            Table(
                name="units_and_maps",
                frame=cause_tables.agreement_table(rows, clusters, by="method"),
                caption="Spearman, over the units that a face shows, of what a unit costs and of "
                "how dense the map is in its area (three units or more); mean over faces.",
            ),
        ]
    return made


def _refused(manifest: dict[str, Any]) -> pd.DataFrame:
    return pd.DataFrame(
        [
            {"network": name, "attribution": method, "reason": reason}
            for name, network in manifest["networks"].items()
            for method, reason in network.get("refused", {}).items()
        ],
        columns=["network", "attribution", "reason"],
    )


def _pictures(
    results: Results,
    job: Job,
    *,
    main: pd.DataFrame,
    choices: pd.DataFrame,
    scores: pd.DataFrame,
    causes: dict[str, pd.DataFrame],
) -> list[Picture]:
    emotions, models = job.emotions, list(dict.fromkeys(main["model"]))
    declared = job.areas.choices[0]
    template = emotion_areas(
        canonical_landmarks()[None],
        size=64,
        emotions=emotions,
        codebook=declared.codebook,
        edition=declared.edition,
    )[0]
    made = [
        Picture(
            name="endpoint",
            figure=endpoint_figure(main),
            caption="The primary endpoint. Red: methods; 95 % intervals over faces "
            f"{_schemes(main, control=False)}; thin, with an open mark: exact region Shapley "
            "values, of a sample of the faces (its number beside the name), an interval by itself; "
            "blue diamonds: the same methods on untrained networks, mean and range; grey: controls "
            f"({_schemes(main, control=True)}), so that widths of intervals "
            "do not compare with those of methods. Uniform, centre and edges are the same for all "
            "targets and have 0.",
        ),
        Picture(
            name="faces",
            figure=faces_figure(
                results.mean_maps,
                results.mean_face,
                template,
                models=models,
                emotions=emotions,
            ),
            caption=_faces_caption(results),
        ),
        Picture(
            name="matrix",
            figure=matrices_figure(_matrix(results), emotions),
            caption="Left: mean cosine of Grad-CAM maps (rows) with areas (columns); the colour is "
            "what it has beyond its row and column. Right: the contrast of each pair of emotions; "
            "above 0 they are told apart in the right sense.",
        ),
        Picture(
            name="choices",
            figure=choices_figure(choices),
            caption="Grad-CAM's contrast under other choices, with 95 % intervals over faces, each "
            "by itself (Student's t), so that they are narrower than the endpoint's; without one "
            "where too few faces are left, whose number stands there; diamonds: mean of untrained "
            "networks.",
        ),
        Picture(
            name="regions",
            figure=regions_figure(causes["regions"], emotions),
            caption="Where maps lie and where the model looks: by emotion of the own target and "
            "region, how dense Grad-CAM is over the image (1 is chance), and the share of exact "
            f"Shapley values. {RULE}",
        ),
    ]
    if "units_at_rest" in causes and len(causes["units_at_rest"]):
        made.append(
            Picture(
                name="units_at_rest",
                figure=units_figure(causes["units_at_rest"], emotions),
                caption="Probability that the own target loses when an action unit that the face "
                "shows is set to rest; frames: units of the book.",
            )
        )
    specs = {name: METRICS[name] for name in SCORES}
    for model in models:
        made.append(
            Picture(
                name=f"scores_{model}",
                figure=dots(scores[scores["model"] == model], specs, named=shown),
                caption=f"{model}: where the map of the own target lies, by each metric; red: "
                "methods, grey: controls, dotted: the centre control; 95 % intervals over faces.",
            )
        )
    return made


def _schemes(main: pd.DataFrame, *, control: bool) -> str:
    """How the intervals of methods, or of controls, were made, each way once."""
    own = main[(main["control"] == control) & (main["method"] != SHAPLEY)]
    ways = dict.fromkeys(way for way in own[tables.SCHEME] if way != "none")
    return "; ".join(ways) or "none"


def _faces_caption(results: Results) -> str:
    ground = (
        f"The points of the canonical face (no mean of fewer than {LEAST_PERSONS} real persons is "
        "drawn: a face could be recognised)"
        if results.mean_face is None
        else "The mean of all registered faces, each person's with the same weight,"
    )
    return (
        f"{ground} with the area of each emotion, and below it each model's mean Grad-CAM map of "
        "the faces whose own target is that emotion (each face's with the same mass); lines are "
        "the areas' borders."
    )


def _facts(manifest: dict[str, Any], faces: pd.DataFrame) -> dict[str, str]:
    config = manifest["config"]
    parts = (config["data"], config["source"], config["split"])
    facts = {
        "Data": " / ".join(str(part) for part in parts if part),
        "Faces": f"{len(faces)}, all with landmarks",
        "Units": units_of(faces),
        "Areas": f"{config['edition']}, {_book_name(config)}",
        "Own target": config["targets"],
        "Untrained": f"{config['untrained']} an architecture, calibrated by "
        f"{manifest['calibration']}",
        "Seed": str(config["seed"]),
        "Commit": store.made_by(manifest),
    }
    for name, network in manifest["networks"].items():
        if "accuracy on these faces" in network:
            facts[f"{name} is right on"] = f"{100 * network['accuracy on these faces']:.0f} %"
    return facts
