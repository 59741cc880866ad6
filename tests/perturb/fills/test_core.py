"""What must hold for every fill, whoever adds it."""

import pytest
import torch

from fer_xai.draws.streams import streams
from fer_xai.errors import InputError, UnknownNameError
from fer_xai.landmarks import face_regions
from fer_xai.perturb.fills import FILLS, ImageFill, fill_images, fill_named, has_fill

NAMES = [*FILLS, "linear:0.05", "linear:0"]
SIDE = 24


@pytest.fixture(scope="module")
def given(faces):
    """Three faces, masks of some of their pixels, and their regions."""
    source = torch.Generator().manual_seed(0)
    gone = torch.rand(3, SIDE, SIDE, generator=source) < 0.4
    gone[0, :12] = True
    regions = face_regions(faces.landmarks_at(SIDE)[:3], size=SIDE)
    return faces.pixels(SIDE)[:3].float() / 255, gone, regions


def blended(name, images, gone, regions, *, first=0):
    drawn = streams(("fill", first + face) for face in range(len(images)))
    return fill_named(name).blend(images, gone, generators=drawn, regions=regions)


@pytest.mark.parametrize("name", NAMES)
def test_only_removed_pixels_change(name, given):
    images, gone, regions = given
    before = images.clone()
    found = blended(name, images, gone, regions)
    assert found.shape == images.shape
    there = ~gone[:, None].expand_as(images)
    assert torch.equal(found[there], images[there])
    assert not torch.equal(found, images)
    assert torch.equal(blended(name, images, torch.zeros_like(gone), regions), images)
    assert torch.equal(images, before)


@pytest.mark.parametrize("name", NAMES)
def test_a_face_without_any_pixel_is_finite(name, given):
    images, gone, regions = given
    ready = fill_named(name).prepare(images, regions=regions)
    found = ready.blend(torch.ones_like(gone))
    assert torch.isfinite(found).all()
    assert torch.allclose(found, ready.whole, atol=1e-6)
    assert ready.whole.min() > -0.5
    assert ready.whole.max() < 1.5


@pytest.mark.parametrize("name", NAMES)
def test_each_face_is_filled_by_itself(name, given):
    images, gone, regions = given
    whole = blended(name, images, gone, regions)
    for face in range(3):
        part = slice(face, face + 1)
        alone = blended(name, images[part], gone[part], regions[part], first=face)
        assert torch.allclose(alone, whole[part], atol=1e-5)


@pytest.mark.parametrize("name", NAMES)
def test_one_fill_serves_many_masks(name, given):
    images, gone, regions = given
    ready = fill_named(name).prepare(images, regions=regions)
    faces = torch.tensor([2, 0, 0])
    masks = torch.stack([gone[2], gone[0], ~gone[0]])
    found = ready.blend(masks, faces)
    assert torch.equal(found, ready.shown(~masks, faces))
    assert torch.allclose(found[:2], ready.blend(gone)[[2, 0]], atol=1e-5)
    again = blended(name, images, gone, regions)  # seeded by position, as by default
    assert torch.allclose(ready.blend(gone), again, atol=1e-6)
    assert torch.equal(ready.blend(masks[:, None], faces), found)


@pytest.mark.parametrize("name", NAMES)
def test_dtype_and_size_are_kept(name, given):
    images, gone, regions = given
    single = blended(name, images, gone, regions)
    double = blended(name, images.double(), gone, regions)
    assert double.dtype == torch.float64
    assert torch.allclose(double.float(), single, atol=1e-4)
    last = blended(name, images.contiguous(memory_format=torch.channels_last), gone, regions)
    assert torch.allclose(last, single, atol=1e-5)
    small = images[..., :3, :5], gone[:, :3, :5], regions[..., :3, :5]
    assert blended(name, *small).shape == (3, 3, 3, 5)
    assert blended(name, images[:0], gone[:0], regions[:0]).shape == (0, 3, SIDE, SIDE)


@pytest.mark.parametrize("name", NAMES)
def test_seeds_matter_where_the_fill_says_so(name, given):
    images, gone, regions = given
    one, other = (blended(name, images, gone, regions, first=first) for first in (0, 7))
    assert torch.equal(one, other) == (not fill_named(name).random)


@pytest.mark.parametrize("name", NAMES)
def test_faces_matter_unless_the_fill_is_the_same_for_all(name, given):
    images, _, regions = given
    whole = fill_named(name).prepare(images, regions=regions).whole
    assert bool((whole == whole[:1]).all()) == fill_named(name).same_for_all


@pytest.mark.parametrize("name", NAMES)
def test_soft_masks_blend_or_are_refused(name, given):
    images, gone, regions = given
    if not fill_named(name).soft:
        own = fill_named(name).name
        with pytest.raises(InputError, match=f"Expected a bool mask for the fill '{own}', which"):
            blended(name, images, gone.float(), regions)
        return
    ready = fill_named(name).prepare(images, regions=regions)
    assert torch.equal(ready.blend(gone.float()), ready.blend(gone))
    quarter = ready.blend(torch.full_like(gone, 0.25, dtype=torch.float32))
    assert torch.allclose(quarter, 0.75 * images + 0.25 * ready.whole, atol=1e-6)
    share = torch.rand(gone.shape, generator=torch.Generator().manual_seed(1))
    expected = torch.lerp(ready.whole, images, share[:, None])
    assert torch.equal(ready.shown(share), expected)


@pytest.mark.parametrize("name", NAMES)
def test_an_image_of_the_fill_is_what_shows(name, given):
    images, gone, regions = given
    if isinstance(fill_named(name), ImageFill):
        found = fill_images(images, name, regions=regions)
        assert found.min() >= 0
        assert found.max() <= 1
        shown = torch.where(gone[:, None], found, images)
        assert torch.equal(blended(name, images, gone, regions), shown)
    else:
        sentence = "one image a face, which baselines and soft masks need, got 'linear.*', .* black"
        with pytest.raises(InputError, match=sentence):
            fill_images(images, name, regions=regions)


def test_names_are_those_of_the_registry():
    assert all(FILLS[name].name == FILLS[name].kind == name for name in FILLS)
    assert [fill_named(name).name for name in NAMES] == [*FILLS, "linear:0.05", "linear:0.0"]
    assert all(has_fill(name) for name in NAMES)
    assert not any(has_fill(name) for name in ("mine", "", None, 3))


NAMELESS = {
    "unknown": ("fog", "Unknown fill 'fog': choose from mean, .*, linear, skin"),
    "almost known": ("blurr", "Unknown fill 'blurr': did you mean blur"),
    "unknown with an option": ("fog:3", "Unknown fill 'fog': choose from"),
    "an option where there is none": (
        "blur:3",
        "Expected the fill 'blur' without an option, got 'blur:3'",
    ),
    "not a name": (3, "Expected a fill as a name, got '3': choose from mean"),
}


@pytest.mark.parametrize(("name", "sentence"), NAMELESS.values(), ids=NAMELESS)
def test_names_that_are_none_are_refused(name, sentence):
    with pytest.raises(InputError, match=sentence):
        fill_named(name)
    assert issubclass(UnknownNameError, InputError)


def test_a_fill_of_another_package_is_one_like_any(monkeypatch, given):
    class Half(ImageFill):
        """Half of the face's brightness."""

        name = "half"

        def paint(self, images, generators, regions):
            return images / 2

    images, gone, _ = given
    monkeypatch.setattr(FILLS, "_entries", {**FILLS._entries, "half": Half(), "plain": len})
    found = fill_named("half").blend(images, gone)
    assert torch.equal(found, torch.where(gone[:, None], images / 2, images))
    with pytest.raises(InputError, match=r"the registered fill 'plain' as a .*Fill, got builtin"):
        fill_named("plain")


BAD = {
    "a mask of another size": (
        "black",
        {"gone": torch.zeros(3, 12, SIDE, dtype=torch.bool)},
        r"Expected a mask \(3, 24, 24\) of the pixels that are removed .* got \(3, 12, 24\)",
    ),
    "a mask of whole numbers": (
        "black",
        {"gone": torch.zeros(3, SIDE, SIDE, dtype=torch.int64)},
        "Expected a bool mask, True where a pixel is removed, or a share .* got torch.int64",
    ),
    "shares above one": (
        "black",
        {"gone": torch.full((3, SIDE, SIDE), 1.5)},
        "Expected a mask of shares in .0, 1., got values outside or NaN",
    ),
    "shares that are undefined": (
        "mean",
        {"gone": torch.full((3, SIDE, SIDE), torch.nan)},
        "Expected a mask of shares in .0, 1., got values outside or NaN",
    ),
    "a mask as a list": ("black", {"gone": [[True]]}, "Expected the mask as a torch tensor"),
    "images of another range": (
        "black",
        {"images": torch.full((3, 3, SIDE, SIDE), 255.0)},
        "Expected images in .0, 1., got values in",
    ),
    "too few generators": (
        "noise",
        {"generators": [torch.Generator()]},
        "Expected 3 generators, one an image, got 1",
    ),
    "no regions": (
        "skin",
        {"regions": None},
        "Expected facial regions for the fill 'skin', which is made of them, got none: pass",
    ),
    "other regions": (
        "skin",
        {"regions": torch.zeros(3, 2, SIDE, SIDE, dtype=torch.bool)},
        r"Expected regions \(3, 8, 24, 24\) of face_regions, got \(3, 2, 24, 24\)",
    ),
    "regions that are no masks": (
        "skin",
        {"regions": torch.zeros(3, 8, SIDE, SIDE)},
        "Expected bool regions, got torch.float32",
    ),
}


@pytest.mark.parametrize(("name", "other", "sentence"), BAD.values(), ids=BAD)
def test_bad_input_is_one_sentence(name, other, sentence, given):
    images, gone, regions = given
    asked = {"images": images, "gone": gone, "regions": regions, "generators": None} | other
    with pytest.raises(InputError, match=sentence):
        fill_named(name).blend(**asked)
