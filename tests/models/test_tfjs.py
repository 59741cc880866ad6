import json

import numpy as np
import pytest

from fer_xai.errors import InputError
from fer_xai.models.tfjs import ENDING, manifest_in, read_manifest
from tests.models.foreign_files import write_manifest

WEIGHTS = {
    "a/filters": np.linspace(-1, 2, 24, dtype=np.float32).reshape(2, 3, 4),
    "b/bias": np.array([0.5, -0.25], np.float32),
    "c/weights": np.array([[3.0]], np.float32),
}


@pytest.mark.parametrize("quantised", [None, "uint16", "float16"])
def test_numbers_come_back(tmp_path, quantised):
    place, meant = write_manifest(tmp_path, "mine", WEIGHTS, quantised=quantised)
    found = read_manifest(place)
    assert list(found) == list(meant)
    for name, values in meant.items():
        assert found[name].dtype == np.float32
        np.testing.assert_allclose(found[name], values, rtol=1e-6, atol=1e-6)


def test_bytes_stand_for_value_times_scale_plus_min(tmp_path):
    place, meant = write_manifest(tmp_path, "mine", {"a/filters": WEIGHTS["a/filters"]})
    found = read_manifest(place)["a/filters"]
    np.testing.assert_array_equal(found, meant["a/filters"])
    assert np.abs(found - WEIGHTS["a/filters"]).max() <= 3 / 255 / 2 + 1e-6


def test_several_files_follow_each_other(tmp_path):
    place, meant = write_manifest(tmp_path, "mine", {"b/bias": WEIGHTS["b/bias"]}, quantised=None)
    whole = (tmp_path / "mine.bin").read_bytes()
    (tmp_path / "one").write_bytes(whole[:3])
    (tmp_path / "two").write_bytes(whole[3:])
    told = json.loads(place.read_text())
    told[0]["paths"] = ["one", "two"]
    place.write_text(json.dumps({"format": "layers-model", "weightsManifest": told}))
    np.testing.assert_array_equal(read_manifest(place)["b/bias"], meant["b/bias"])


def test_a_manifest_is_found_from_folders_and_from_its_numbers(tmp_path):
    place, _ = write_manifest(tmp_path / "package" / "model", "mine", WEIGHTS, quantised=None)
    for start in (tmp_path, tmp_path / "package", place.parent, place.with_name("mine.bin"), place):
        assert manifest_in(start, "mine") == place
    assert manifest_in(tmp_path / "mine.pth", "mine") is None
    with pytest.raises(InputError, match=f"Expected other{ENDING} in .* or its folder model"):
        manifest_in(tmp_path, "other")


def weight(**changes):
    return {"name": "a", "shape": [2], "dtype": "float32"} | changes


def quantised(**changes):
    return weight(quantization={"dtype": "uint8", "scale": 0.1, "min": 0.0} | changes)


@pytest.mark.parametrize(
    ("weights", "sentence"),
    [
        ([weight(shape=[3])], "Expected all numbers of 'a' in its files, which are too short"),
        ([weight(shape=[1])], "Expected 4 bytes in a.bin, got 8"),
        ([weight(shape=[2**30, 2**30])], "which are too short"),
        ([weight(shape=[-2, -1])], "Expected weights with a name and a shape"),
        ([weight(shape=[True, 2])], "Expected weights with a name and a shape"),
        ([weight(name=3)], "Expected weights with a name and a shape"),
        (["a"], "Expected weights with a name and a shape"),
        ([weight(dtype="string")], "Expected 'a' as float32, int32, uint8, bool, got 'string'"),
        ([weight(dtype=["float32"])], "Expected 'a' as float32"),
        ([quantised(dtype="uint4")], "Expected 'a' as uint8, uint16, float16, got 'uint4'"),
        ([quantised(scale="0.1")], "Expected a scale and a min of 'a' that are numbers"),
        ([quantised(min=None)], "Expected a scale and a min of 'a' that are numbers"),
        ([quantised(scale=float("nan"))], "Expected a scale and a min of 'a' that are numbers"),
        ([weight(quantization=[1])], "Expected the quantisation of 'a' as an object"),
        ([weight(shape=[1]), weight(shape=[1])], "Expected the weight 'a' once, got it twice"),
    ],
)
def test_what_a_manifest_gets_wrong_is_one_sentence(tmp_path, weights, sentence):
    (tmp_path / "a.bin").write_bytes(np.ones(2, "<f4").tobytes())
    place = tmp_path / f"a{ENDING}"
    place.write_text(json.dumps([{"paths": ["a.bin"], "weights": weights}]))
    with pytest.raises(InputError, match=sentence):
        read_manifest(place)


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("[", "in JSON, but .* cannot be read"),
        ("[" * 100_000, "in JSON, but .* cannot be read"),
        ("3", "Expected a list of groups, got int"),
        ("[]", "Expected a list of groups"),
        ("{}", "Expected a list of groups, got NoneType"),
        ('[{"paths": "a.bin", "weights": []}]', "Expected groups with paths and weights"),
        ('[{"paths": [1], "weights": []}]', "Expected groups with paths and weights"),
        ('[{"paths": ["../a.bin"], "weights": []}]', "Expected files beside it, got '../a.bin'"),
        ('[{"paths": ["/etc/passwd"], "weights": []}]', "Expected files beside it"),
        ('[{"paths": ["none.bin"], "weights": []}]', r"none\.bin, but it cannot be read \(No such"),
    ],
)
def test_what_is_no_manifest_is_one_sentence(tmp_path, text, sentence):
    place = tmp_path / f"a{ENDING}"
    place.write_text(text)
    with pytest.raises(InputError, match=sentence):
        read_manifest(place)


def test_damaged_files_load_or_give_a_sentence(tmp_path):
    place, _ = write_manifest(tmp_path, "mine", WEIGHTS)
    whole, rng = place.read_bytes(), np.random.default_rng(0)
    refused = 0
    for _ in range(300):
        broken = bytearray(whole)
        for at in rng.integers(0, len(broken), rng.integers(1, 4)):
            broken[at] = rng.integers(0, 256)
        place.write_bytes(bytes(broken)[: rng.integers(len(broken) // 2, len(broken) + 1)])
        try:
            read_manifest(place)
        except InputError:
            refused += 1
    assert refused > 200


def test_a_missing_manifest_is_one_sentence(tmp_path):
    with pytest.raises(InputError, match=r"mine-weights_manifest\.json is missing"):
        read_manifest(tmp_path / f"mine{ENDING}")
