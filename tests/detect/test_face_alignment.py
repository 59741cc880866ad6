"""The adapter of face-alignment, end to end and offline: random weights in files of its names."""

import warnings
from urllib.error import URLError

import numpy as np
import pytest
import torch

from fer_xai.detect import faces as find_faces
from fer_xai.detect import locate
from fer_xai.detect.detectors import s3fd
from fer_xai.detect.fan_files import FAN, S3FD
from fer_xai.detect.providers import fan
from fer_xai.errors import InputError

SENTENCE = (
    rf"weights {FAN} of face-alignment, but they cannot be fetched .*download them from "
    rf"https://.*/{FAN} on another machine and put them into .*checkpoints, or name their folder"
)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Weights of the landmark network, in the format in which they are published."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("NUMBA_DISABLE_JIT", "1")  # compiling takes half a minute
        models = pytest.importorskip("face_alignment.models")
    place = tmp_path_factory.mktemp("weights")
    with torch.random.fork_rng():
        torch.manual_seed(0)
        torch.save(models.FAN(4).state_dict(), place / FAN)
    return place


@pytest.fixture(scope="module")
def detector_folder(tmp_path_factory):
    """Weights of the detector S3FD."""
    net = pytest.importorskip("face_alignment.detection.sfd.net_s3fd")
    place = tmp_path_factory.mktemp("detector")
    torch.save(net.s3fd().state_dict(), place / S3FD)
    return place


@pytest.fixture(autouse=True)
def offline(monkeypatch, tmp_path):
    """No network, an empty hub, and nothing left of other tests."""

    def refuse(url, *args, **kwargs):
        raise URLError("no network")

    monkeypatch.setattr(torch.hub, "download_url_to_file", refuse)
    monkeypatch.setenv("TORCH_HOME", str(tmp_path / "torch"))
    before = torch.hub.get_dir()
    torch.hub.set_dir(str(tmp_path / "hub"))
    yield
    torch.hub.set_dir(before)


@pytest.fixture
def image():
    return np.random.default_rng(0).integers(0, 256, (48, 64, 3), dtype=np.uint8)


@pytest.fixture
def network(monkeypatch):
    """Stands for the network, and keeps what it was handed."""

    class Network:
        images, boxes = [], []
        answer = "one"

        def get_landmarks_from_image(self, image, detected_faces, return_landmark_score):
            assert return_landmark_score
            self.images.append(image)
            self.boxes.append(detected_faces)
            if self.answer is None:
                warnings.warn("No faces were detected.", stacklevel=2)
                return None, None, None
            points = np.full((68, 2), len(image) / 2, np.float32)
            return [points], [np.full(68, 0.7, np.float32)], None

    made = Network()
    made.images, made.boxes = [], []
    monkeypatch.setattr(fan, "_network", lambda folder: made)
    monkeypatch.setattr(fan, "_digest", lambda path: "0")
    return made


def test_the_package_is_run_from_its_own_files(folder, image, monkeypatch):
    before = torch.hub.get_dir()
    monkeypatch.setattr(fan.FaceAlignment, "threshold", 0.0)  # random weights are never sure
    found = locate([image], f"face-alignment:{folder}")
    assert torch.hub.get_dir() == before
    assert found.points.shape == (1, 68, 2)
    assert np.isfinite(found.points).all()
    assert not np.array_equal(found.points[0, :, 0], found.points[0, :, 1])
    assert 0 <= found.confidence[0] <= 1
    assert found.provider == "face-alignment"
    assert found.version.startswith("1.5.0-")
    again = locate([image], f"face-alignment:{folder}")
    np.testing.assert_array_equal(again.points, found.points)


def test_points_are_in_pixels_of_the_small_crop(folder, network, image):
    network.answer = "one"
    points = locate([image], f"face-alignment:{folder}", cache=None).points[0]
    np.testing.assert_allclose(points, np.tile([31.5, 23.5], (68, 1)))  # its middle


def test_small_crops_are_scaled_up_and_the_box_is_the_whole_of_them(folder, network, image):
    locate([image], f"face-alignment:{folder}", cache=None)
    assert network.images[0].shape == (256, 256, 3)
    assert network.images[0].dtype == np.uint8
    assert network.boxes[0] == [[0, 0, 256, 256]]


def test_floats_do_not_become_black(folder, network, image):
    """The package cuts floats in [0, 1] down to 0 without a word."""
    locate([image / 255.0], f"face-alignment:{folder}", cache=None)
    locate([image], f"face-alignment:{folder}", cache=None)
    np.testing.assert_array_equal(network.images[0], network.images[1])
    assert network.images[0].mean() > 50


def test_grey_images_have_three_channels(folder, network, image):
    locate([image[:, :, 0]], f"face-alignment:{folder}", cache=None)
    assert network.images[0].shape == (256, 256, 3)


def test_transparent_images_are_refused(folder, image):
    transparent = np.concatenate([image, image[:, :, :1]], axis=2)
    with pytest.raises(InputError, match=r"got shape \(48, 64, 4\): convert the image to RGB"):
        locate([transparent], f"face-alignment:{folder}")


@pytest.mark.filterwarnings("ignore:No faces were detected")
def test_no_face_is_no_crash(folder, network, image):
    network.answer = None
    found = locate([image], f"face-alignment:{folder}", cache=None)
    assert not found.found[0]
    assert found.confidence[0] == 0


def test_several_faces_of_a_photograph_are_told_apart(monkeypatch, image):
    """The largest comes first, and boxes are cut to the image."""

    class Detector:
        def detect_from_image(self, image):
            return [np.array([5, 5, 20, 20, 0.9]), np.array([-4, 0, 40, 40, 0.8])]

    monkeypatch.setattr(s3fd, "_detector", lambda folder: Detector())
    boxes = find_faces(image, "s3fd")
    assert boxes.tolist() == [[0, 0, 40, 40], [5, 5, 20, 20]]
    found = locate([image], "template", detector="s3fd")
    assert found.points[0].max() <= 41


def test_the_detector_runs_from_its_own_file(detector_folder, image):
    boxes = find_faces(image, f"s3fd:{detector_folder}")
    assert boxes.shape[1] == 4


def test_without_a_network_a_sentence_says_which_files_go_where(image):
    pytest.importorskip("face_alignment")
    with pytest.raises(InputError, match=SENTENCE):
        locate([image], "face-alignment")
    with pytest.raises(InputError, match=rf"weights {S3FD} .*cannot be fetched"):
        find_faces(image, "s3fd")


def test_a_folder_without_the_file_is_refused(tmp_path, image):
    pytest.importorskip("face_alignment")
    with pytest.raises(InputError, match=rf"the weights {FAN} in .*, but they are not there"):
        locate([image], f"face-alignment:{tmp_path}")


def test_a_damaged_file_is_refused(tmp_path, image):
    pytest.importorskip("face_alignment")
    (tmp_path / FAN).write_bytes(b"cut off")
    with pytest.raises(InputError, match=r"cannot be loaded .*download them again"):
        locate([image], f"face-alignment:{tmp_path}")


def test_without_the_package_a_sentence_says_how_to_install_it(folder, image, monkeypatch):
    def refuse(name):
        raise ImportError(f"No module named {name!r}")

    monkeypatch.setattr("importlib.import_module", refuse)
    fan._network.cache_clear()
    with pytest.raises(InputError, match=r"pip install 'fer-xai\[landmarks\]'"):
        locate([image], f"face-alignment:{folder}", cache=None)
