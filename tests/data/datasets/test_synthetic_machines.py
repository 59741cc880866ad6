"""Built-in faces are the same to the bit on every processor, whatever libraries do there."""

import hashlib
import os
import platform
import subprocess
import sys

import numpy as np
import pytest

from fer_xai.data.datasets.synthetic import synthetic_faces
from fer_xai.data.synthetic import STYLES

DIGEST = "4e3d20b146ad4b06e1eca35a7603ce5c47c758654ee182218b8bdac7dafa7508"
"""Digest of 24 faces of each style, whether made with AVX-512 or without any vectors."""
MODULE = __name__


def digest():
    """SHA-256 of pixels and landmarks."""
    found = hashlib.sha256()
    for style in STYLES:
        faces = synthetic_faces(24, style=style)
        found.update(faces.pixels(64).numpy().tobytes())
        found.update(np.ascontiguousarray(faces.landmarks).tobytes())
    return found.hexdigest()


@pytest.mark.skipif(
    platform.machine() not in ("x86_64", "AMD64"), reason="other compilers fuse products and sums"
)
def test_pixels_and_landmarks_are_those_of_other_machines():
    assert digest() == DIGEST


def test_other_code_paths_of_the_libraries_give_the_same_faces():
    other = {
        "ATEN_CPU_CAPABILITY": "default",
        "MKL_CBWR": "COMPATIBLE",
        "ONEDNN_MAX_CPU_ISA": "SSE41",
        "OMP_NUM_THREADS": "1",
    }
    done = subprocess.run(
        [sys.executable, "-c", f"from {MODULE} import digest; print(digest())"],
        env=os.environ | other,
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.strip() == digest()
