"""Stored predictions: those of folds, those of one network, and those that are refused."""

import json

import numpy as np
import pytest
from PIL import Image

from fer_xai.data.duplicates.groups import joined
from fer_xai.data.folds import image_digests
from fer_xai.emotions import EMOTIONS
from fer_xai.errors import InputError
from studies.engine.specs import DataSpec
from studies.questions.label_audit.collected import collected
from studies.questions.label_audit.judges import out_of_sample
from studies.questions.label_audit.stored import check_files, judged_by_file


@pytest.fixture(scope="module")
def faces():
    return collected([DataSpec("synthetic")], splits=["train", "test"], limit=12)


def _stored(path, faces, rows, **changes):
    own = faces.table.iloc[rows]
    arrays = {
        "ids": own["id"].to_numpy().astype(str),
        "labels": np.array([EMOTIONS.index(one) for one in own["emotion"]]),
        "logits": np.zeros((len(rows), 6)),
        "copy": np.arange(len(rows)) == 0,
    }
    np.savez(path, **(arrays | changes))
    return path


def test_stored_predictions_leave_out_what_was_seen(faces, tmp_path):
    rows = [3, 20, 14]
    found = judged_by_file(_stored(tmp_path / "a.npz", faces, rows), faces)
    assert sorted(found.rows) == sorted(rows)
    own = out_of_sample(found, faces.table, joined(len(faces)))
    assert sorted(own.rows) == [14, 20]


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"labels": np.full(2, 7)}, "Expected predictions for the same labels"),
        ({"ids": np.array(["x", "y"])}, "it names none of them, for instance x"),
        ({"ids": np.array(["x", "x"])}, "got 1 of 1 more than once, for instance x"),
        ({"ids": np.array("x"), "logits": np.array(0.0)}, r"Expected arrays ids \(N,\) and logits"),
        ({"emotions": np.array("joy")}, "each of happiness, .* got 'joy'"),
        ({"logits": np.zeros((2, 5))}, r"Expected arrays ids \(N,\) and logits \(N, 6\)"),
        ({"logits": np.full((2, 6), np.nan)}, "Expected logits that are finite numbers"),
        ({"labels": np.full(2, 9)}, "Expected labels from 0 to 7"),
        ({"labels": np.zeros(2)}, r"Expected labels \(2,\) in .* one a face, got float64"),
        ({"fold": np.zeros(2, int)}, "got one fold: there are no other faces"),
        ({"fold": np.zeros((2, 1), int)}, r"Expected fold \(2,\)"),
        ({"emotions": np.array(["fear"] * 6)}, "Expected different emotions"),
        ({"emotions": np.array(["joy"])}, "each of happiness, .* got 'joy'"),
        ({"digests": np.array(["0", "1"])}, "wild-train-[0-9]+ is another image there"),
    ],
)
def test_other_predictions_are_refused(faces, tmp_path, changes, sentence):
    with pytest.raises(InputError, match=sentence):
        judged_by_file(_stored(tmp_path / "a.npz", faces, [0, 1], **changes), faces)


def test_labels_of_other_emotions_have_columns_of_their_own(faces, tmp_path):
    emotions = np.array(["neutral", "fear", "anger"])
    path = _stored(tmp_path / "a.npz", faces, [0, 1], logits=np.eye(3)[:2], emotions=emotions)
    assert judged_by_file(path, faces).emotions == tuple(emotions)
    path = _stored(path, faces, [0, 1], logits=np.ones((2, 1)), emotions=np.array("fear"))
    assert judged_by_file(path, faces).emotions == ("fear",)


def test_faces_that_come_several_times_are_counted_once(faces, tmp_path):
    ids = np.array(["a", "b", "b", "b", "c", "c"])
    path = tmp_path / "a.npz"
    np.savez(path, ids=ids, logits=np.zeros((6, 6)))
    with pytest.raises(InputError, match=r"got 2 of 3 more than once, for instance b\."):
        judged_by_file(path, faces)


def test_predictions_of_networks_that_were_begun_with_others_are_refused(faces, tmp_path):
    run = {"data": "rafdb", "model": "gimefive", "pretrained": "1a2b"}
    (tmp_path / "card.json").write_text(json.dumps({"run": run}))
    path = _stored(tmp_path / "a.npz", faces, [0, 1])
    with pytest.raises(InputError, match="but the card beside it names others"):
        judged_by_file(path, faces)
    folds = _stored(path, faces, [0, 1], fold=np.arange(2))  # training.run has looked at them
    assert judged_by_file(folds, faces).rows.tolist() == [0, 1]


def test_predictions_for_training_faces_of_the_network_are_refused(faces, tmp_path):
    card = tmp_path / "card.json"
    card.write_text(json.dumps({"run": {"data": "synthetic", "source": None}}))
    path = _stored(tmp_path / "a.npz", faces, [0, 1])
    with pytest.raises(InputError, match="trained on synthetic, and all of them are for synthetic "
                                         ""
                                         "train, which it has seen, or may have seen: predictions"):  # fmt: off
        judged_by_file(path, faces)
    found = judged_by_file(_stored(tmp_path / "b.npz", faces, [0, 20, 21]), faces)
    assert found.rows.tolist() == [20, 21]
    assert found.refused == ("synthetic train",)
    card.write_text(json.dumps({"run": {"data": "rafdb", "source": None}}))
    assert judged_by_file(path, faces).rows.tolist() == [0, 1]
    told = {"run": {"data": "x"}, "training_split_sha256": faces.parts[0].faces.fingerprint(64)}
    card.write_text(json.dumps(told))  # the same faces under another name
    with pytest.raises(InputError, match="trained on x, and all of them are for synthetic train"):
        judged_by_file(path, faces)


def test_one_fold_alone_is_refused(faces, tmp_path):
    (tmp_path / "card.json").write_text(json.dumps({"run": {"data": "synthetic", "fold": 2}}))
    with pytest.raises(InputError, match=r"got those of fold 2 .* give the fold_logits\.npz"):
        judged_by_file(_stored(tmp_path / "test_logits.npz", faces, [0, 1]), faces)


def test_predictions_of_folds_are_for_training_faces(faces, tmp_path):
    """Copies of a face in another fold were seen: its prediction is left out."""
    (tmp_path / "card.json").write_text(json.dumps({"run": {"data": "synthetic", "folds": 2}}))
    rows = list(range(12))
    changes = {"fold": np.arange(12) % 2, "copy": np.zeros(12, dtype=bool),
               "digests": np.array(image_digests(faces.parts[0].faces))}  # fmt: off
    found = judged_by_file(_stored(tmp_path / "a.npz", faces, rows, **changes), faces)
    assert found.rows.tolist() == rows
    assert found.refused == ()
    groups = joined(len(faces), [[0, 2], [3, 4], [5, 20]])
    own = out_of_sample(found, faces.table, groups)
    assert own.rows.tolist() == [row for row in rows if row not in (3, 4)]
    assert own.folds.tolist() == [row % 2 for row in own.rows]


def test_faces_are_known_by_name_and_image(faces, tmp_path):
    digests = np.array(image_digests(faces.parts[0].faces))[:3]
    path = _stored(tmp_path / "a.npz", faces, [0, 1, 2], digests=digests)
    assert judged_by_file(path, faces).rows.tolist() == [0, 1, 2]
    digests[1] = "0"
    path = _stored(tmp_path / "b.npz", faces, [0, 1, 2], digests=digests)
    with pytest.raises(InputError, match="but 1 of 3 were changed, for instance wild-train-"):
        judged_by_file(path, faces)


def test_names_that_two_sets_have_are_refused_unless_images_tell(tmp_path):
    for number, place in enumerate(("one", "two")):
        (tmp_path / place / "fear").mkdir(parents=True)
        pixels = np.random.default_rng(number).integers(0, 256, (16, 16), dtype=np.uint8)
        Image.fromarray(pixels).save(tmp_path / place / "fear" / "0.png")
    specs = [DataSpec("folder", str(tmp_path / place), place) for place in ("one", "two")]
    both = collected(specs, splits=["test"])
    assert both.table["id"].nunique() == 1
    with pytest.raises(
        InputError, match="is in folder:one@one test and in folder:two@two test: audit"
    ):
        judged_by_file(_stored(tmp_path / "a.npz", both, [1]), both)
    digests = np.array(image_digests(both.parts[1].faces))
    path = _stored(tmp_path / "b.npz", both, [1], digests=digests)
    assert judged_by_file(path, both).rows.tolist() == [1]


def test_files_that_tables_could_not_tell_apart_are_refused(faces, tmp_path):
    paths = []
    for place in ("a/run", "b/run", "b/other"):
        (tmp_path / place).mkdir(parents=True)
        paths.append(_stored(tmp_path / place / "fold_logits.npz", faces, [0]))
    check_files([paths[0], paths[2]])
    for pair in ([paths[0], paths[1]], [paths[0], paths[0]]):
        with pytest.raises(InputError, match="which tables call run/fold_logits"):
            check_files(pair)
