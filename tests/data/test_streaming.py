"""Faces read in batches: the same rows whatever the batches, the cache and the threads."""

import os
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from PIL import Image

from fer_xai.data.images import faces_from_files, read_image
from fer_xai.emotions import SIX
from fer_xai.errors import InputError
from fer_xai.files import cache_folder
from fer_xai.inference.predictor import Predictor
from fer_xai.types import COLUMNS, Faces, file_digests, pixel_cache, pixel_packs, reading, streams
from fer_xai.types.pixels import resized
from tests.helpers import tiny_model

N = 40


@pytest.fixture(autouse=True)
def own_cache(tmp_path, monkeypatch):
    """A cache of the test's own, in which few rows are worth a file, and nothing stays in memory."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setattr(pixel_packs, "WORTH", 1)
    monkeypatch.setattr(pixel_cache, "WORTH", 1)
    monkeypatch.setattr(file_digests, "SETTLED", -1)
    monkeypatch.setattr(reading, "KEPT", 0)


@pytest.fixture
def rows(tmp_path):
    """Files of several sizes, formats and modes."""
    rng, found = np.random.default_rng(0), []
    for k in range(N):
        height, width = [(48, 48), (60, 50), (16, 16)][k % 3]
        shape = (height, width) if k % 4 == 1 else (height, width, 3)
        place = tmp_path / f"{k:02d}.{['jpg', 'png'][k % 2]}"
        Image.fromarray(rng.integers(0, 256, shape, dtype=np.uint8)).save(place)
        found.append((place.name, str(place), SIX[k % 6], "test", f"S{k // 4}", "x", ""))
    return found


def fresh(rows):
    return faces_from_files(rows, name="x")


def expected(rows, size):
    return torch.stack([resized(read_image(row[1]), size) for row in rows])


def packs():
    return sorted(cache_folder("faces").glob("*/*/*.pack"))


@pytest.mark.parametrize("size", [16, 7])
@pytest.mark.parametrize("batch", [1, 7, 64])
def test_batches_are_the_same_cold_warm_and_without_a_cache(rows, batch, size, monkeypatch):
    wanted = expected(rows, size)
    for bound, kept in (("0", 0), ("", 1), ("", 1)):
        monkeypatch.setenv("FER_XAI_CACHE_BYTES", bound)
        found = list(fresh(rows).batches(batch, size=size))
        assert torch.equal(torch.cat([one.pixels for one in found]), wanted)
        assert torch.equal(torch.cat([one.images for one in found]), wanted.float() / 255)
        assert [name for one in found for name in one.ids] == [row[0] for row in rows]
        assert [len(one.ids) for one in found[:-1]] == [batch] * (len(found) - 1)
        assert len(packs()) >= kept


def test_a_second_process_reads_no_image(rows, monkeypatch):
    wanted = expected(rows, 16)
    list(fresh(rows).batches(size=16))
    monkeypatch.setattr("fer_xai.types.image_files.read_image", None)
    monkeypatch.setattr(file_digests.FileDigests, "_read", None)
    faces = fresh(rows)
    assert torch.equal(faces.pixels(16), wanted)
    assert len(faces.fingerprint(64)) == 64


def test_some_rows_in_any_order_and_a_subset_are_those_rows(rows):
    wanted = expected(rows, 16)
    faces = fresh(rows)
    for _ in range(2):
        assert torch.equal(faces.pixels(16, [5, 3, 30]), wanted[[5, 3, 30]])
        assert torch.equal(faces.pixels(16, slice(4, 30)), wanted[4:30])
        assert torch.equal(faces.pixels(16, torch.tensor([7])), wanted[[7]])
        assert torch.equal(faces[10:20].pixels(16), wanted[10:20])
        assert torch.equal(faces.subset([3, 1]).pixels(16), wanted[[3, 1]])
        list(faces.batches(size=16))


def test_a_changed_file_is_read_anew(rows):
    faces = fresh(rows)
    list(faces.batches(size=16))
    before = faces.fingerprint(16)
    Image.new("RGB", (20, 20), (1, 2, 3)).save(rows[3][1])
    again = fresh(rows)
    assert again.pixels(16)[3, :, 0, 0].tolist() in ([1, 2, 3], [2, 2, 2], [0, 2, 4])
    assert again.fingerprint(16) != before


@pytest.mark.parametrize("damage", ["cut", "zeros", "empty", "other", "digests"])
def test_damaged_files_of_the_cache_are_made_anew(rows, damage):
    wanted = expected(rows, 16)
    list(fresh(rows).batches(size=16))
    if damage == "digests":
        place = cache_folder("faces") / "digests-2.npy"
        content = bytearray(place.read_bytes())
        content[300] ^= 1
        place.write_bytes(bytes(content))
    for path in packs():
        content = path.read_bytes()
        path.unlink()
        if damage == "zeros":
            content = content[:-3000] + b"\0" * 3000
        made = {"cut": content[:-5], "empty": b"", "other": b"no pack " * 99}.get(damage, content)
        path.write_bytes(made)
    pixel_cache._cache_at.cache_clear()
    for _ in range(2):
        assert torch.equal(torch.cat([b.pixels for b in fresh(rows).batches(size=16)]), wanted)
    assert packs()


def test_the_cache_keeps_its_bound_and_lets_go_of_what_nobody_reads(rows, monkeypatch):
    list(fresh(rows).batches(size=16))
    (first,) = packs()
    room = first.stat().st_size + 100
    monkeypatch.setenv("FER_XAI_CACHE_BYTES", str(room))
    assert torch.equal(next(fresh(rows).batches(N, size=17)).pixels, expected(rows, 17))
    assert packs() == [first]  # it was read a moment ago, and no room is left
    os.utime(first, (1, 1))
    list(fresh(rows).batches(size=15))
    assert [path.parent.name for path in packs()] == ["15px"]
    monkeypatch.setenv("FER_XAI_CACHE_BYTES", "many")
    with pytest.raises(InputError, match="FER_XAI_CACHE_BYTES as a whole number of bytes"):
        next(fresh(rows).batches(size=16))


def test_without_a_place_to_write_to_everything_works(rows, tmp_path, monkeypatch):
    (tmp_path / "file").write_text("no folder")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "file"))
    faces = fresh(rows)
    assert torch.equal(torch.cat([b.pixels for b in faces.batches(size=16)]), expected(rows, 16))
    assert faces.fingerprint(16) == fresh(rows).fingerprint(64)


def test_identity_is_that_of_names_labels_and_files(rows, tmp_path):
    one = fresh(rows).fingerprint(64)
    moved = []
    for row in rows:
        place = tmp_path / "elsewhere" / row[0]
        place.parent.mkdir(exist_ok=True)
        place.write_bytes((tmp_path / row[0]).read_bytes())
        moved.append((row[0], str(place), *row[2:]))
    assert fresh(moved).fingerprint(48) == one  # wherever they lie, at any size
    assert fresh(rows[::-1]).fingerprint(64) != one
    assert fresh(rows[1:]).fingerprint(64) != one
    relabelled = [(*rows[0][:2], "fear", *rows[0][3:]), *rows[1:]]
    assert fresh(relabelled).fingerprint(64) != one


def test_faces_of_earlier_runs_keep_their_digest(rows, monkeypatch):
    told = fresh(rows).fingerprint(64)
    monkeypatch.setattr("fer_xai.types.identity._earlier", lambda: {f"{told} at 64": "earlier"})
    assert fresh(rows).fingerprint(64) == "earlier"
    assert fresh(rows).fingerprint(48) == told


def test_landmarks_follow_sizes_that_are_read_from_headers(rows, tmp_path, monkeypatch):
    exif = Image.Exif()
    exif[0x0112] = 6  # lies on its side
    Image.new("RGB", (30, 20)).save(tmp_path / "turned.jpg", exif=exif)
    rows = [*rows, ("turned.jpg", str(tmp_path / "turned.jpg"), "fear", "test", "", "x", "")]
    wanted = [read_image(row[1]).shape[:2] for row in rows]
    monkeypatch.setattr("fer_xai.types.image_files.read_image", None)
    faces = fresh(rows)
    assert faces.image_sizes.tolist() == [list(size) for size in wanted]
    assert faces.image_sizes.tolist()[-1] == [30, 20]


def test_an_error_is_told_in_its_place_and_ends_what_is_read_ahead(rows):
    rows_before, bad = rows[:35], rows[35]
    Path(bad[1]).write_bytes(b"torn off")
    faces = fresh([*rows_before, bad])
    found = faces.batches(5, size=16)
    with pytest.raises(InputError, match="is damaged"):
        list(found)
    assert torch.equal(fresh(rows_before).pixels(16), expected(rows_before, 16))


def test_what_is_read_ahead_is_bounded(rows, monkeypatch):
    read = []
    images = [read_image(row[1]) for row in rows] * 30
    table = pd.DataFrame([(str(k), *rows[k % N][1:]) for k in range(len(images))], columns=COLUMNS)
    monkeypatch.setattr(streams, "workers", lambda: 2)

    def reader(row):
        read.append(row)
        return images[row]

    faces = Faces(table=table, reader=reader, name="x")
    batches = faces.batches(8, size=16)
    next(batches)
    batches.close()
    assert len(read) <= 8 * streams.UNIT < len(images)


def test_a_predictor_gives_the_same_logits_while_faces_are_read(rows):
    predictor = Predictor(tiny_model(), device="cpu", batch_size=8)
    size = predictor.model.size
    wanted = predictor.logits(expected(rows, size))
    done = []
    for _ in range(2):
        assert torch.equal(predictor.logits(fresh(rows), progress=done.append), wanted)
    assert sum(done) == 2 * N


def test_too_much_at_once_is_refused_with_a_way_out(rows, monkeypatch):
    monkeypatch.setattr(reading, "AT_ONCE", 2**14)
    with pytest.raises(InputError, match=r"faces\.batches\(size=16\), or fewer.*faces\[:300\]"):
        fresh(rows).pixels(16)
    assert len(fresh(rows).pixels(16, slice(3))) == 3
    with pytest.raises(InputError, match="Expected a slice of faces"):
        fresh(rows)[3]


def test_a_small_set_stays_in_memory(rows, monkeypatch):
    monkeypatch.setattr(reading, "KEPT", 2**28)
    faces = fresh(rows)
    list(faces.batches(7, size=16))
    monkeypatch.setattr("fer_xai.types.image_files.read_image", None)
    assert torch.equal(faces.pixels(16), torch.cat([b.pixels for b in faces.batches(size=16)]))
    with faces.stream(16) as pixels:
        assert torch.equal(pixels[2:5], faces.pixels(16)[2:5])


def test_an_image_that_claims_too_many_pixels_is_one_sentence(rows, monkeypatch):
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 1000)
    with pytest.raises(InputError, match=r"at most 1,000 pixels, but .*00\.jpg claims more"):
        read_image(rows[0][1])


def test_a_file_that_changes_between_passes_is_refused_and_its_pixels_are_kept_for_no_other(rows):
    faces, before = fresh(rows), Path(rows[3][1]).read_bytes()
    faces.fingerprint(16)  # takes the digests
    Image.new("RGB", (20, 20), (1, 2, 3)).save(rows[3][1])
    with pytest.raises(InputError, match=r"03\.png to stay as it is .* load the data set anew"):
        list(faces.batches(size=16))
    Path(rows[3][1]).write_bytes(before)
    for _ in range(2):
        assert torch.equal(fresh(rows).pixels(16), expected(rows, 16))


def test_digests_of_files_that_were_young_when_they_were_read_are_not_remembered(rows, monkeypatch):
    monkeypatch.setattr(file_digests, "SETTLED", 1000)
    faces = fresh(rows)
    faces.fingerprint(16)
    later = file_digests.time.time_ns() + 10**13
    monkeypatch.setattr(file_digests.time, "time_ns", lambda: later)  # saved long after
    faces.fingerprint(16)
    assert not (cache_folder("faces") / "digests-2.npy").exists()
    fresh(rows).fingerprint(16)  # read when settled
    assert (cache_folder("faces") / "digests-2.npy").exists()


def test_folders_that_change_places_are_told_apart(tmp_path, monkeypatch):
    """Files of one size and of the same times under each other's names: only the inode differs."""
    real = os.stat

    def at_one_time(path, **options):
        found = real(path, **options)
        if not str(path).endswith("0.png"):
            return found
        times = {"st_atime_ns": 1, "st_mtime_ns": 1, "st_ctime_ns": 1}
        return os.stat_result(tuple(found), times)

    monkeypatch.setattr(file_digests.os, "stat", at_one_time)
    rows = []
    for name, grey in (("a", 10), ("b", 200)):
        (tmp_path / name).mkdir()
        place = tmp_path / name / "0.png"
        Image.new("L", (16, 16), grey).save(place)
        rows.append((name, str(place), "fear", "test", "", "x", ""))
    assert len(Path(rows[0][1]).read_bytes()) == len(Path(rows[1][1]).read_bytes())
    before = fresh(rows).pixels(16)
    (tmp_path / "a").rename(tmp_path / "c")
    (tmp_path / "b").rename(tmp_path / "a")
    (tmp_path / "c").rename(tmp_path / "b")
    assert torch.equal(fresh(rows).pixels(16), before[[1, 0]])


def test_the_cache_counts_and_deletes_its_own_files_alone(tmp_path, monkeypatch):
    root = tmp_path / "home"
    others = [root / "user" / "2px" / "old.txt", root / "user" / "photos" / "old.pack"]
    for path in others:
        path.parent.mkdir(parents=True)
        path.write_bytes(b"x" * 10_000)
        os.utime(path, (1, 1))
    monkeypatch.setenv("FER_XAI_CACHE_BYTES", "1000")
    kept = pixel_packs.write_pack(
        root / "decoder" / "2px", np.zeros((1, 16), np.uint8), np.ones((1, 16), np.uint8)
    )
    assert kept
    assert all(path.exists() for path in others)
