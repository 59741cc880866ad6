"""Action units of built-in faces: what is shown, and what is put at rest."""

import dataclasses

import numpy as np
import pytest

from fer_xai.data.synthetic import AUS, PARTS, bayes_accuracy, render, sample
from fer_xai.data.synthetic.action_units import AU_PARTS, PROTOTYPES, sample_intensities
from fer_xai.emotions import SIX
from fer_xai.errors import InputError
from tests.data.datasets.drawn_faces import FIELDS, dilated, frontal, parts_mask


class TestNeutralised:
    @pytest.mark.parametrize("unit", AUS)
    def test_a_unit_changes_pixels_where_it_shows(self, unit):
        params = frontal(sample(12, style="lab", seed=5)[0])
        units = params.action_units.copy()
        units[:, AUS.index(unit)] = 0.8
        shown = dataclasses.replace(params, action_units=units)
        with_it, without = render(shown), render(shown.neutralised(aus=[unit]))
        change = np.abs(with_it.images.astype(float) - without.images).mean(axis=3)
        inside = dilated(
            parts_mask(with_it, *AU_PARTS[unit]) | parts_mask(without, *AU_PARTS[unit]), 2
        )
        assert change[inside].sum() > 0.75 * change.sum()
        assert change[inside].mean() > 20 * change[~inside].mean()
        for name in AU_PARTS[unit]:
            assert change[parts_mask(with_it, name)].mean() > 10 * change[~inside].mean()

    def test_a_unit_at_rest_leaves_the_image_identical(self):
        params, _, _ = sample(4, style="wild")
        rest = params.neutralised(aus=[12])
        again = rest.neutralised(aus=[12])
        assert np.array_equal(render(rest).images, render(again).images)
        assert np.array_equal(render(params.neutralised()).images, render(params).images)

    def test_parts_name_all_units_that_show_in_them(self):
        params, _, _ = sample(6)
        before = params.action_units.copy()
        resting = params.neutralised(aus=[9], parts=["mouth"])
        for index, unit in enumerate(AUS):
            if unit == 9 or "mouth" in AU_PARTS[unit]:
                assert (resting.action_units[:, index] == 0).all()
            else:
                assert np.array_equal(resting.action_units[:, index], before[:, index])
        assert np.array_equal(params.action_units, before)  # the faces handed in stay
        for name in set(FIELDS) - {"action_units"}:
            assert getattr(resting, name) is getattr(params, name)

    def test_unknown_units_and_parts_are_answered(self):
        params, _, _ = sample(1)
        with pytest.raises(
            InputError, match=r"Expected action units among \(1, 2, .*26\), got 3\."
        ):
            params.neutralised(aus=[12, 3])
        with pytest.raises(InputError, match="Expected parts among brows, cheeks, .*, got 'ears'"):
            params.neutralised(parts=["ears"])

    def test_every_unit_shows_in_parts_that_exist(self):
        assert set(AU_PARTS) == set(AUS)
        assert {part for parts in AU_PARTS.values() for part in parts} <= set(PARTS)
        assert {unit for units in PROTOTYPES.values() for unit in units} <= set(AUS)


class TestDisplays:
    def test_the_ideal_observer_is_good_but_not_perfect(self):
        accuracy, recall = bayes_accuracy(6000)
        assert 0.85 < accuracy < 0.995
        assert list(recall) == list(SIX)
        assert np.mean(list(recall.values())) == pytest.approx(accuracy)
        assert bayes_accuracy(6000) == (accuracy, recall)
        assert bayes_accuracy(6000, seed=1)[0] == pytest.approx(accuracy, abs=0.02)

    def test_the_ideal_observer_beats_the_nearest_prototype(self):
        n = 3000
        labels = np.arange(n) % len(SIX)
        uniforms = np.random.default_rng(0).random((n, 1 + 2 * len(AUS)))
        shown = sample_intensities(labels, uniforms)
        assert (shown >= 0).all()
        assert (shown <= 1).all()
        prototypes = np.array([[PROTOTYPES[name].get(unit, 0) for unit in AUS] for name in SIX])
        distance = ((shown[:, None] - 0.6 * prototypes) ** 2).sum(axis=2)
        nearest = (distance.argmin(axis=1) == labels).mean()
        assert 1 / 6 < nearest < bayes_accuracy(n)[0]

    @pytest.mark.parametrize("emotion", SIX)
    def test_prototypes_are_what_is_sampled(self, emotion):
        """Units of the prototype are strong as often as it says, the others hardly ever."""
        uniforms = np.random.default_rng(1).random((4000, 1 + 2 * len(AUS)))
        shown = sample_intensities(np.full(4000, SIX.index(emotion)), uniforms)
        often = (shown > 0.2).mean(axis=0)
        for unit, share in zip(AUS, often, strict=True):
            assert share == pytest.approx(PROTOTYPES[emotion].get(unit, 0.04), abs=0.05)
