"""Bars of long calls: late, on terminals alone, one at a time."""

import io

import pytest
import torch
from rich.console import Console

import fer_xai
import metrics
from fer_xai import progress
from fer_xai.progress import counted, silent
from tests.helpers import tiny_model


@pytest.fixture
def written(monkeypatch):
    """What goes to standard error, a terminal; a call is long at once."""
    monkeypatch.setattr(progress, "AFTER", 0.0)
    made = io.StringIO()

    def terminal(*, error):
        assert error
        return Console(file=made, force_terminal=True, _environ={"TERM": "xterm"})

    monkeypatch.setattr(progress, "terminal", terminal)
    return made


def test_long_calls_show_a_bar_on_a_terminal(written):
    model, images = tiny_model(), torch.rand(3, 3, 64, 64)
    found = fer_xai.explain(model, images, targets="fear")
    assert "images explained" in written.getvalue()
    assert "3/3" in written.getvalue()
    metrics.evaluate(model, images, found, ["gini"])
    assert "faces scored" in written.getvalue()


def test_nothing_is_shown_elsewhere(monkeypatch, capsys):
    monkeypatch.setattr(progress, "AFTER", 0.0)
    fer_xai.explain(tiny_model(), torch.rand(2, 3, 64, 64))
    assert capsys.readouterr() == ("", "")


def test_short_calls_show_none(written, monkeypatch):
    monkeypatch.setattr(progress, "AFTER", 60.0)
    fer_xai.explain(tiny_model(), torch.rand(2, 3, 64, 64))
    assert not written.getvalue()


def test_bars_can_be_left_out(written):
    model, images = tiny_model(), torch.rand(2, 3, 64, 64)
    found = fer_xai.explain(model, images, progress=False)
    metrics.evaluate(model, images, found, ["gini"], progress=None)
    with silent():
        fer_xai.explain(model, images)
    assert not written.getvalue()


def test_calls_within_a_call_have_none(written):
    with counted("outer", 4) as outer:
        with counted("inner", 2) as inner:
            inner(2)
        outer(1)
    assert "outer" in written.getvalue()
    assert "inner" not in written.getvalue()
    with counted("next", 1) as advance:
        advance(1)
    assert "next" in written.getvalue()


def test_a_call_that_fails_takes_its_bar_away(written):
    with pytest.raises(ZeroDivisionError), counted("first", 2) as advance:
        advance(1 // 0)
    with counted("second", 2) as advance:
        advance(1)
    assert "second" in written.getvalue()


def test_a_function_is_told_of_each_batch():
    model, images, told = tiny_model(), torch.rand(5, 3, 64, 64), []
    predictor = fer_xai.Predictor(model, device="cpu", batch_size=2)
    found = fer_xai.explain(predictor, images, targets="fear", progress=told.append)
    assert told == [2, 2, 1]
    metrics.evaluate(model, images, found, ["gini"], chunk=3, progress=told.append)
    assert told[3:] == [3, 2]
