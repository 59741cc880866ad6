"""Built-in faces as a sequence of people, and as a dataset."""

import numpy as np
import pytest

from fer_xai.data import load_dataset
from fer_xai.data.datasets.synthetic import SPLIT_SIZES, synthetic_faces
from fer_xai.data.synthetic import PARTS, STYLES, render, sample
from fer_xai.data.synthetic.sampler import FACES_PER_SUBJECT
from fer_xai.emotions import EMOTIONS, SEVEN
from fer_xai.errors import InputError, UnknownNameError
from tests.data.datasets.drawn_faces import FIELDS, nearly_equal

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
        with pytest.raises(
            UnknownNameError, match=r"Expected a style .*studio, wild.*did you mean wild"
        ):
            sample(1, style="wilde")
        with pytest.raises(UnknownNameError, match=r"Expected an emotion .*got 'bliss'"):
            sample(1, emotions=["bliss"])
        for emotions in (["contempt"], []):
            with pytest.raises(InputError, match="Expected emotions among the six basic ones and"):
                sample(1, emotions=emotions)
        with pytest.raises(InputError, match="Expected a number of faces of at least 0, got -1"):
            sample(-1)


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
        assert nearly_equal(few.pixels(64).numpy(), many.pixels(64)[:5].numpy())
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
