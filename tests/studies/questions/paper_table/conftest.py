"""Tiny nets under the names of the paper's, and one finished table, for all tests of this folder."""

import pytest

from tests.studies.questions.paper_table.small_tables import table
from tests.studies.tiny_trainings import tiny_nets


@pytest.fixture(scope="package", autouse=True)
def tiny_gimefive():
    with tiny_nets({"gimefive": True, "resnet18": False}):
        yield


@pytest.fixture(scope="package")
def finished(tmp_path_factory):
    folder = tmp_path_factory.mktemp("table")
    return folder, table(folder).run()
