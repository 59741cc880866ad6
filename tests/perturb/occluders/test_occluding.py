"""What must hold for every occluder, whoever adds it."""

import numpy as np
import pytest
import torch

from fer_xai.data.datasets.synthetic import synthetic_faces
from fer_xai.errors import InputError, UnknownNameError
from fer_xai.landmarks import REGIONS, canonical_landmarks, face_regions
from fer_xai.landmarks.template import MIRROR
from fer_xai.perturb.occluders import OCCLUDERS, occlude, occluder_named, occlusions
from fer_xai.perturb.occluders.frame import FaceFrame

NAMES = [*OCCLUDERS, "patch:sunglasses"]
DRAWN = [name for name in NAMES if occluder_named(name).drawn]


@pytest.fixture(scope="module")
def faces():
    return synthetic_faces(4, style="wild", split="test")


@pytest.fixture(scope="module")
def images(faces):
    return faces.images


@pytest.fixture(scope="module")
def points(faces):
    return faces.landmarks_at(64)


@pytest.fixture(scope="module")
def frame(points):
    return FaceFrame(points, height=64, width=64)


def test_they_are_listed_by_kind():
    features, halves = ["eyes", "brows", "nose", "mouth"], ["upper", "lower", "left", "right"]
    assert list(OCCLUDERS) == [*features, *halves, "sunglasses", "surgical_mask", "hand", "patch"]
    assert all(OCCLUDERS[name].name == name for name in OCCLUDERS)
    assert DRAWN == ["sunglasses", "surgical_mask", "hand"]


@pytest.mark.parametrize("name", NAMES)
def test_pixels_outside_the_mask_are_those_of_the_face(name, images, points):
    for found in (
        occlude(images, points, name),
        occlude(images, points, name, share=0.2),
        occlude(images, points, name, fill="mean"),
    ):
        assert found.images.shape == images.shape
        assert found.masks.dtype == torch.bool
        assert bool(found.covered.all())
        outside = ~found.masks[:, None].expand_as(images)
        assert torch.equal(found.images[outside], images[outside])
        assert float(found.images.min()) >= 0
        assert float(found.images.max()) <= 1


@pytest.mark.parametrize("share", [0.05, 0.3])
@pytest.mark.parametrize("name", NAMES)
def test_the_share_of_the_face_is_exact(name, share, images, points, frame):
    hidden = (occlude(images, points, name, share=share).masks & frame.face).sum(dim=(1, 2))
    assert torch.equal(hidden, (frame.pixels * share).round().long())


@pytest.mark.parametrize("name", NAMES)
def test_a_face_is_occluded_alike_in_any_batch_order_and_sweep(name, images, points):
    ids = ["a", "b", "c", "d"]
    whole = occlude(images, points, name, ids=ids, seed=3, share=0.1)
    order = [2, 0]
    part = occlude(images[order], points[order], name, ids=["c", "a"], seed=3, share=0.1)
    assert torch.equal(part.images, whole.images[order])
    swept = list(occlusions(images, points, ["upper", name], shares=[None, 0.1], ids=ids, seed=3))
    assert [(who, share) for who, share, _ in swept][2:] == [(name, None), (name, 0.1)]
    assert torch.equal(swept[3][2].images, whole.images)


@pytest.mark.parametrize("name", [name for name in NAMES if "patch" not in name and name != "hand"])
def test_a_mirrored_face_is_occluded_in_mirror(name, images, points):
    mirrored = points[:, MIRROR].copy()
    mirrored[..., 0] = 63 - mirrored[..., 0]
    other = {"left": "right", "right": "left"}.get(name, name)
    one = occlude(images, points, name).masks
    two = occlude(images.flip(-1), mirrored, other).masks.flip(-1)
    assert (one != two).float().mean() < 0.002


@pytest.mark.parametrize("name", NAMES)
def test_it_turns_and_scales_with_the_face(name):
    """A face that is turned by a right angle and twice as large."""
    points = canonical_landmarks()[None] * 0.6 + 12
    turned = np.stack([127 - 2 * points[..., 1], 2 * points[..., 0]], axis=-1)
    one = occlude(torch.rand(1, 3, 64, 64), points, name, ids=["a"]).masks
    two = occlude(torch.rand(1, 3, 128, 128), turned, name, ids=["a"]).masks.rot90(1, (1, 2))
    larger = one.repeat_interleave(2, 1).repeat_interleave(2, 2)
    both, either = (larger & two).sum(), (larger | two).sum()
    if "patch" not in name:  # whose place is another one among twice as many pixels
        assert both / either > 0.7
    assert abs(larger.sum() / two.sum() - 1) < 0.25


@pytest.mark.parametrize("name", ["eyes", "brows", "nose", "mouth"])
def test_features_are_the_regions_of_these_names(name, images, points):
    regions = face_regions(points, size=64)
    masks = occlude(images, points, name).masks
    region = regions[:, REGIONS.index(name)]
    taken = regions[:, [REGIONS.index(other) for other in REGIONS if other != name]]
    assert not bool((region & ~masks).any())  # earlier regions take the rest of what it covers
    assert bool((taken.any(dim=1) | region)[masks].all())


@pytest.mark.parametrize(("one", "other"), [("upper", "lower"), ("left", "right")])
def test_halves_are_a_partition_of_the_face(one, other, images, points, frame):
    first, second = (occlude(images, points, name).masks for name in (one, other))
    assert torch.equal(first ^ second, frame.face)
    assert not bool((first & second).any())


def test_a_patch_hides_as_much_as_what_it_is_named_after(images, points, frame):
    for like in ("sunglasses", "lower"):
        patch, mask = (occlude(images, points, name).masks for name in (f"patch:{like}", like))
        hidden = (mask & frame.face).sum(dim=(1, 2))
        assert torch.equal(patch.sum(dim=(1, 2)), hidden)
    first, second = (occlude(images, points, "patch", seed=seed).masks for seed in (0, 1))
    assert bool((first != second).flatten(1).any(dim=1).all())


def test_patches_lie_everywhere_on_the_face():
    n = 600
    points = np.repeat(canonical_landmarks()[None], n, axis=0)
    frame = FaceFrame(points, height=32, width=32)
    masks = occlude(torch.zeros(n, 3, 32, 32), points / 2, "patch", share=0.05).masks
    middle = FaceFrame(points / 2, height=32, width=32).face[0]
    share = masks.float().mean(dim=0)[middle]
    assert float(share.min()) > 0.005
    assert abs(float(share.mean()) - 0.05) < 0.005
    assert len(frame) == n


@pytest.mark.parametrize("name", DRAWN)
@pytest.mark.parametrize("side", [64, 224])
def test_drawn_ones_look_like_what_they_are(name, side):
    points = canonical_landmarks()[None] * (side / 64)
    skin = torch.tensor([0.8, 0.6, 0.5])[None, :, None, None].expand(1, 3, side, side)
    found = occlude(skin.contiguous(), points, name)
    colour = found.images[0][:, found.masks[0]].mean(dim=1)
    if name == "sunglasses":
        assert float(colour.max()) < 0.25
    elif name == "surgical_mask":
        assert colour[2] > colour[1] > colour[0] > 0.5
    else:  # the hand is of the face's colour, in a slightly other light
        ratio = colour / torch.tensor([0.8, 0.6, 0.5])
        assert float(ratio.std()) < 0.04
        assert 0.7 < float(ratio.mean()) < 1


@pytest.mark.parametrize("name", ["mouth", "hand", "patch"])
def test_faces_without_landmarks_are_left_as_they_are(name, images, points):
    some = points.copy()
    some[1, 40] = np.nan
    some[2] = 3.0  # all 68 in one place
    some[3] += 1000  # outside of the image
    for fill in (None, "noise", "skin", "linear"):
        found = occlude(images, some, name, fill=fill)
        assert found.covered.tolist() == [True, False, False, False]
        assert torch.equal(found.images[1:], images[1:])
        assert bool(found.images.isfinite().all())


def test_an_occluder_is_cut_at_the_image(images, points):
    found = occlude(images, points + 30, "upper")
    assert bool(found.covered.all())
    assert int(found.masks[:, :20].sum()) == 0


def test_images_need_not_be_square(points):
    wide = torch.rand(4, 3, 64, 80)
    assert occlude(wide, points, "hand").masks.shape == (4, 64, 80)
    with pytest.raises(InputError, match="Expected square images for the fill 'skin'"):
        occlude(wide, points, "mouth", fill="skin")


def test_no_faces_are_no_error():
    found = occlude(torch.zeros(0, 3, 64, 64), np.zeros((0, 68, 2)), "hand", share=0.1)
    assert found.images.shape == (0, 3, 64, 64)
    assert found.covered.tolist() == []


def test_what_is_wrong_is_refused_in_one_sentence(images, points):
    mirrored = points.copy()
    mirrored[..., 0] = 63 - mirrored[..., 0]
    for given, match in (
        (points[:, :5], r"landmarks \(B, 68, 2\) in the order of iBUG"),
        (points[:2], "4 sets of landmarks"),
        (points.tolist(), "as a tensor or an array, got list"),
        (mirrored, "got 4 of 4 faces mirrored"),
    ):
        with pytest.raises(InputError, match=f"Expected .*{match}|Expected {match}"):
            occlude(images, given, "mouth")
    for share in (0, 1, 1.5, "half", float("nan")):
        with pytest.raises(InputError, match="the share of the face above 0 and below 1"):
            occlude(images, points, "mouth", share=share)
    with pytest.raises(UnknownNameError, match="Unknown occluder 'scarf'"):
        occlude(images, points, "scarf")
    with pytest.raises(UnknownNameError, match="Unknown occluder 'scarf'"):
        occlude(images, points, "patch:scarf")
    with pytest.raises(UnknownNameError, match="Unknown fill 'fog'"):
        occlude(images, points, "hand", fill="fog")
    with pytest.raises(InputError, match="'mouth' without an option"):
        occlude(images, points, "mouth:wide")
    with pytest.raises(InputError, match="Expected an occluder as a name, got 3"):
        occlude(images, points, 3)
    with pytest.raises(InputError, match="Expected a list of names, got one name"):
        occlusions(images, points, "mouth")
    with pytest.raises(InputError, match=r"divide uint8 pixels by 255"):
        occlude((images * 255).byte(), points)
