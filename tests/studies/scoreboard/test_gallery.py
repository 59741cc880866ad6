"""The sheets of the documentation have a picture in every cell."""

import matplotlib.pyplot as plt
import numpy as np

from studies.scoreboard.gallery import FAMILIES, sheet


def test_every_control_has_a_map_for_every_face():
    figure = sheet("controls")
    axes = np.array(figure.axes).reshape(len(FAMILIES["controls"]) + 1, -1)
    assert axes.shape[1] == 12
    for row in axes[1:]:
        for axis in row:
            assert not np.ma.getmaskarray(axis.images[1].get_array()).any()
    plt.close(figure)
