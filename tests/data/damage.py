"""Ways to damage a list, each from a format and a random generator to bytes.

The groups at the end say what may be read of a list that was damaged so.
"""

import gzip
import re

import numpy as np

from tests.data.list_formats import Fer2013, Landmarks, Rafdb


def _text(form):
    return "\n".join(form.rows) + "\n"


def whole_list(form):
    return _text(form).encode()


def _blind(form, old, new=b""):
    """Whether an edit is one that nobody could notice: digits of cells, or a name."""
    digits = rb"[0-9.+\-eE_]*"
    return bool(re.fullmatch(digits, old) and re.fullmatch(digits, new))


def _edit(form, rng, *, most_out, most_in):
    """Replace some bytes at one place by random ones, near a cell's edge half of the time."""
    data = whole_list(form)
    edges = [m.start() for m in re.finditer(rb"[^0-9 ]", data)]
    while True:
        place = int(rng.choice(edges) if rng.random() < 0.5 else rng.integers(len(data)))
        old = data[place : place + int(rng.integers(most_out + 1))]
        new = rng.integers(0, 256, int(rng.integers(most_in + 1)), dtype=np.uint8).tobytes()
        if (old or new) and not _blind(form, old, new):
            return data[:place] + new + data[place + len(old) :]


def flip(form, rng):
    data = bytearray(whole_list(form))
    for _ in range(rng.integers(1, 4)):
        while True:
            place = int(rng.integers(len(data)))
            new = int(rng.integers(256))
            if not _blind(form, bytes([data[place]]), bytes([new])):
                data[place] = new
                break
    return bytes(data)


def delete(form, rng):
    return _edit(form, rng, most_out=8, most_in=0)


def insert(form, rng):
    return _edit(form, rng, most_out=0, most_in=4)


def replace(form, rng):
    return _edit(form, rng, most_out=4, most_in=4)


def truncate(form, rng):
    data = whole_list(form)
    return data[: rng.integers(len(data))]


def delete_row(form, rng):
    rows = list(form.rows)
    del rows[rng.integers(len(rows))]
    return ("\n".join(rows) + "\n").encode()


def join_rows(form, rng):
    place = int(rng.integers(1, len(form.rows)))
    return ("\n".join(form.rows[:place]) + "\n".join(form.rows[place:])).encode()


def double_row(form, rng):
    rows = list(form.rows)
    rows.insert(
        int(rng.integers(form.header, len(rows))), rows[rng.integers(form.header, len(rows))]
    )
    return "\n".join(rows).encode()


def contradict_row(form, rng):
    """A row again with another code, or with the points of another face."""
    rows = list(form.rows)
    one, two = rng.choice(np.arange(form.header, len(rows)), 2, replace=False)
    if form is Fer2013:
        return swap_in_row(form, rng)  # it has no names
    if form is Landmarks:
        rows.append(rows[one].split(",")[0] + "," + rows[two].split(",", 1)[1])
    else:
        name, code = rows[one].rsplit(form.separator, 1)
        other = rng.choice([c for c in form.codes if c != int(code)])
        rows.insert(int(rng.integers(len(rows))), f"{name}{form.separator}{other}")
    return "\n".join(rows).encode()


def byte_order_mark(form, rng):
    return b"\xef\xbb\xbf" + whole_list(form)


def two_marks(form, rng):
    return b"\xef\xbb\xbf\xef\xbb\xbf" + whole_list(form)


def foreign_mark(form, rng):
    mark = [b"\xff\xfe", b"\xfe\xff", b"\xff\xfe\0\0", b"\0\0\xfe\xff"][rng.integers(4)]
    return mark + whole_list(form)


def utf16(form, rng):
    return _text(form).encode(["utf-16", "utf-32"][rng.integers(2)])


def utf16_unmarked(form, rng):
    return _text(form).encode(["utf-16-le", "utf-16-be"][rng.integers(2)])


def utf16_cut(form, rng):
    data = _text(form).encode("utf-16")
    return data[: rng.integers(2, len(data))]


def line_ends(form, rng):
    return (
        _text(form).replace("\n", ["\r\n", "\r", "\n\n", " \n", "\t\r\n"][rng.integers(5)]).encode()
    )


def latin1(form, rng):
    rows = list(form.rows)
    place = int(rng.integers(len(rows)))
    rows[place] = "é" + rows[place]
    return "\n".join(rows).encode("latin-1")


def swap_in_row(form, rng):
    """The first and the last cell of one row change places."""
    rows = list(form.rows)
    place = int(rng.integers(len(rows)))
    cells = rows[place].split(form.separator, 1 if form is Rafdb else -1)
    cells[0], cells[-1] = cells[-1], cells[0]
    rows[place] = form.separator.join(cells)
    return "\n".join(rows).encode()


def swap_columns(form, rng):
    rows = [row.split(form.separator, 1 if form is Rafdb else -1) for row in form.rows]
    for cells in rows:
        cells[0], cells[-1] = cells[-1], cells[0]
    return "\n".join(form.separator.join(cells) for cells in rows).encode()


def shuffle_rows(form, rng):
    rows = rng.permutation(form.rows[form.header :])
    return "\n".join([*form.rows[: form.header], *rows]).encode()


def another_order(form, rng):
    """All codes one up or down; landmarks have none: one number becomes absurd."""
    if form is Landmarks:
        rows = list(form.rows)
        cells = rows[2].split(",")
        cells[rng.integers(1, 137)] = ["1e9", "inf", "-inf", "1e300", "-123456", "0x1", "1_0"][
            rng.integers(7)
        ]
        rows[2] = ",".join(cells)
        return "\n".join(rows).encode()
    by = int(rng.choice([-1, 1]))
    return _recoded(form, lambda code: code + by)


def code_out_of_range(form, rng):
    if form is Landmarks:
        return another_order(form, rng)
    one = int(rng.choice([0, 2, 4, 6] if form is Fer2013 else form.codes))  # one that occurs
    return _recoded(form, lambda code: int(rng.choice([-1, 8, 9, 70])) if code == one else code)


def _recoded(form, change):
    rows = list(form.rows)
    for index in range(form.header, len(rows)):
        if form is Fer2013:
            code, rest = rows[index].split(",", 1)
            rows[index] = f"{change(int(code))},{rest}"
        else:
            name, code = rows[index].rsplit(form.separator, 1)
            rows[index] = f"{name}{form.separator}{change(int(code))}"
    return "\n".join(rows).encode()


def quote(form, rng):
    data = whole_list(form)
    place = int(rng.integers(len(data)))
    return data[:place] + b'"' + data[place:]


def zipped(form, rng):
    return gzip.compress(whole_list(form), mtime=0)


def zip_flipped(form, rng):
    data = bytearray(zipped(form, rng))
    for place in rng.integers(len(data), size=rng.integers(1, 4)):
        data[place] ^= int(rng.integers(1, 256))
    return bytes(data)


def zip_cut(form, rng):
    data = zipped(form, rng)
    return data[: rng.integers(2, len(data))]


RIGHT = [byte_order_mark, utf16, line_ends, shuffle_rows, zipped]
"""Read as if nothing had been done."""
REFUSED = [another_order, code_out_of_range, utf16_unmarked, latin1, zip_cut]
"""Answered by a sentence, whether bad rows are skipped or not."""
LOSING = [truncate, delete_row, utf16_cut, delete, replace, insert, flip, quote]
"""May lose rows in silence: a list that ends early, or whose row ends early, is a list."""
REST = [
    join_rows,
    double_row,
    contradict_row,
    two_marks,
    foreign_mark,
    swap_in_row,
    swap_columns,
    zip_flipped,
]
