"""Frames of one recorded person with two labels are no conflict of labels."""

import dataclasses

import pandas as pd
import pytest

from studies.questions.label_audit.agreement import agreement_table
from studies.questions.label_audit.copies import conflicts_table, duplicates_table, example_copies

NEAR = "near-copies"


def copies_of(pixels, **columns):
    """Two near-copies (the first and the third of three faces), with what is known of them."""
    copies = example_copies()
    table = pd.DataFrame(
        {"set": "ckplus", "split": "train", "emotion": ["neutral", "fear", "anger"]} | columns
    )
    prints = dataclasses.replace(copies.prints, pixels=pixels, files=["", "", ""])
    return dataclasses.replace(copies, table=table, prints=prints)


@pytest.mark.parametrize(
    ("known", "pixels", "conflicts"),
    [
        ({"subject": "S1", "group": "S1_1"}, "abc", 0),  # neutral first frame and peak
        ({"subject": "S1", "group": ["S1_1", "S1_1", "S1_2"]}, "abc", 0),  # two recordings
        ({"subject": "S1", "group": "S1_1"}, "aba", 1),  # one frame with two labels
        ({"subject": ["S1", "S1", "S2"], "group": ["1", "1", "2"]}, "abc", 1),  # two persons
        ({"subject": "S1", "group": ""}, "abc", 1),  # a recording that is not known
        ({}, "abc", 1),
    ],
)
def test_frames_of_one_recorded_person_do_not_conflict(known, pixels, conflicts):
    copies = copies_of(list(pixels), **known)
    assert len(copies.conflicts(NEAR)) == conflicts
    table = conflicts_table(copies)
    assert (table["copies"] == NEAR).sum() == conflicts
    found = duplicates_table(copies).set_index(["copies", "where"])
    assert found.loc[(NEAR, "all"), "conflicting groups"] == conflicts
    pairs = agreement_table(copies)
    assert (pairs["copies"] == NEAR).sum() == conflicts


def test_a_third_face_of_another_set_still_conflicts():
    copies = copies_of(["a", "a", "c"], subject=["S1", "", "S1"], group=["1", "", "1"])
    assert len(copies.conflicts(NEAR)) == 1
    assert conflicts_table(copies).query("copies == @NEAR")["groups"].tolist() == [1, 1]
