"""Progress where there is no terminal, by a clock that is set by hand."""

import threading
import time

import pytest

from studies.engine import progress as module
from studies.engine.progress import progress_bar


@pytest.fixture
def clock():
    """Seconds, to be changed in place."""
    return [0.0]


def test_without_a_terminal_a_line_is_written_every_half_minute(capsys, clock):
    with progress_bar(shown=True, clock=lambda: clock[0]) as bar:
        faces = bar.add_task("faces", total=600)
        for second in range(95):
            clock[0] = float(second)
            bar.advance(faces, 2)
    said = capsys.readouterr()
    assert said.err.splitlines() == [
        "faces: 62 of 600, 2.1/s, 4 min left",
        "faces: 122 of 600, 2.0/s, 4 min left",
        "faces: 182 of 600, 2.0/s, 3 min left",
    ]
    assert said.out == ""


def test_the_line_is_of_the_task_that_has_just_got_on(capsys, clock):
    with progress_bar(shown=True, clock=lambda: clock[0]) as bar:
        bar.add_task("faces", total=8)
        clock[0] = 100.0
        gate = bar.add_task("net: gate", total=4)
        clock[0] = 140.0
        bar.advance(gate)
        bar.advance(gate)
    assert capsys.readouterr().err == "net: gate: 1 of 4, 1.5/min, 2 min left\n"


def test_progress_that_is_not_shown_is_silent(capsys, clock):
    with progress_bar(shown=False, clock=lambda: clock[0]) as bar:
        task = bar.add_task("faces", total=2)
        clock[0] = 1000.0
        bar.advance(task)
    assert capsys.readouterr().err == ""


def test_a_line_is_written_where_nothing_advances(capsys, monkeypatch):
    monkeypatch.setattr(module, "EVERY", 0.05)
    with progress_bar(shown=True) as bar:
        bar.add_task("faces", total=6)
        time.sleep(0.3)
    said = capsys.readouterr().err
    assert "faces: 0 of 6, 0 s so far" in said
    assert not [thread for thread in threading.enumerate() if thread.name == "progress lines"]
