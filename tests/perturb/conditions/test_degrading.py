"""Conditions of images: identity at 0, the same in every batch, and where landmarks come to lie."""

import pytest
import torch

from fer_xai.draws.streams import streams
from fer_xai.errors import InputError, UnknownNameError
from fer_xai.landmarks import canonical_landmarks
from fer_xai.perturb import CONDITIONS, degrade
from fer_xai.perturb.conditions import inside, moved_back, moved_points
from fer_xai.perturb.conditions.camera import Resolution
from fer_xai.perturb.conditions.light import linear_light, srgb

NAMES = ["anna", "ben", "carla"]
GEOMETRIC = ("shift", "margin", "tight", "rotation")


@pytest.fixture(scope="module")
def images():
    return streams((0, name, "pixels") for name in NAMES).rand(3, 64, 64)


def test_every_condition_is_known():
    assert list(CONDITIONS) == [
        *("dark", "bright", "gamma", "side_light", "grey"),
        *("blur", "noise", "jpeg", "resolution"),
        *("shift", "margin", "tight", "rotation"),
    ]


@pytest.mark.parametrize("name", CONDITIONS)
class TestEach:
    def test_severity_0_leaves_images_and_landmarks_as_they_are(self, name, images):
        points = torch.from_numpy(canonical_landmarks()).expand(3, 68, 2)
        found = degrade(images, name, 0.0, points=points)
        assert torch.equal(found.images, images)
        assert torch.equal(found.points, points)
        assert found.theta is None

    def test_images_stay_images_and_move_ever_further(self, name, images):
        gaps = []
        for severity in CONDITIONS[name].severities:
            made = degrade(images, name, severity, ids=NAMES).images
            assert made.shape == images.shape
            assert made.dtype == images.dtype
            assert made.min() >= 0
            assert made.max() <= 1
            gaps.append(float((made - images).square().mean()))
        assert gaps[0] > 0
        if name not in GEOMETRIC:  # a picture of noise has moved away wholly at once
            assert gaps == sorted(gaps)

    def test_a_batch_equals_one_by_one(self, name, images):
        severity = CONDITIONS[name].severities[1]
        whole = degrade(images, name, severity, ids=NAMES, seed=3).images
        turned = degrade(images.flip(0), name, severity, ids=NAMES[::-1], seed=3).images.flip(0)
        each = [
            degrade(images[k : k + 1], name, severity, ids=[face], seed=3).images
            for k, face in enumerate(NAMES)
        ]
        torch.testing.assert_close(torch.cat(each), whole, atol=1e-6, rtol=0)
        torch.testing.assert_close(turned, whole, atol=1e-6, rtol=0)

    def test_it_says_what_it_is(self, name):
        condition = CONDITIONS[name]
        assert condition.unit
        assert condition.meaning
        assert all(0 < s <= condition.most for s in condition.severities)
        assert list(condition.severities) == sorted(set(condition.severities))
        labels = [condition.label(s, 64) for s in condition.severities]
        assert len(set(labels)) == len(labels)

    def test_no_image_is_no_mistake(self, name, images):
        assert len(degrade(images[:0], name, 1.0).images) == 0


@pytest.mark.parametrize("name", GEOMETRIC)
def test_landmarks_move_with_the_face(name):
    """A bright spot under a landmark lies under it after the move."""
    point = torch.tensor([22.0, 27.0])
    y, x = torch.meshgrid(torch.arange(64.0), torch.arange(64.0), indexing="ij")
    spot = torch.exp(-((x - point[0]) ** 2 + (y - point[1]) ** 2) / 18)
    images = spot.expand(3, 3, 64, 64)
    points = point.expand(3, 68, 2)
    for severity in CONDITIONS[name].severities[:2]:
        made = degrade(images, name, severity, points=points, ids=NAMES)
        light = made.images[:, 0].clamp(min=0.05) - 0.05
        total = light.sum(dim=(1, 2))
        found = torch.stack([(light * x).sum(dim=(1, 2)), (light * y).sum(dim=(1, 2))], dim=1)
        torch.testing.assert_close(found / total[:, None], made.points[:, 0], atol=0.15, rtol=0)


@pytest.mark.parametrize("name", GEOMETRIC)
def test_a_map_is_found_again_where_it_was(name):
    y, x = torch.meshgrid(torch.arange(64.0), torch.arange(64.0), indexing="ij")
    smooth = (torch.sin(x / 9) + torch.cos(y / 7))[None].expand(3, 64, 64)
    severity = CONDITIONS[name].severities[1]
    made = degrade((smooth[:, None] + 2).expand(3, 3, 64, 64) / 4, name, severity, ids=NAMES)
    back = moved_back(made.images[:, 0] * 4 - 2, made.theta)
    seen = inside(made.theta, faces=3, side=64)
    assert seen.float().mean() > 0.3
    torch.testing.assert_close(back[seen], smooth[seen], atol=0.05, rtol=0)


def test_a_point_that_moves_there_and_back_is_where_it_was():
    points = torch.rand(3, 5, 2) * 64
    theta = CONDITIONS["rotation"].matrices(30.0, streams((0, n, "turn") for n in NAMES))
    turned = moved_points(points, theta, side=64)
    back = theta.clone()
    back[:, :, :2] = theta[:, :, :2].mT  # the inverse of a turn
    torch.testing.assert_close(moved_points(turned, back, side=64), points, atol=1e-3, rtol=0)


def test_unknown_landmarks_stay_unknown(images):
    points = torch.full((3, 68, 2), torch.nan)
    assert degrade(images, "rotation", 20.0, points=points).points.isnan().all()


def test_amounts_are_what_their_units_say(images):
    half = degrade(images, "dark", 1.0).images
    torch.testing.assert_close(linear_light(half), linear_light(images) / 2, atol=1e-4, rtol=0)
    torch.testing.assert_close(srgb(linear_light(images)), images, atol=1e-5, rtol=0)
    grey = degrade(images, "grey", 100.0).images
    assert (grey.amax(dim=1) - grey.amin(dim=1)).max() < 1e-6
    noise = degrade(torch.full((1, 3, 64, 64), 0.5), "noise", 10.0).images - 0.5
    assert abs(float(noise.std()) - 0.1) < 0.005
    twice = degrade(torch.full((1, 3, 64, 64), 0.5), "noise", 5.0).images - 0.5
    torch.testing.assert_close(2 * twice, noise, atol=1e-6, rtol=0)  # the same draw
    assert Resolution().pixels(Resolution.severity_of(24, side=224), 224) == 24


def test_what_is_random_differs_by_face_and_seed(images):
    same = images[:1].expand(3, -1, -1, -1)
    made = degrade(same, "noise", 10.0, ids=NAMES).images
    assert not torch.equal(made[0], made[1])
    assert not torch.equal(degrade(same, "noise", 10.0, ids=NAMES, seed=1).images, made)


@pytest.mark.parametrize(
    ("name", "severity", "options", "sentence"),
    [
        ("fog", 1.0, {}, "Unknown condition 'fog'"),
        (3, 1.0, {}, "Expected a condition as a name, got 3"),
        ("blur", -1.0, {}, "the severity of blur"),
        ("blur", float("nan"), {}, "the severity of blur"),
        ("rotation", 200.0, {}, "the severity of rotation"),
        ("blur", 1.0, {"points": torch.zeros(2, 68, 2)}, r"Expected landmarks \(3, 68, 2\), got"),
        ("blur", 1.0, {"ids": ["anna"]}, "Expected 3 ids"),
    ],
)
def test_what_cannot_be_used_gets_one_sentence(name, severity, options, sentence, images):
    with pytest.raises((InputError, UnknownNameError), match=sentence):
        degrade(images, name, severity, **options)
    with pytest.raises(InputError, match="Expected square images"):
        degrade(torch.zeros(1, 3, 8, 9), "blur", 1.0)
