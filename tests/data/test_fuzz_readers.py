"""Nasty values in lists, labels and tables: rows come of them, or one sentence, and no file."""

import hashlib
import json
import shutil
import warnings

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from fer_xai.data import load_dataset
from fer_xai.data.aggregate.command import Aggregate, aggregate
from fer_xai.errors import InputError
from tests.data import tree_makers

NASTY = (
    *("", " ", "nan", "inf", "-1", "-0", "1e400", "3.5", "1_0", "٣", "²", "0x1", "9" * 5000),
    *("\0", "\x1b[0m", "\ufeff", "\u202e", "\u2028", "\x85", "é", "e\u0301", "😀", "%s{}", "=1+1"),
    *('"', "'", '""', '"a', ",", ",,,", ";", "\t", "\\", "/", "//", ".", "..", "../x", "a/../../b"),
    *("/etc/passwd", "C:\\a.jpg", "~/a.jpg", "a" * 5000, "a/" * 3000, "NULL", "null", "None"),
    *("true", "[", "{}", "[1]", '{"a":', "[" * 3000, "fear", "Happy", "neutral", "7", "11"),
)
BYTES = (
    *(b"", b"\n", b"\0", b"\xff\xfe", b"\xff\xfe\0\0", b"\xef\xbb\xbf", b"\x1f\x8b", b"PK\x03\x04"),
    *(b"\xed\xa0\x80", b"\x93NUMPY\x01\x00", b"\x93NUMPY\x01\x00\xff\xff{", b"PAR1", b"PAR1PAR1"),
    *(b"{", b"[]", b"null", b"{}", b"1", b'"', b"[" * 9000, b"9" * 9000, b"a,b\n1,2\n", b"," * 900),
)


def read(spec, split="test", root=None, **options):
    """Rows of a data set, or the sentence that it is refused with."""
    before = None if root is None else _files(root)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", UserWarning)
            faces = load_dataset(spec, split=split, **options)
            list(faces.ids)
            if len(faces):
                faces.read(0)
        found = len(faces)
    except InputError as error:
        found = str(error)
        assert found.startswith(("Expected", "Unknown", "There ", "No ")) or ": Expected" in found
        assert "\n" not in found
        assert len(found) < 900
        assert not set("\0\x1b\u202e\ufeff") & set(found)
    assert before is None or _files(root) == before
    return found


def _files(root):
    return sorted(path.as_posix() for path in root.rglob("*"))


def edited(text, rng, *, separators=",\n"):
    """A text one cell of which is nasty; sometimes two, or a line that comes twice or is gone."""
    for _ in range(int(rng.integers(1, 3))):
        ends = [k for k, letter in enumerate(text) if letter in separators]
        at = int(rng.integers(len(ends)))
        start = ends[at - 1] + 1 if at else 0
        text = text[:start] + NASTY[rng.integers(len(NASTY))] + text[ends[at] :]
    lines = text.splitlines(keepends=True)
    if rng.random() < 0.2:
        lines.insert(int(rng.integers(len(lines))), lines[int(rng.integers(len(lines)))])
    return "".join(lines)


@pytest.fixture
def tree(tmp_path, request):
    getattr(tree_makers, request.param)(tmp_path)
    return tmp_path


LISTS = [
    ("csv", "csv:lists/mine.csv", "lists/mine.csv", "test"),
    ("csv", "csv:lists/mine.csv#keep=age", "lists/mine.csv", "test"),
    ("affectnet", "affectnet:", "training.csv", "train"),
    ("affectnet", "affectnet:", "validation.csv", "valid"),
    ("ferplus", "ferplus:", "fer2013new.csv", "test"),
    ("ckplus", "ckplus:", "Emotion/S005/001/S005_001_00000011_emotion.txt", "test"),
    ("huggingface", "huggingface:", "test/metadata.csv", "test"),
    ("huggingface", "huggingface:", "train/metadata.jsonl", "train"),
]


@pytest.mark.parametrize(("tree", "spec", "file", "split"), LISTS, indirect=["tree"])
def test_lists(tree, spec, file, split):
    name, _, place = spec.partition(":")
    below, _, options = place.partition("#")
    told, path = f"{name}:{tree / below}{'#' if options else ''}{options}", tree / file
    whole, rng = path.read_text(encoding="utf-8"), np.random.default_rng(0)
    assert isinstance(read(told, split), int)
    for seed in range(50):
        path.write_bytes(edited(whole, rng).encode("utf-8", "surrogatepass"))
        read(told, split, tree if seed < 3 else None)
    for content in BYTES:
        path.write_bytes(content)
        read(told, split)
    path.unlink()
    path.mkdir()
    read(told, split)


NAMES = [None, 1, -1, 1.5, True, [], [1], {}, "", "\0", "\ud800", "a" * 5000, "../a", "/a", "3.jpg"]


@pytest.mark.parametrize("tree", ["huggingface"], indirect=True)
def test_values_of_json(tree):
    path = tree / "train/metadata.jsonl"
    for value in NAMES:
        for key, other in (("file_name", "label"), ("label", "file_name")):
            row = {key: value, other: "sad" if other == "label" else "3.jpg"}
            path.write_text(json.dumps(row) + "\n")
            assert isinstance(read(f"huggingface:{tree}", "train"), str) or value == "3.jpg"
    for line in (f'{{"label": {"9" * 5000}}}', '{"label": NaN}', "[" * 99999, '{"a":' * 99999):
        path.write_text(line + "\n")
        assert isinstance(read(f"huggingface:{tree}", "train"), str)
    path.write_text('{"file_name": "3.jpg", "label": "sad", "label": "happy"}\n')
    assert isinstance(read(f"huggingface:{tree}", "train"), str)


IMAGE = {"bytes": b"", "path": "1.png"}
TABLES = [
    {"image": [IMAGE], "label": [None]},
    {"image": [None], "label": ["fear"]},
    {"image": [{"bytes": None, "path": "1.png"}], "label": ["fear"]},
    {"image": [b"\x89PNG"], "label": ["fear"]},
    {"image": ["1.png"], "label": ["fear"]},
    {"image": [[1, 2]], "label": [["fear"]]},
    {"image": [IMAGE], "label": [float("nan")]},
    {"image": [IMAGE], "label": [2**62]},
    {"image": [IMAGE], "label": [-1]},
    {"image": [IMAGE], "label": [True]},
    {"image": [IMAGE], "label": ["\ud7ff\x1b\u202e"]},
    {"image": [], "label": []},
    {"label": ["fear"]},
    {"image": [IMAGE]},
]
FEATURES = [
    "",
    "null",
    "[]",
    "{",
    '{"info": 1}',
    '{"info": {"features": {"label": {"names": %s}}}}',
]


@pytest.mark.parametrize("described", range(len(FEATURES)))
def test_parquet(tmp_path, described):
    path = tmp_path / "test-00000-of-00001.parquet"
    texts = [FEATURES[described]]
    if "%s" in texts[0]:
        texts = [texts[0] % names for names in ("1", '"ab"', "null", "{}", '["fear", 1]', "[[]]")]
    for columns in TABLES:
        for text in texts:
            meta = {b"huggingface": text.encode()} if text else None
            pq.write_table(pa.table(columns).replace_schema_metadata(meta), path)
            read(f"huggingface:{tmp_path}")


def test_damaged_parquet(tmp_path):
    path, rng = tmp_path / "test-00000-of-00001.parquet", np.random.default_rng(0)
    rows = {"image": [IMAGE] * 40, "label": ["fear", "anger"] * 20}
    pq.write_table(pa.table(rows), path)
    whole = path.read_bytes()
    for _ in range(60):
        data = bytearray(whole)
        for place in rng.integers(len(data), size=int(rng.integers(1, 6))):
            data[place] = int(rng.integers(256))
        path.write_bytes(
            bytes(data[: rng.integers(1, len(data) + 1)] if rng.random() < 0.3 else data)
        )
        read(f"huggingface:{tmp_path}")
    for content in BYTES:
        path.write_bytes(content)
        assert isinstance(read(f"huggingface:{tmp_path}"), str)
    table = pa.Table.from_arrays(
        [pa.array([IMAGE]), *[pa.array(["fear"])] * 2], ["image", *["label"] * 2]
    )
    pq.write_table(table, path)
    assert isinstance(read(f"huggingface:{tmp_path}"), str)


VALUES = [
    *(
        np.array(value)
        for value in ("", " 6 ", "nan", "1e9", "٣", "9" * 4000, b"6", 6, 6.0, -1, True)
    ),
    *(np.array(value) for value in (float("nan"), float("inf"), 2**63, 1j, [6], [[6]], [6, 6], [])),
    *(np.array(value) for value in (np.datetime64("NaT"), np.timedelta64(1, "s"))),
    *(np.zeros((), [("a", "i4")]), np.zeros((1, 0)), np.zeros((), "V0"), np.zeros((), "U0")),
]
HEADS = [
    *(
        "{",
        "{}",
        "1",
        "None",
        "[" * 900,
        "'a'",
        "{'descr': 1, 'shape': 1}",
        "{'descr': [], 'shape': ()}",
    ),
    "{'descr': '<U1', 'shape': (-1, -1)}",
    "{'descr': '<U1', 'shape': ('a',)}",
    "{'descr': '<U1', 'shape': (1.0,)}",
    "{'descr': '<U1', 'fortran_order': False, 'shape': ()}",
    "{'descr': '|O', 'fortran_order': False, 'shape': ()}",
    "{'descr': ('<i4', (2, 2)), 'fortran_order': False, 'shape': ()}",
]


@pytest.mark.parametrize("tree", ["affectnet_pack"], indirect=True)
@pytest.mark.parametrize("which", ["exp", "val"])
def test_numbers_of_a_pack(tree, which):
    path, spec = tree / f"train_set/annotations/10_{which}.npy", f"affectnet:{tree}#valence=yes"
    for value in VALUES:
        np.save(path, value)
        read(spec, "train")
    for head in HEADS:
        told = head.encode()
        path.write_bytes(
            b"\x93NUMPY\x01\x00" + len(told).to_bytes(2, "little") + told + b"\xff" * 4
        )
        assert isinstance(read(spec, "train"), str)
    for content in BYTES:
        path.write_bytes(content)
        assert isinstance(read(spec, "train"), str)
    path.unlink()
    path.mkdir()
    assert isinstance(read(spec, "train"), str)


@pytest.fixture(scope="module")
def edition(tmp_path_factory):
    place = tmp_path_factory.mktemp("edition")
    for emotion, names in (("fear", "1234"), ("anger", "567")):
        for name in names:
            tree_makers.image(place / f"tfeid/{emotion}/{name}0.png")
    aggregate(Aggregate(out=place / "made", tfeid=f"folder:{place / 'tfeid'}"))
    return place / "made"


def _manifest(made, text):
    told = json.loads((made / "manifest.json").read_text())
    told["sha256"]["clean.csv"] = hashlib.sha256(text).hexdigest()
    (made / "manifest.json").write_text(json.dumps(told))


def test_editions(edition, tmp_path):
    made = tmp_path / "made"
    shutil.copytree(edition, made)
    path, spec, rng = made / "clean.csv", f"aggregate:{made}", np.random.default_rng(0)
    whole = path.read_text()
    assert isinstance(read(spec, "train"), int)
    texts = [edited(whole, rng).encode("utf-8", "surrogatepass") for _ in range(60)]
    for text in (*texts, *BYTES):
        path.write_bytes(text)
        _manifest(made, text)
        read(spec, "train")
    path.write_text(whole)
    _manifest(made, whole.encode())
    told = json.loads((made / "manifest.json").read_text())
    for value in (None, 1, "a", [], {}, {"tfeid": None}, {"tfeid": {"root": 1}}, {"tfeid": {}}):
        for key in ("sets", "sha256", "images"):
            (made / "manifest.json").write_text(json.dumps(told | {key: value}))
            read(spec, "train")
    for content in BYTES:
        (made / "manifest.json").write_bytes(content)
        assert isinstance(read(spec, "train"), str)


def test_a_manifest_that_is_damaged_is_not_written_over(edition, tmp_path):
    out, source = tmp_path / "made", f"folder:{edition.parent / 'tfeid'}"
    for content in (b"", b"[" * 9000, b"{}"):
        shutil.rmtree(out, ignore_errors=True)
        out.mkdir()
        (out / "manifest.json").write_bytes(content)
        with pytest.raises(InputError, match="Expected"):
            aggregate(Aggregate(out=out, tfeid=source))
        assert [path.name for path in out.iterdir()] == ["manifest.json"]
