import numpy as np
import pytest

from fer_xai.data import load_dataset
from fer_xai.data.attributes import soft_labels
from fer_xai.data.votes import FILTERS, voted
from fer_xai.emotions import EMOTIONS, NATIVE_ORDERS
from fer_xai.errors import InputError
from tests.data.tree_makers import PIXELS, ferplus


def slow_majority(votes):
    """Barsoum et al. 2016: outliers (one vote) are dropped, then more than half must agree."""
    kept = {place: count for place, count in enumerate(votes) if count > 1}
    for place, count in kept.items():
        if count > sum(kept.values()) / 2:
            return place
    return None


def test_the_majority_is_that_of_a_slow_version():
    rng = np.random.default_rng(0)
    for _ in range(500):
        votes = rng.multinomial(10, rng.dirichlet(np.full(10, 0.3)))
        place = slow_majority(votes)
        emotion, why = voted(list(votes))
        if place is None or place > 7:
            assert emotion is None
            assert why == {None: "no clear label", 8: "most votes for unknown"}.get(
                place, "most votes for no face"
            )
        else:
            assert emotion == NATIVE_ORDERS["ferplus"][place]


@pytest.mark.parametrize(
    ("name", "emotions"),
    [
        ("majority", ["anger", "fear"]),
        ("half", ["anger"]),  # fear has five of ten votes, not more
        ("most", ["anger", "fear"]),
    ],
)
def test_the_filter_is_stated(tmp_path, name, emotions):
    ferplus(tmp_path)
    faces = load_dataset(f"ferplus:{tmp_path}#filter={name}")
    assert faces.table["emotion"].tolist() == emotions
    assert name in FILTERS


def test_an_unknown_filter_is_refused(tmp_path):
    ferplus(tmp_path)
    with pytest.raises(
        InputError, match="Expected a filter of ferplus .majority, half, most., got"
    ):
        load_dataset(f"ferplus:{tmp_path}#filter=all")


def test_votes_are_columns_and_soft_labels(tmp_path):
    ferplus(tmp_path)
    faces = load_dataset(f"ferplus:{tmp_path}")
    assert faces.table["votes_anger"].tolist() == [8, 1]
    assert faces.table["votes_no_face"].tolist() == [0, 0]
    soft = soft_labels(faces)
    assert soft.sum(axis=1) == pytest.approx([1, 1])
    assert soft[0, EMOTIONS.index("anger")] == pytest.approx(0.8)
    assert soft[1, EMOTIONS.index("fear")] == pytest.approx(0.5)
    with pytest.raises(InputError, match="Expected faces with votes .*tells none"):
        soft_labels(load_dataset("synthetic", limit=3))


def test_files_of_other_editions_are_refused(tmp_path):
    ferplus(tmp_path)
    rows = (tmp_path / "fer2013.csv").read_text().splitlines()
    (tmp_path / "fer2013.csv").write_text("\n".join(rows[:-1]))
    with pytest.raises(InputError, match="Expected as many rows in .*, got 5 and 4"):
        load_dataset(f"ferplus:{tmp_path}")
    rows[1] = f"0,{PIXELS},Training"
    (tmp_path / "fer2013.csv").write_text("\n".join(rows))
    with pytest.raises(
        InputError, match="in one order, got Usage Training and PrivateTest in row 2"
    ):
        load_dataset(f"ferplus:{tmp_path}")


def test_a_missing_file_and_bad_votes_are_named(tmp_path):
    ferplus(tmp_path)
    text = (tmp_path / "fer2013new.csv").read_text()
    (tmp_path / "fer2013new.csv").write_text(text.replace("1,0,0,0,8", "1,0,0,0,80"))
    with pytest.raises(
        InputError, match="Expected a usage, a name and 10 numbers of votes .*row 2"
    ):
        load_dataset(f"ferplus:{tmp_path}")
    (tmp_path / "fer2013new.csv").write_text(text.replace(",contempt,", ",scorn,"))
    with pytest.raises(InputError, match="Expected columns .* but contempt is missing"):
        load_dataset(f"ferplus:{tmp_path}")
    (tmp_path / "fer2013new.csv").unlink()
    with pytest.raises(InputError, match="Expected fer2013new.csv under .*it holds fer2013.csv"):
        load_dataset(f"ferplus:{tmp_path}")


def test_fer2013_of_the_challenge_has_train_csv_alone(tmp_path):
    (tmp_path / "train.csv").write_text(f"emotion,pixels\n4,{PIXELS}\n")
    (tmp_path / "test.csv").write_text(f"pixels\n{PIXELS}\n")
    faces = load_dataset(f"fer2013:{tmp_path}", split="train")
    assert faces.table["emotion"].tolist() == ["sadness"]
    with pytest.raises(InputError, match="found train.csv and test.csv alone.* no labels"):
        load_dataset(f"fer2013:{tmp_path}")
