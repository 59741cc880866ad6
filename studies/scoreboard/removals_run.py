"""The multiverse run of a scored study: removals under other choices, and what their fills do."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd

from fer_xai.data.splits import face_groups
from fer_xai.inference.predictor import Predictor
from fer_xai.names import slug
from fer_xai.types import Faces
from studies.engine import store
from studies.engine.digests import faces_digests, model_digest
from studies.engine.explained import Explained
from studies.engine.networks import Network
from studies.engine.points import with_landmarks
from studies.engine.shards import BATCH, last_batch_size, with_earlier
from studies.engine.study import Run, face_table
from studies.engine.units import units_of
from studies.multiverse.factors import Multiverse, Plan
from studies.multiverse.fills import DRAWS, GRID, SHARES, fill_facts
from studies.multiverse.page import answered, write_multiverse
from studies.registry import question
from studies.reporting.page import Table
from studies.scoreboard.removals import Removals
from studies.scoreboard.study import ScoredStudy

LABEL = "gain over the centre, in SD of faces"
"""Name of a specification's effect."""
METHOD = (
    "The same faces stand behind every specification. With the declared choices the scores are "
    "those of the ordinary study.",
    "The effect is the mean gain divided by its standard deviation over faces (or persons), so "
    "that probabilities and logits stand on one axis.",
    "Each combination is judged by the test of one mean, since the claim is about Grad-CAM alone: "
    "Student's t corrected for skewness, and for fewer units than 24, or too skewed ones, the "
    "exact test of a bounded mean by betting where the score is a probability. Logits have no "
    "bounds, and are not tested there. The ordinary study judges Grad-CAM among all methods, whose "
    "intervals hold together, so that it asks for more.",
)


def run_removals(study: ScoredStudy, multiverse: Multiverse, *, limit: int) -> Path:
    """Run, or continue, the multiverse of removals; returns the folder of results.

    Parameters
    ----------
    study
        The study, whose options of data, models, seed and passes hold.
    multiverse
        The plausible set.
    limit
        At most this many faces, with the emotions' shares kept.

    Raises
    ------
    InputError
        For options that do not fit together or data that cannot be used.

    Examples
    --------
    >>> from studies.questions.faithfulness import Faithfulness
    >>> study = Faithfulness(multiverse=True, margin=0.1)
    >>> run_removals(study, study.declared(), limit=200)
    Traceback (most recent call last):
    fer_xai.errors.InputError: Expected --margin to be left out of a multiverse run, ...
    """
    study.check()
    faces = _faces(study, limit)
    models = {network: network.load(faces) for network in study.networks_for(study.data_spec)}
    inputs = {
        **faces_digests(faces, [model.size for model in models.values()]),
        "models": {network.name: model_digest(model) for network, model in models.items()},
    }
    rows, plans, fills = [], {}, []
    parts = (faces.name, study.data_spec.source, study.split, "multiverse")
    with study.opened(inputs, *parts) as run:
        for network, model in models.items():
            known = run.manifest["networks"].get(network.name, {}).get(BATCH)
            predictor = study.predictor(model, batch_size=last_batch_size(known))
            _record(run, network, predictor, known)
            asked = Removals(predictor, faces, seed=study.seed).asked(
                multiverse, model=network.name
            )
            plans[network.name] = asked.plan
            made = _fill_rows(predictor, faces, multiverse, seed=study.seed)
            shard = run.folder / "shards" / slug(network.name) / "fills.parquet"
            fills.append(asked.once(shard, made).assign(model=network.name))
            rows.append(answered(run, asked, model=network.name))
        found = pd.concat(rows, ignore_index=True)
        run.keep("specifications", found)
        run.keep("faces", face_table(faces))
    answer = write_multiverse(
        run.folder,
        question=question(study.name),
        multiverse=multiverse,
        plans=plans,
        rows=found,
        facts=_facts(study, faces, plans, run.manifest),
        label=LABEL,
        tables=[_fill_table(pd.concat(fills, ignore_index=True))],
        method=METHOD,
        manifest=run.manifest,
    )
    return run.complete(answer, units=units_of(face_table(faces)))


def _faces(study: ScoredStudy, limit: int) -> Faces:
    """The faces: those with landmarks where any are known, as the ordinary study takes them."""
    faces = study.load_faces()
    known = faces if faces.landmarks is None else with_landmarks(faces)
    return known.limit(limit, seed=study.seed)


def _record(run: Run, network: Network, predictor: Predictor, known: int | str | None) -> None:
    run.manifest["networks"][network.name] = {
        "weights": Path(str(network.weights)).name,
        **predictor.settings(),
        BATCH: with_earlier(known, predictor.batch_size),
    }
    run.record()


def _fill_rows(
    predictor: Predictor, faces: Faces, multiverse: Multiverse, *, seed: int
) -> Callable[[], pd.DataFrame]:
    """What makes the rows on how far each fill of the set leaves the data.

    The images of all faces are read together, for each is held against all others; they may take
    4 GiB at most.

    Parameters
    ----------
    predictor
        The model.
    faces
        The faces.
    multiverse
        The plausible set, with a factor ``fill``.
    seed
        Seed of the filled cells.
    """

    def rows() -> pd.DataFrame:
        return fill_facts(
            predictor,
            Explained(predictor, faces).images(),
            ids=faces.ids,
            fills=[str(level) for level in multiverse.factor("fill").levels],
            clusters=list(face_groups(faces)),
            seed=seed,
        )

    return rows


def _fill_table(fills: pd.DataFrame) -> Table:
    fills.insert(0, "model", fills.pop("model"))
    shares = " or ".join(f"{100 * share:.0f} %" for share in SHARES)
    return Table(
        name="fills",
        caption=f"What each fill does by itself. A random {shares} of {GRID} × {GRID} equal cells "
        f"of a face are filled, {DRAWS} times a face, and nothing else is changed. answer "
        "survives: share of these images that the model calls as it calls the untouched face. "
        "distance: how far they lie from the nearest other face, in the features that the model's "
        "last linear layer reads, scaled to length 1, in units of the distance of untouched faces "
        "(1 is as near as faces lie to one another). outside: share beyond the distance that 95 % "
        "of the untouched faces keep (.05 by construction without a fill). After Sun et al., ICML "
        "2022.",
        frame=fills,
        leading=True,
    )


def _facts(
    study: ScoredStudy, faces: Faces, plans: dict[str, Plan], manifest: dict[str, Any]
) -> dict[str, str]:
    source = f" ({study.data_spec.source})" if study.data_spec.source else ""
    return {
        "faces": f"{len(faces)} of {faces.name}{source}, {study.split} split",
        "units": units_of(face_table(faces)),
        "models": ", ".join(plans),
        "fer-xai": f"{manifest['versions']['fer-xai']}, commit {store.made_by(manifest)}",
    }
