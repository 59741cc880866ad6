"""The clean edition keeps its promises whatever the pool."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fer_xai.data.aggregate.cleaning import clean_edition

NONE = np.zeros((0, 2), dtype=np.int64)


def pool(*rows):
    """Rows of emotion, split, pixels, subject."""
    columns = ["emotion", "split", "pixels", "subject"]
    table = pd.DataFrame([row + ("",) * (4 - len(row)) for row in rows], columns=columns)
    return table.assign(id=[f"f{i}" for i in range(len(table))], set="s", group="")


@st.composite
def pools(draw):
    n = draw(st.integers(1, 30))
    few = lambda *values: st.lists(st.sampled_from(values), min_size=n, max_size=n)  # noqa: E731
    table = pd.DataFrame(
        {
            "id": [f"f{i}" for i in range(n)],
            "set": draw(few("a", "b")),
            "emotion": draw(few("fear", "anger", "sadness")),
            "split": draw(few("train", "train", "test", "valid")),
            "subject": draw(few("", "", "S1", "S2")),
            "group": "",
            "pixels": draw(few(*[str(i) for i in range(20)])),
        }
    )
    pair = st.tuples(st.integers(0, n - 1), st.integers(0, n - 1)).filter(lambda p: p[0] < p[1])
    near = draw(st.lists(pair, max_size=8)) if n > 1 else []
    return table, np.array(near, dtype=np.int64).reshape(-1, 2)


@settings(max_examples=40, deadline=None)
@given(pools(), st.sampled_from(["remove", "relabel"]), st.sampled_from([0, 0.2, 0.5]))
def test_nothing_straddles_and_nothing_conflicts(drawn, conflicts, fraction):
    table, near = drawn
    found = clean_edition(table, near, conflicts=conflicts, valid_fraction=fraction)
    kept = found[found["status"] != "removed"]
    assert kept["pixels"].is_unique
    for one, two in near:
        if one in kept.index and two in kept.index:
            assert kept.loc[one, "split"] == kept.loc[two, "split"]
            assert kept.loc[one, "emotion"] == kept.loc[two, "emotion"]
    known = kept[kept["subject"] != ""]
    assert (known.groupby(["set", "subject"])["split"].nunique() == 1).all()
    tested = kept[kept["split"] == "test"]
    assert (tested["original_split"] == "test").all()
    trained = set(table.loc[table["split"] == "train", "pixels"])
    assert not trained & set(tested["pixels"])  # weights of before have seen no clean test face
    assert (found.loc[found["status"] == "removed", "split"] == "").all()
    assert (found.loc[found["status"] != "kept", "reason"] != "").all()
    same = kept["emotion"] == kept["original_label"]
    assert same.all() or conflicts == "relabel"
    assert (kept.loc[~same, "status"] == "relabelled").all()
    again = clean_edition(table, near, conflicts=conflicts, valid_fraction=fraction)
    assert again.equals(found)


def test_a_majority_stands_and_the_others_go():
    table = pool(
        ("fear", "train", "1"),
        ("fear", "train", "2"),
        ("anger", "test", "1"),
        ("fear", "test", "9"),
    )
    near = np.array([[0, 1]])
    found = clean_edition(table, near, valid_fraction=0)
    assert found["status"].tolist() == ["kept", "kept", "removed", "kept"]
    assert found["reason"][2] == "2 of 3 copies are labelled fear"
    relabelled = clean_edition(table, near, conflicts="relabel", valid_fraction=0)
    assert relabelled["status"].tolist() == ["kept", "kept", "removed", "kept"]
    assert relabelled["reason"][2] == "identical to f0 (train)"


def test_a_relabelled_face_says_its_old_label():
    near = np.array([[0, 2], [1, 2]])
    table = pool(("fear", "train", "1"), ("fear", "train", "2"), ("anger", "train", "3"))
    found = clean_edition(table, near, conflicts="relabel", valid_fraction=0)
    assert found.loc[2, ["emotion", "original_label", "status"]].tolist() == [
        "fear",
        "anger",
        "relabelled",
    ]


CHAIN = np.array([[0, 1], [1, 2]])  # a third face joins two that are no near-copies themselves


@pytest.mark.parametrize(
    ("emotions", "status"),
    [
        (["fear", "fear", "fear"], ["kept", "kept", "kept"]),
        (["fear", "fear", "anger"], ["kept", "kept", "removed"]),
        (["fear", "anger", "fear"], ["kept", "removed", "kept"]),
        (["anger", "fear", "sadness"], ["removed", "removed", "removed"]),
    ],
)
def test_a_conflict_by_way_of_a_third_face_is_settled_in_the_whole_chain(emotions, status):
    table = pool(*((emotion, "train", str(row)) for row, emotion in enumerate(emotions)))
    for pairs in (CHAIN, CHAIN[::-1, ::-1]):
        assert clean_edition(table, pairs, valid_fraction=0)["status"].tolist() == status


def test_chains_may_go_through_identical_images():
    """f0 and f3 are joined by f1 and f2, which have the same pixels."""
    rows = [("fear", "train", "1"), ("fear", "test", "2"), ("fear", "test", "2")]
    table = pool(*rows, ("anger", "test", "3"))
    found = clean_edition(table, np.array([[0, 1], [2, 3]]), valid_fraction=0)
    assert found["status"].tolist() == ["kept", "moved", "removed", "removed"]
    assert found["reason"][3] == "3 of 4 copies are labelled fear"
    assert found["split"].tolist() == ["train", "train", "", ""]


@pytest.mark.parametrize("third", [None, "anger", "fear"])
def test_frames_of_one_person_conflict_with_another_face_alone(third):
    """Two frames of one sequence may show two emotions; a copy without a person may not."""
    rows = [("fear", "train", "1", "S1"), ("anger", "train", "2", "S1")]
    rows += [] if third is None else [(third, "train", "3")]
    table = pool(*rows)
    table["group"] = ["one", "one", ""][: len(table)]
    found = clean_edition(table, CHAIN[: len(table) - 1], valid_fraction=0)["status"].tolist()
    if third is None:
        assert found == ["kept", "kept"]
    else:
        assert found == ["removed" if one[0] != third else "kept" for one in rows]
    others = table.assign(subject="")
    assert "removed" in clean_edition(others, CHAIN[: len(table) - 1])["status"].tolist()


def test_without_a_majority_all_go():
    found = clean_edition(
        pool(("fear", "train", "1"), ("anger", "test", "1")), NONE, valid_fraction=0
    )
    assert found["status"].tolist() == ["removed", "removed"]


def test_near_copies_and_persons_move_to_the_training_side():
    table = pool(
        ("fear", "train", "1"),
        ("fear", "test", "2"),
        ("fear", "test", "3", "S1"),
        ("anger", "train", "4", "S1"),
        ("fear", "test", "5"),
    )
    found = clean_edition(table, np.array([[0, 1]]), valid_fraction=0)
    assert found["split"].tolist() == ["train", "train", "train", "train", "test"]
    assert found["status"].tolist() == ["kept", "moved", "moved", "kept", "kept"]


def test_one_subject_of_two_sets_is_two_persons():
    table = pool(("fear", "train", "1", "S1"), ("fear", "test", "2", "S1"))
    table["set"] = ["a", "b"]
    assert clean_edition(table, NONE, valid_fraction=0)["status"].tolist() == ["kept", "kept"]


def test_validation_faces_taken_from_the_test_side_do_not_empty_it():
    """The published benchmark's 600 validation faces are copies of RAF-DB's test faces."""
    rows = [("fear", "test", "1"), ("fear", "valid", "1"), ("fear", "test", "2")]
    rows += [("fear", "valid", "3"), ("fear", "valid", "4"), ("fear", "train", "5")]
    near = np.array([[2, 3]])
    found = clean_edition(pool(*rows), near, valid_fraction=0)
    assert found["split"].tolist() == ["test", "", "test", "", "train", "train"]
    assert found["reason"][3] == "a copy, its person or its sequence is among the test faces"
    trained = clean_edition(pool(*rows), np.array([[2, 3], [3, 5]]), valid_fraction=0)
    assert trained["split"].tolist() == ["test", "", "train", "train", "train", "train"]


def test_validation_is_stratified_and_drawn_by_the_seed():
    rows = [("fear", "train", f"f{i}") for i in range(100)]
    rows += [("anger", "train", f"a{i}") for i in range(50)]
    found = clean_edition(pool(*rows), NONE, valid_fraction=0.1, seed=1)
    held = found[found["split"] == "valid"]
    assert held["emotion"].value_counts().to_dict() == {"fear": 10, "anger": 5}
    assert (held["status"] == "moved").all()
    other = clean_edition(pool(*rows), NONE, valid_fraction=0.1, seed=2)
    assert not other["split"].equals(found["split"])


@pytest.mark.parametrize("fraction", [0, 0.5])
def test_published_validation_faces_join_the_training_side_first(fraction):
    rows = [("fear", "valid", f"f{i}") for i in range(10)]
    found = clean_edition(pool(*rows), NONE, valid_fraction=fraction)
    assert (found["split"] == "valid").sum() == 10 * fraction
    assert (found["split"] == "train").sum() == 10 * (1 - fraction)
