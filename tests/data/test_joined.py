"""Several sets of faces as one: pixels, persons, columns that one of them does not have."""

import dataclasses

import pandas as pd
import pytest

from fer_xai.data.datasets.synthetic import synthetic_faces
from fer_xai.data.joined import joined_faces
from fer_xai.errors import InputError


def test_joined_faces_are_read_in_any_order():
    parts = [synthetic_faces(3, style=style, size=16) for style in ("wild", "lab")]
    both = joined_faces(parts)
    order = [4, 0, 5, 1]
    found = both.subset(order).pixels(16)
    alone = [parts[k // 3].pixels(16)[k % 3] for k in order]
    assert all((one == other).all() for one, other in zip(found, alone, strict=True))
    assert both.subset(order).attribute("style") == ["lab", "wild", "lab", "wild"]
    with pytest.raises(InputError, match="Expected each face once"):
        joined_faces([parts[0], parts[0]])


def test_persons_of_one_name_in_two_sets_are_two():
    parts = [synthetic_faces(12, style=style, size=16) for style in ("wild", "lab")]
    persons = [f"person {k % 3}" for k in range(12)]
    parts = [dataclasses.replace(p, table=p.table.assign(subject=persons)) for p in parts]
    both = joined_faces(parts)
    assert both.table["subject"].nunique() == 6
    assert both.ids[0] == parts[0].ids[0]
    assert joined_faces(parts, ["one", "two"]).ids[0] == f"one/{parts[0].ids[0]}"


@pytest.mark.parametrize("dtype", [object, "string"])
def test_columns_that_a_set_does_not_have_are_empty(dtype):
    wild, lab = (synthetic_faces(2, style=style, size=16) for style in ("wild", "lab"))
    aged = pd.Series(["young", "old"], dtype=dtype)
    wild = dataclasses.replace(wild, table=wild.table.assign(age=aged))
    assert joined_faces([wild, lab]).table["age"].tolist() == ["young", "old", "", ""]
    unknown = dataclasses.replace(lab, table=lab.table.assign(subject=""))
    assert joined_faces([wild, unknown]).table["subject"].tolist()[2:] == ["", ""]
