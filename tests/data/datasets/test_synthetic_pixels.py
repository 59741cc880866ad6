"""Pixels and landmarks of built-in faces: one drawing, whatever its size."""

import dataclasses

import numpy as np
import pytest
import torch
from torch.nn import functional as F

from fer_xai.data.synthetic import PARTS, STYLES, render, sample
from fer_xai.data.synthetic.contact_sheet import contact_sheet
from fer_xai.data.synthetic.head import build, project, surface
from fer_xai.data.synthetic.render import face_landmarks
from fer_xai.emotions import SIX
from fer_xai.errors import InputError
from tests.data.datasets.drawn_faces import dilated, frontal, nearly_equal, parts_mask, with_unit


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
        assert nearly_equal(together, alone)
        assert nearly_equal(together, render(params[np.arange(6)[::-1]]).images[::-1])

    def test_a_face_does_not_feel_the_blur_of_its_neighbours(self):
        params, _, _ = sample(2, style="studio")
        params = dataclasses.replace(params, blur=np.array([2.0, 6.0]) / 64)
        assert nearly_equal(render(params).images[:1], render(params[:1]).images)

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
        rendered = render(frontal(sample(12, style="lab")[0]), size=96)
        near = dilated(parts_mask(rendered, part), 1)
        for face, mask in enumerate(near):
            x, y = rendered.landmarks[face, list(points)].round().astype(int).T
            assert mask[y, x].all()
        own = np.zeros(len(PARTS))  # and without the pixel of tolerance nearly all do
        for face in range(12):
            x, y = rendered.landmarks[face, list(points)].round().astype(int).T
            own += rendered.parts[face][:, y, x].sum(axis=1)
        assert own.argmax() == PARTS.index(part)

    def test_the_jaw_is_the_rim_of_the_face(self):
        rendered = render(frontal(sample(6, style="lab")[0]), size=96)
        off = parts_mask(rendered, "off_face")
        rim = dilated(off, 3) & dilated(~off, 3)
        for face in range(6):
            x, y = rendered.landmarks[face, 2:15].round().astype(int).T
            assert rim[face, y, x].all()

    def test_a_symmetric_face_has_symmetric_points(self):
        params = frontal(sample(5)[0])
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
        params = frontal(sample(4)[0])
        rest = face_landmarks(with_unit(params, unit, 0.0), size=64)
        moved = face_landmarks(with_unit(params, unit, 0.8), size=64)
        assert ((moved - rest)[:, points, axis] * sign > 0.2).all()
