"""What ``--in-words`` adds to a run that is finished."""

import dataclasses

import pandas as pd


def rows_of(folder):
    return {path.name: path.read_bytes() for path in sorted(folder.glob("*.parquet"))}


def check_words_are_added(study, folder):
    """The table comes, and neither the run's rows nor its folder change."""
    before = rows_of(folder)
    assert before
    assert not (folder / "tables" / "in_words.csv").exists()
    assert dataclasses.replace(study, in_words=True).run() == folder
    assert rows_of(folder) == before
    table = pd.read_csv(folder / "tables" / "in_words.csv")
    assert set(table["model"]) == {"tiny"}
    assert table["emotion"].is_unique
    assert table["in words"].str.contains("map for").all()
    assert "Single faces are illustrations" in (folder / "report.html").read_text()
