import numpy as np
import pytest

from metrics.statistics.significance import holm


def test_holm_by_hand_and_nan_stays():
    assert holm([0.01, 0.04, 0.03, np.nan]) == pytest.approx(
        [0.03, 0.06, 0.06, np.nan], nan_ok=True
    )
    assert holm([0.6, 0.9]) == pytest.approx([1, 1])
