"""Whether test faces are those that weights were trained on, where names do not tell it."""

import numpy as np
import pytest
from PIL import Image

from fer_xai.emotions import SIX
from studies.engine.domains import IN, OUT, SEEN, UNKNOWN, Training, domain_of, relation
from studies.engine.specs import DataSpec
from studies.questions.cross_dataset.copies import TrainingFaces
from studies.questions.cross_dataset.networks import Network, given, weights_title
from studies.questions.cross_dataset.tested import data_title, read
from training.faces import SIZE


def put(place, seed):
    """Twelve noisy images, two of each emotion."""
    rng = np.random.default_rng(seed)
    for emotion in SIX:
        for k in range(2):
            path = place / emotion / f"{seed}-{k}.png"
            path.parent.mkdir(parents=True, exist_ok=True)
            Image.fromarray(rng.integers(0, 255, (8, 8, 3), dtype=np.uint8)).save(path)


def network(domains, digest=""):
    training = Training(domains=frozenset(domains), split_sha256=digest)
    return Network(name="n", row="n", architecture="n", training=training, load=lambda: None)


def found(spec, weights):
    """How the test faces stand to weights, once by names and once by the faces at hand."""
    (tested,), _ = read([spec], {"net": SIX})
    return weights.training.relation(tested.domain), TrainingFaces([spec]).relation(weights, tested)


def test_a_folder_is_in_domain_only_by_the_digest_of_its_training_split(tmp_path):
    put(tmp_path / "mine" / "train", 0)
    put(tmp_path / "mine" / "test", 1)
    spec = DataSpec("folder", str(tmp_path / "mine"))
    digest = spec.load(split="train").fingerprint(SIZE)
    assert found(spec, network(["folder:mine"], digest)) == (UNKNOWN, IN)
    assert found(spec, network(["folder:mine"], "another")) == (UNKNOWN, UNKNOWN)
    assert found(spec, network(["folder:mine"])) == (UNKNOWN, UNKNOWN)
    assert found(spec, network(["rafdb"])) == (OUT, OUT)


def test_faces_of_a_set_without_splits_were_seen(tmp_path):
    put(tmp_path / "mine", 0)
    spec = DataSpec("folder", str(tmp_path / "mine"))
    digest = spec.load(split="train").fingerprint(SIZE)
    assert found(spec, network(["folder:mine"], digest)) == (UNKNOWN, SEEN)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (DataSpec("csv", "/a/faces.csv"), DataSpec("csv", "/a/others.csv")),
        (DataSpec("folder", "/a/one"), DataSpec("folder", "/a/two")),
        (DataSpec("huggingface", "/a/one"), DataSpec("huggingface", "/a/two")),
    ],
)
def test_lists_and_folders_are_data_sets_of_their_own(one, other):
    assert domain_of(one) != domain_of(other)
    assert data_title(one) != data_title(other)
    assert relation(frozenset({domain_of(one)}), domain_of(one)) == UNKNOWN
    assert relation(frozenset({domain_of(one)}), domain_of(other)) == OUT


def test_files_of_two_trainings_are_two_networks(tmp_path):
    places = [tmp_path / name / "weights.safetensors" for name in ("one", "two")]
    rows = given([f"tiny={place}" for place in places], records=tmp_path)
    assert [row.name for row in rows] == ["tiny=one", "tiny=two"]
    assert weights_title("best.safetensors") == "best.safetensors"
