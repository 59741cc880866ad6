import numpy as np
import pytest
import torch
from skimage.transform import PiecewiseAffineTransform, SimilarityTransform

from fer_xai.errors import InputError
from fer_xai.landmarks import FRAME, canonical_landmarks, register
from fer_xai.landmarks.registration import similarity_transforms
from fer_xai.landmarks.template import INNER, MIRROR

TEMPLATE = canonical_landmarks()


def _placed(angle, scale, shift):
    move = SimilarityTransform(rotation=np.deg2rad(angle), scale=scale, translation=shift)
    return move(TEMPLATE).astype(np.float32)[None], move


def test_template_is_symmetric():
    mirrored = TEMPLATE[MIRROR].copy()
    mirrored[:, 0] = 63 - mirrored[:, 0]
    assert mirrored == pytest.approx(TEMPLATE, abs=1e-4)
    assert (MIRROR[MIRROR] == np.arange(68)).all()


def test_similarity_is_that_of_scikit_image():
    rng = np.random.default_rng(0)
    source = (TEMPLATE + rng.normal(0, 3, (4, 68, 2))).astype(np.float32)
    found = similarity_transforms(source[:, INNER], TEMPLATE[INNER])
    for points, matrix in zip(source, found, strict=True):
        reference = SimilarityTransform.from_estimate(points[INNER], TEMPLATE[INNER])
        assert matrix == pytest.approx(reference.params[:2], abs=1e-4)


def test_landmarks_come_to_lie_on_the_template():
    """A dot drawn at a landmark is found at its canonical place."""
    landmarks, _ = _placed(8, 0.9, (6, 2))
    for kind in ("similarity", "affine"):
        registration = register(landmarks, size=64, kind=kind)
        for point in (30, 36, 48, 54):
            x, y = np.meshgrid(np.arange(64), np.arange(64))
            px, py = landmarks[0, point]
            dot = np.exp(-((x - px) ** 2 + (y - py) ** 2) / 8).astype(np.float32)
            warped = registration.apply(torch.from_numpy(dot)[None])[0].numpy()
            centroid = [(warped * g).sum() / warped.sum() for g in (x, y)]
            assert centroid == pytest.approx(TEMPLATE[point], abs=0.15)


def test_identity_leaves_maps_alone_and_none_is_identity_at_frame_size():
    maps = torch.rand(2, 3, FRAME, FRAME)
    for kind in ("similarity", "affine", "none"):
        registration = register(np.stack([TEMPLATE, TEMPLATE]), size=FRAME, kind=kind)
        assert torch.allclose(registration.apply(maps), maps, atol=1e-4)
        assert registration.valid.all()


def test_piecewise_affine_is_that_of_scikit_image():
    rng = np.random.default_rng(1)
    landmarks = (TEMPLATE + rng.normal(0, 1.0, (68, 2))).astype(np.float32)[None]
    registration = register(landmarks, size=FRAME, kind="affine")
    reference = PiecewiseAffineTransform.from_estimate(TEMPLATE, landmarks[0])
    inside = [(32, 40), (20, 30), (45, 30), (32, 50), (32, 22)]
    for x, y in inside:
        expected = reference(np.array([[x, y]], dtype=float))[0]
        assert registration.grid[0, y, x].numpy() == pytest.approx(expected, abs=0.05)


def test_a_flipped_face_registers_to_the_flipped_map():
    landmarks, _ = _placed(5, 0.95, (3, 1))
    maps = torch.rand(1, 64, 64)
    mirrored = landmarks[:, MIRROR].copy()
    mirrored[..., 0] = 63 - mirrored[..., 0]
    one = register(landmarks, size=64).apply(maps)
    two = register(mirrored.astype(np.float32), size=64).apply(maps.flip(-1))
    assert torch.allclose(one, two.flip(-1), atol=1e-3)


def test_faces_without_landmarks_are_nan_and_known_says_so():
    landmarks = np.stack([TEMPLATE, np.full((68, 2), np.nan, np.float32)])
    registration = register(landmarks, size=64)
    assert registration.known.tolist() == [True, False]
    out = registration.apply(torch.rand(2, 64, 64))
    assert torch.isfinite(out[0]).all()
    assert torch.isnan(out[1]).all()
    assert register(landmarks, size=64, kind="none").known.all()


def test_the_mask_leaves_out_what_lies_beyond_the_images():
    landmarks, _ = _placed(0, 1.2, (-6.5, -6.5))
    mask = register(np.repeat(landmarks, 200, axis=0), size=64).mask
    whole = register(TEMPLATE[None], size=64).mask
    assert 0 < mask.sum() < whole.sum()
    assert not (mask & ~whole).any()


def test_bad_input():
    with pytest.raises(InputError, match="Expected registration similarity, affine or none"):
        register(TEMPLATE[None], size=64, kind="thin-plate")
    with pytest.raises(InputError, match="Expected landmarks for some faces, got none"):
        register(np.full((2, 68, 2), np.nan, np.float32), size=64)
    with pytest.raises(InputError, match="Expected 1 maps of side 64"):
        register(TEMPLATE[None], size=64).apply(torch.rand(1, 32, 32))
