"""Built-in faces are slow to draw: the trainings of one process share them."""

import pytest

from tests.training.run_training import faces_read_once


@pytest.fixture(scope="session", autouse=True)
def drawn_once():
    with faces_read_once():
        yield
