"""Files written whole or not at all."""

import errno
from pathlib import Path

import numpy as np
import pytest

from fer_xai.errors import InputError
from fer_xai.files import DamagedFileError, cache_folder, read_json, write_bytes, write_whole
from fer_xai.types.pixel_packs import write_pack


def test_a_full_disk_is_told_and_leaves_nothing(tmp_path):
    def full(temporary):
        temporary.write_bytes(b"half")
        raise OSError(errno.ENOSPC, "No space left on device")

    place = tmp_path / "deep" / "file"
    sentence = r"Expected to write .*file, but .* \(No space left on device\): free some room"
    with pytest.raises(InputError, match=sentence):
        write_whole(place, full)
    assert list(place.parent.iterdir()) == []
    place.write_bytes(b"before")
    with pytest.raises(InputError, match=sentence):
        write_whole(place, full)
    assert [path.read_bytes() for path in place.parent.iterdir()] == [b"before"]
    write_bytes(place, b"after")
    assert [path.read_bytes() for path in place.parent.iterdir()] == [b"after"]


def test_a_place_that_cannot_be_written_to_is_told(tmp_path):
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(InputError, match="cannot be written .*: choose a place"):
        write_bytes(tmp_path / "file" / "inside", b"x")


@pytest.mark.parametrize("content", [b"", b'{"a": ', b"[1]", b"\xff\xfe"])
def test_damaged_json_names_the_file_and_the_remedy(tmp_path, content):
    (tmp_path / "card.json").write_bytes(content)
    with pytest.raises(DamagedFileError, match=r"Expected .*card.json to be whole.*: delete it\.$"):
        read_json(tmp_path / "card.json", remedy="delete it")


def test_a_user_without_a_home_has_a_cache_too(monkeypatch):
    monkeypatch.setattr(Path, "expanduser", _no_home)
    monkeypatch.delenv("XDG_CACHE_HOME", raising=False)
    assert not write_pack(
        cache_folder("faces") / "decoder" / "2px", *(np.zeros((1, 16), np.uint8),) * 2
    )


def _no_home(path):
    raise RuntimeError("Could not determine home directory.")
