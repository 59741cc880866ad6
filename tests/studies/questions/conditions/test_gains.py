"""The endpoint of the study of conditions: gains in area, what they claim, and the answer."""

import numpy as np
import pandas as pd
import pytest
import torch

from studies.engine.other_persons import other_persons
from studies.questions.conditions import likeness, report
from studies.questions.conditions.tables import area, areas, curves, gains, table_of

SIDE, EMOTIONS = 6, 3


def planted(kept, *, faces=60, conditions=("blur",), seed=0, dull=0):
    """Rows of faces of which a share of the map is kept at each severity above 0.

    The ``dull`` last faces have maps of their own kind, which are blank under the condition.
    """
    rng = np.random.default_rng(seed)
    emotions = np.arange(faces) % EMOTIONS
    shapes = np.random.default_rng(99).normal(size=(EMOTIONS, SIDE**2))
    typical = np.where(np.arange(faces) < faces - dull, 1.0, 0.2)[:, None]
    clean = typical * shapes[emotions] + rng.normal(size=(faces, SIDE**2))
    ids = [f"face {k}" for k in range(faces)]
    others = other_persons(torch.from_numpy(emotions), ids).numpy()
    parts = []
    for condition in conditions:
        for severity, share in zip((0.0, 1.0, 2.0, 4.0), (1.0, kept, kept, kept), strict=True):
            noise = rng.normal(size=clean.shape)
            changed = share * clean + (1 - share) * noise
            changed[faces - dull :] *= severity == 0
            maps = [
                torch.from_numpy(one).float().reshape(faces, SIDE, SIDE) for one in (changed, clean)
            ]
            found = likeness.compared(*maps, maps[1][:1], others=others)
            facts = {"model": "net", "network": "net", "trained": True, "method": "gradcam"}
            facts |= {"condition": condition, "severity": severity, "label": f"{severity:g}"}
            facts |= {"id": ids, "explained": emotions.astype(str), "recognised": True}
            values = {"likeness": found.own, "other": found.other, "lent": found.lent}
            parts.append(pd.DataFrame(facts | values | {"centre": found.centre}))
    return pd.concat(parts, ignore_index=True), {face: face for face in ids}


def test_severity_0_is_not_in_the_area():
    table = pd.DataFrame({0.0: [1.0], 1.0: [0.5], 3.0: [0.1]})
    assert area(table).tolist() == pytest.approx([0.3])
    assert area(table[[0.0, 3.0]]).tolist() == [0.1]


def test_maps_that_are_noise_from_the_mildest_severity_on_gain_nothing():
    rows, clusters = planted(0.0, conditions=("blur", "jpeg", "noise"))
    found = areas(rows, clusters)
    assert (found["gain"].abs() < 0.03).all()
    assert (found["p"] > 0.05).all()
    assert (found["gain low"] < 0).all()
    answer = report._answer(found, curves(rows, clusters))
    assert "under no condition the map stays more like" in answer
    assert "it cannot be told under blur, jpeg and noise" in answer
    rows, clusters = planted(0.6)
    assert areas(rows, clusters)["gain low"].item() > 0.2


@pytest.mark.parametrize("dull", [0, 20])
def test_the_mean_gain_is_that_of_likeness_less_other_over_the_faces_that_have_both(dull):
    rows, clusters = planted(0.6, dull=dull)
    found = gains(rows)
    own, other, lent = (table_of(rows, name) for name in ("likeness", "other", "lent"))
    differences = area(own - other)
    assert found.notna().sum() == 60 - dull
    assert found.notna().equals(differences.notna())
    assert found.mean() == pytest.approx(differences.mean(), abs=1e-12)
    assert areas(rows, clusters)["gain"].item() == pytest.approx(differences.mean(), abs=1e-12)
    if dull:  # where it is centred over all faces, the mean is another one
        assert abs((differences - area(lent)).mean() - differences.mean()) > 0.01
    emotions = rows.drop_duplicates("id").set_index("id")["explained"]
    each = (found - differences).groupby(emotions).mean()
    np.testing.assert_allclose(each, 0, atol=1e-12)
    assert (found - differences).std() > 0.01


def test_faces_in_another_order_say_the_same():
    rows, clusters = planted(0.3, conditions=("blur", "jpeg"))
    order = np.random.default_rng(1).permutation(60)
    shuffled = pd.concat(part.iloc[order] for _, part in rows.groupby(["condition", "severity"]))
    pd.testing.assert_frame_equal(areas(shuffled, clusters), areas(rows, clusters), rtol=1e-12)


@pytest.mark.parametrize(("faces", "judged"), [(30, True), (20, False)])
def test_fewer_units_than_a_family_takes_are_judged_one_by_one(faces, judged):
    rows, clusters = planted(0.7, faces=faces, conditions=("blur", "jpeg", "noise"))
    found = areas(rows, clusters)
    assert (found["gain low"] > 0).all() == judged
    assert (found["p"] < 0.05).all() == judged
    answer = report._answer(found, curves(rows, clusters))
    assert ("under every condition the map stays more like" in answer) == judged
    assert ("cannot be judged: 20 units are too few" in answer) != judged
    assert ("For a judgement name more persons: a larger --limit, or" in answer) != judged


def told(*gains_of, p=0.001):
    return pd.DataFrame(
        {
            "model": "net",
            "method": "gradcam",
            "condition": ["blur", "jpeg", "noise"][: len(gains_of)],
            "gain": gains_of,
            "gain low": [gain - 0.05 for gain in gains_of],
            "gain high": [gain + 0.05 for gain in gains_of],
            "p": [p if abs(gain) > 0.05 else 0.5 for gain in gains_of],
            "reason": "",
        }
    )


@pytest.mark.parametrize(
    ("gains_of", "start"),
    [
        (
            (0.2, 0.3),
            "under every condition the map stays more like the clean face's own than like",
        ),
        ((-0.2, -0.3), "under every condition the map stays less like the clean face's own"),
        ((0.2, 0.0), "under blur the map stays more like"),
        ((0.2, -0.2, 0.0), "under blur the map stays more like"),
        ((0.0, -0.2), "under jpeg the map stays less like"),
        ((0.0, 0.01), "under no condition the map stays more like"),
    ],
)
def test_a_loss_is_said_as_such(gains_of, start):
    text = report._told(told(*gains_of))
    assert text.startswith(start)
    assert ("stays less" in text) == any(gain < -0.05 for gain in gains_of)
    assert ("cannot be told under" in text) == any(abs(gain) < 0.05 for gain in gains_of)


@pytest.mark.parametrize(
    ("after", "sentence"),
    [
        (1.0, "Recognition, 100 % when clean, falls under no condition at its worst."),
        (0.998, "Recognition falls most under blur (worst), from 100.0 to 99.8 %."),
        (0.5, "Recognition falls most under blur (worst), from 100 to 50 %."),
    ],
)
def test_a_fall_of_recognition_is_said_where_there_is_one(after, sentence):
    points = pd.DataFrame(
        {
            "condition": "blur",
            "severity": [0.0, 1.0],
            "label": ["clean", "worst"],
            "group": "all",
            "recognised": [1.0, after],
        }
    )
    assert report._lost(points) == sentence


@pytest.mark.parametrize(
    ("faces", "said"),
    [(40, "is 0.50 [0.40, 0.60] on the 8 %"), (10, "is 0.50 (10 faces, too few for an interval")],
)
def test_what_is_newly_right_and_few_faces_are_said(faces, said):
    worst = {"severity": 1.0, "label": "worst", "recognised": 0.17, "faces": faces}
    worst |= {"likeness": 0.5, "likeness low": 0.4, "likeness high": 0.6}
    clean = worst | {"severity": 0.0, "label": "clean", "group": "all", "recognised": 0.92}
    shares = {"all": 1.0, "still recognised": 0.08, "lost": 0.83}
    rows = [clean, *(worst | {"group": name, "share": share} for name, share in shares.items())]
    text = report._lost(pd.DataFrame(rows).assign(condition="blur"))
    assert (
        "from 92 to 17 % (8 % are recognised still, and 9 % newly: not when clean); there" in text
    )
    assert said in text
