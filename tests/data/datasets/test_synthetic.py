import dataclasses

import numpy as np
import pytest
import torch
from scipy.ndimage import binary_dilation
from torch.nn import functional as F

from fer_xai.data import load_dataset
from fer_xai.data.datasets.synthetic import SPLIT_SIZES, synthetic_faces
from fer_xai.data.synthetic import AUS, PARTS, STYLES, bayes_accuracy, render, sample
from fer_xai.data.synthetic.action_units import AU_PARTS, PROTOTYPES, sample_intensities
from fer_xai.data.synthetic.contact_sheet import contact_sheet
from fer_xai.data.synthetic.head import build, project, surface
from fer_xai.data.synthetic.params import FaceParams
from fer_xai.data.synthetic.render import face_landmarks
from fer_xai.data.synthetic.sampler import FACES_PER_SUBJECT
from fer_xai.emotions import EMOTIONS, SEVEN, SIX
from fer_xai.errors import InputError, UnknownNameError

FIELDS = [field.name for field in dataclasses.fields(FaceParams)]
MOMENT = {
    "action_units",
    "texture",
    "yaw",
    "pitch",
    "roll",
    "scale",
    "shift",
    "light",
    "ambient",
    "background",
    "clutter",
    "grey",
    "resolution",
    "blur",
    "noise",
    "exposure",
    "contrast",
    "warmth",
}
IDENTITY = [name for name in FIELDS if name not in MOMENT]


def _frontal(params):
    """The same faces, head on and without noise."""
    zero = np.zeros(len(params))
    return dataclasses.replace(params, yaw=zero, pitch=zero, roll=zero, noise=zero)


def _with(params, unit, intensity):
    """The same faces at rest but for one action unit."""
    units = np.zeros_like(params.action_units)
    units[:, AUS.index(unit)] = intensity
    return dataclasses.replace(params, action_units=units)


def _near(masks, radius):
    return np.stack([binary_dilation(mask, iterations=radius) for mask in masks])


def _part(rendered, *names):
    return rendered.parts[:, [PARTS.index(name) for name in names]].any(axis=1)


def _nearly_equal(one, other):
    """Sums of float32 in another order may round a pixel in ten thousand to the next level."""
    difference = np.abs(one.astype(int) - other)
    return difference.max() <= 1 and (difference > 0).mean() < 1e-4


class TestSequence:
    def test_a_face_is_the_same_whatever_n_and_start(self):
        everything, labels, subjects = sample(40, style="wild", seed=3)
        part, part_labels, part_subjects = sample(9, style="wild", seed=3, start=17)
        for name in FIELDS:
            assert np.array_equal(getattr(everything, name)[17:26], getattr(part, name)), name
        assert np.array_equal(labels[17:26], part_labels)
        assert np.array_equal(subjects[17:26], part_subjects)

    @pytest.mark.parametrize("change", [{"seed": 1}, {"split": "test"}, {"style": "studio"}])
    def test_seeds_splits_and_styles_are_other_sequences(self, change):
        base, _, _ = sample(6)
        other, _, _ = sample(6, **change)
        assert not np.isclose(base.jaw, other.jaw).any()
        assert not np.isclose(base.texture, other.texture).any()

    def test_classes_take_turns(self):
        _, labels, _ = sample(62)
        assert labels[:6].tolist() == list(range(6))
        assert set(np.bincount(labels)) == {10, 11}
        _, labels, _ = sample(21, emotions=SEVEN)
        assert np.bincount(labels).tolist() == [3] * 7
        _, labels, _ = sample(4, emotions=["afraid", "Ha"])
        assert [EMOTIONS[i] for i in labels] == ["fear", "happiness"] * 2

    def test_a_person_shows_every_emotion_alike_and_keeps_their_looks(self):
        params, labels, subjects = sample(3 * FACES_PER_SUBJECT)
        assert np.bincount(subjects).tolist() == [FACES_PER_SUBJECT] * 3
        for person in range(3):
            mine = subjects == person
            assert set(np.bincount(labels[mine])) == {2}
            for name in IDENTITY:
                values = getattr(params, name)[mine]
                assert (values == values[0]).all(), name
            assert len(np.unique(params.yaw[mine])) == FACES_PER_SUBJECT

    def test_splits_share_no_person(self):
        looks = [
            {tuple(row) for row in np.column_stack([params.skin, params.jaw, params.chin])}
            for params, _, _ in (sample(60, split=split) for split in SPLIT_SIZES)
        ]
        assert [len(group) for group in looks] == [5, 5, 5]
        assert len(set.union(*looks)) == 15

    def test_no_faces_are_no_faces(self):
        params, labels, subjects = sample(0)
        assert len(params) == len(labels) == len(subjects) == 0
        rendered = render(params, size=32)
        assert rendered.images.shape == (0, 32, 32, 3)
        assert rendered.landmarks.shape == (0, 68, 2)
        assert rendered.parts.shape == (0, len(PARTS), 32, 32)

    def test_wrong_names_are_answered(self):
        with pytest.raises(UnknownNameError, match=r"Expected a style .*studio, wild.*got 'wilde'"):
            sample(1, style="wilde")
        with pytest.raises(UnknownNameError, match=r"Expected an emotion .*got 'bliss'"):
            sample(1, emotions=["bliss"])
        for emotions in (["contempt"], []):
            with pytest.raises(InputError, match="Expected emotions among the six basic ones and"):
                sample(1, emotions=emotions)
        with pytest.raises(InputError, match="Expected a number of faces of at least 0, got -1"):
            sample(-1)


class TestPixels:
    @pytest.mark.parametrize("style", STYLES)
    @pytest.mark.parametrize("size", [16, 17, 48, 64, 224])
    def test_every_style_renders_at_every_size(self, style, size):
        params, _, _ = sample(2, style=style, seed=size)
        rendered = render(params, size=size)
        assert rendered.images.dtype == np.uint8
        assert rendered.images.shape == (2, size, size, 3)
        assert (rendered.images.std(axis=(1, 2, 3)) > 12).all()
        assert np.isfinite(rendered.landmarks).all()
        assert (rendered.landmarks > -0.2 * size).all()
        assert (rendered.landmarks < 1.2 * size).all()
        assert (rendered.parts.sum(axis=1) == 1).all()
        assert np.array_equal(face_landmarks(params, size=size), rendered.landmarks)

    @pytest.mark.parametrize("style", STYLES)
    def test_grey_styles_are_grey_and_the_others_are_not(self, style):
        images = render(sample(4, style=style)[0], size=32).images
        grey = np.ptp(images, axis=3).max() == 0
        assert grey == STYLES[style].grey

    def test_one_by_one_is_all_at_once_in_any_order(self):
        params, _, _ = sample(6, style="wild")
        together = render(params).images
        alone = np.concatenate([render(params[i : i + 1]).images for i in range(6)])
        assert _nearly_equal(together, alone)
        assert _nearly_equal(together, render(params[np.arange(6)[::-1]]).images[::-1])

    def test_a_face_does_not_feel_the_blur_of_its_neighbours(self):
        params, _, _ = sample(2, style="studio")
        params = dataclasses.replace(params, blur=np.array([2.0, 6.0]) / 64)
        assert _nearly_equal(render(params).images[:1], render(params[:1]).images)

    @pytest.mark.parametrize("style", ["studio", "lab"])
    def test_a_large_face_made_small_is_the_small_face(self, style):
        params, _, _ = sample(3, style=style)
        params = dataclasses.replace(params, noise=np.zeros(3))
        large = torch.from_numpy(render(params, size=224).images).permute(0, 3, 1, 2).float()
        made_small = F.interpolate(large, size=64, mode="bilinear", antialias=True).numpy()
        small = render(params, size=64).images.transpose(0, 3, 1, 2)
        for one, other in zip(made_small, small, strict=True):
            assert np.corrcoef(one.ravel(), other.ravel())[0, 1] > 0.97

    def test_the_smallest_size_is_named(self):
        with pytest.raises(InputError, match="Expected a size of at least 16 pixels, got 15"):
            render(sample(1)[0], size=15)

    def test_contact_sheets_have_a_cell_for_every_emotion_and_style(self):
        sheet = contact_sheet(size=16, faces=1)
        assert sheet.mode == "RGB"
        assert sheet.size == (92 + len(STYLES) * (16 + 8), 30 + len(SIX) * (16 + 8))
        pixels = np.asarray(sheet)
        for row in range(len(SIX)):
            for column in range(len(STYLES)):
                top, left = 30 + row * 24, 92 + column * 24
                assert pixels[top : top + 16, left : left + 16].std() > 10
                assert (pixels[top : top + 16, left + 16 : left + 24] == 255).all()


class TestLandmarks:
    def test_sizes_agree_on_where_a_point_is(self):
        params, _, _ = sample(6)
        shares = [(face_landmarks(params, size=s) + 0.5) / s for s in (16, 64, 224)]
        for share in shares[1:]:
            np.testing.assert_allclose(share, shares[0], atol=1e-5)

    @pytest.mark.parametrize(
        ("part", "points"),
        [
            ("brows", range(17, 27)),
            ("nose", range(28, 36)),
            ("eyes", range(36, 48)),
            ("mouth", range(48, 68)),
        ],
    )
    def test_points_lie_in_their_parts(self, part, points):
        rendered = render(_frontal(sample(12, style="lab")[0]), size=96)
        near = _near(_part(rendered, part), 1)
        for face, mask in enumerate(near):
            x, y = rendered.landmarks[face, list(points)].round().astype(int).T
            assert mask[y, x].all()
        own = np.zeros(len(PARTS))  # and without the pixel of tolerance nearly all do
        for face in range(12):
            x, y = rendered.landmarks[face, list(points)].round().astype(int).T
            own += rendered.parts[face][:, y, x].sum(axis=1)
        assert own.argmax() == PARTS.index(part)

    def test_the_jaw_is_the_rim_of_the_face(self):
        rendered = render(_frontal(sample(6, style="lab")[0]), size=96)
        off = _part(rendered, "off_face")
        rim = _near(off, 3) & _near(~off, 3)
        for face in range(6):
            x, y = rendered.landmarks[face, 2:15].round().astype(int).T
            assert rim[face, y, x].all()

    def test_a_symmetric_face_has_symmetric_points(self):
        params = _frontal(sample(5)[0])
        params = dataclasses.replace(
            params,
            shift=np.zeros((5, 2)),
            action_units=params.action_units.mean(axis=2, keepdims=True).repeat(2, axis=2),
        )
        points = face_landmarks(params, size=64)
        mirror = [
            *range(16, -1, -1),
            *range(26, 16, -1),
            *range(27, 31),
            *range(35, 30, -1),
            45,
            44,
            43,
            42,
            47,
            46,
            39,
            38,
            37,
            36,
            41,
            40,
            *range(54, 47, -1),
            *range(59, 54, -1),
            *range(64, 59, -1),
            67,
            66,
            65,
        ]
        mirrored = points[:, mirror] * [-1, 1] + [63, 0]
        np.testing.assert_allclose(points, mirrored, atol=1e-3)

    def test_what_is_projected_is_seen_where_it_was(self):
        """Tracing a pixel back to the head undoes the projection, at any pose."""
        params, _, _ = sample(8, style="wild")
        head = build(params)
        rng = np.random.default_rng(0)
        u, v = (torch.from_numpy(rng.uniform(-0.4, 0.4, (8, 50))).float() for _ in range(2))
        seen_u, seen_v, _, margin = surface(*project(u, v, head), head)
        assert (margin > 0).all()
        torch.testing.assert_close(seen_u, u, atol=2e-4, rtol=0)
        torch.testing.assert_close(seen_v, v, atol=2e-4, rtol=0)

    @pytest.mark.parametrize(
        ("unit", "points", "axis", "sign"),
        [
            (1, [21, 22], 1, -1),  # inner brows rise
            (2, [17, 26], 1, -1),  # outer brows rise
            (4, [21, 22], 1, +1),  # brows fall
            (5, [37, 38, 43, 44], 1, -1),  # upper lids rise
            (6, [40, 41, 46, 47], 1, -1),  # cheeks push the lower lids up
            (7, [37, 38, 43, 44], 1, +1),  # lids tighten
            (9, [31, 35], 1, -1),  # the nose wrinkles
            (10, [61, 63], 1, -1),  # the upper lip rises
            (12, [48, 54], 1, -1),  # corners rise
            (12, [54], 0, +1),  # and widen
            (15, [48, 54], 1, +1),  # corners fall
            (16, [57], 1, +1),  # the lower lip falls
            (17, [57], 1, -1),  # the chin pushes it up
            (20, [54], 0, +1),  # lips stretch
            (23, [54], 0, -1),  # lips tighten
            (25, [66], 1, +1),  # lips part
            (26, [8, 57, 66], 1, +1),  # the jaw drops
        ],
    )
    def test_action_units_move_what_they_are_named_for(self, unit, points, axis, sign):
        params = _frontal(sample(4)[0])
        rest = face_landmarks(_with(params, unit, 0.0), size=64)
        moved = face_landmarks(_with(params, unit, 0.8), size=64)
        assert ((moved - rest)[:, points, axis] * sign > 0.2).all()


class TestNeutralised:
    @pytest.mark.parametrize("unit", AUS)
    def test_a_unit_changes_pixels_where_it_shows(self, unit):
        params = _frontal(sample(12, style="lab", seed=5)[0])
        units = params.action_units.copy()
        units[:, AUS.index(unit)] = 0.8
        shown = dataclasses.replace(params, action_units=units)
        with_it, without = render(shown), render(shown.neutralised(aus=[unit]))
        change = np.abs(with_it.images.astype(float) - without.images).mean(axis=3)
        inside = _near(_part(with_it, *AU_PARTS[unit]) | _part(without, *AU_PARTS[unit]), 2)
        assert change[inside].sum() > 0.75 * change.sum()
        assert change[inside].mean() > 20 * change[~inside].mean()
        for name in AU_PARTS[unit]:
            assert change[_part(with_it, name)].mean() > 10 * change[~inside].mean()

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


class TestDataset:
    @pytest.mark.parametrize("style", STYLES)
    def test_styles_are_datasets(self, style):
        faces = load_dataset(f"synthetic:{style}", split="valid", limit=6)
        assert faces.table["emotion"].value_counts().eq(1).all()
        assert set(faces.table["source"]) == {f"synthetic-{style}"}
        assert all(name.startswith(f"{style}-valid-") for name in faces.ids)

    def test_wild_is_the_default_and_sizes_are_fixed(self):
        faces = load_dataset("synthetic", split="test")
        assert (faces.name, len(faces)) == ("synthetic", SPLIT_SIZES["test"])
        assert faces.ids == load_dataset("synthetic", root="wild", split="test").ids
        assert faces.table["emotion"].value_counts().tolist() == [100] * 6
        assert faces.table["subject"].value_counts().eq(FACES_PER_SUBJECT).all()

    def test_pixels_and_landmarks_do_not_depend_on_n_or_order(self):
        few, many = synthetic_faces(5, seed=2), synthetic_faces(70, seed=2)
        last = [many.read(i) for i in (69, 4, 0)]  # before all others
        assert _nearly_equal(few.pixels(64).numpy(), many.pixels(64)[:5].numpy())
        assert np.array_equal(last[1], many.read(4))
        assert np.array_equal(many.subset([69]).read(0), last[0])
        assert np.array_equal(few.landmarks, many.landmarks[:5])
        assert few.ids == many.ids[:5]

    def test_sizes_are_rendered_not_resized(self):
        faces = synthetic_faces(3, style="studio", size=96)
        assert faces.read(0).shape == (96, 96, 3)
        assert faces.images.shape == (3, 3, 96, 96)
        np.testing.assert_allclose(
            faces.landmarks_at(64), synthetic_faces(3, style="studio").landmarks, atol=1e-3
        )

    def test_wrong_names_are_answered(self):
        with pytest.raises(UnknownNameError, match="Expected a style of built-in faces .*'Wild'"):
            load_dataset("synthetic:Wild")
        with pytest.raises(InputError, match="Expected split train, valid or test for synthetic, "):
            load_dataset("synthetic", split="dev")
