"""2,000 damaged lists: each is answered by a sentence or read rightly, never with a shifted label.

Lists of RAF-DB and GiMeFive, fer2013.csv and landmark files are damaged in 25 ways, with 20 seeds
each, and read with and without skipping bad rows. Every face that is read is compared with the
untouched file. Edits that nobody could notice (one label in range for another, a digit of a
coordinate or of a name) are left out.
"""

import numpy as np
import pytest

from fer_xai.data.registry import Problems
from fer_xai.errors import InputError
from tests.data.damage import LOSING, REFUSED, REST, RIGHT, truncate, whole_list
from tests.data.list_formats import FORMATS, Landmarks

SEEDS = 20


@pytest.mark.parametrize("mutation", RIGHT + REFUSED + LOSING + REST, ids=lambda f: f.__name__)
@pytest.mark.parametrize("form", FORMATS, ids=lambda form: form.__name__)
def test_damaged_lists_are_read_rightly_or_answered(tmp_path, form, mutation):
    path = tmp_path / form.path
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(whole_list(form))
    truth = form.read(tmp_path, Problems(skip=False))
    assert len(truth) == len(form.rows) - form.header
    for seed in range(SEEDS):
        path.write_bytes(mutation(form, np.random.default_rng(seed)))
        for skip in (False, True):
            problems = Problems(skip=skip)
            read = _read(form, tmp_path, problems, right=mutation in RIGHT)
            shifted = {face for face in read if face in truth and read[face] != truth[face]}
            if mutation is truncate and form is Landmarks and read:  # the last number may end early
                last = list(read)[-1]
                assert read[last][:-1] == truth[last][:-1]
                shifted -= {last}
            assert not shifted, (seed, skip)
            assert not (mutation in REFUSED and read), (seed, skip)
            if mutation in RIGHT or (read and mutation not in LOSING and not problems.found):
                assert read == truth, (seed, skip)


def _read(form, root, problems, *, right):
    """What is read, nothing where a sentence came."""
    try:
        return form.read(root, problems)
    except InputError as error:
        sentence = str(error).replace(str(root), "")
    assert not right, sentence
    assert len(sentence) < 600
    assert "\n" not in sentence
    return {}
