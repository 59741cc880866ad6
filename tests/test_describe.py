"""Maps in words: the right numbers, and nothing where nothing stands out."""

import re
from pathlib import Path

import numpy as np
import pytest
import torch

import fer_xai
from fer_xai import FERModel, describe
from fer_xai.describe.words import PLACES, nothing
from fer_xai.errors import InputError
from fer_xai.landmarks import AREAS, canonical_landmarks, face_areas
from fer_xai.types import Explanation

POINTS = canonical_landmarks()[None]
MASKS = face_areas(POINTS, size=64)[0]


def area(name):
    return MASKS[AREAS.index(name)]


def explained(maps, *, target=0, **more):
    return Explanation(
        maps=maps,
        targets=torch.full((len(maps),), target),
        logits=torch.zeros(len(maps), 2),
        emotions=("happiness", "fear"),
        method="mine",
        params={},
        **more,
    )


def model_of(mask):
    """A network whose logit for happiness is the brightness of some pixels."""
    layer = torch.nn.Linear(3 * 64 * 64, 2)
    torch.nn.init.zeros_(layer.weight)
    torch.nn.init.zeros_(layer.bias)
    layer.weight.data[0] = (mask.float() / mask.sum()).expand(3, 64, 64).flatten() * 4 / 3
    net = torch.nn.Sequential(torch.nn.Flatten(), layer)
    emotions, plain = ["happiness", "fear"], {"mean": (0.0, 0.0, 0.0), "std": (1.0, 1.0, 1.0)}
    return FERModel(net, emotions=emotions, size=64, **plain)


def lit(mask):
    """A face that is dark but for a bright area."""
    return mask.float().expand(1, 3, 64, 64) * 0.9


def test_points_of_a_larger_image_name_no_region():
    corners = area("mouth_corners")[None].float()
    with pytest.raises(InputError, match="they look measured on larger images"):
        describe(explained(corners), POINTS * 100 / 64)


def test_the_example_of_the_docs_runs(capsys):
    page = (Path(__file__).parents[1] / "docs" / "landmarks.md").read_text(encoding="utf-8")
    blocks = [
        one for one in re.findall(r"```python\n(.*?)```", page, re.DOTALL) if "describe" in one
    ]
    assert len(blocks) == 1
    exec(compile(blocks[0], "landmarks.md", "exec"), {})
    assert capsys.readouterr().out.count("map for") >= 4


def test_a_map_on_the_mouths_corners_says_so_with_its_numbers():
    corners = area("mouth_corners")
    (found,) = describe(explained(corners[None].float()), POINTS)
    (one,) = found.areas
    assert one.area == "mouth_corners"
    assert one.units == ("AU12",)
    assert one.share == pytest.approx(1)
    assert one.by_area == pytest.approx(float(corners.float().mean()))
    assert np.isnan(one.by_average)
    assert np.isnan(one.cost)
    assert found.text.startswith("100 % of the map for happiness lies on the corners of the mouth")
    assert f"where {100 * one.by_area:.0f} % would by area" in found.text
    assert "covering" not in found.text


def test_shares_are_of_the_positive_values():
    maps = area("mouth_corners").float() * 3 + area("chin").float()
    maps = (maps - 5 * area("eyes").float())[None]
    (found,) = describe(explained(maps), POINTS)
    positive = maps[0].clamp(min=0)
    expected = float(positive[area("mouth_corners")].sum() / positive.sum())
    assert found.areas[0].share == pytest.approx(expected)


@pytest.mark.parametrize("maps", [torch.ones(1, 64, 64), torch.full((1, 64, 64), 1e-3)])
def test_a_uniform_map_says_nothing(maps):
    (found,) = describe(explained(maps), POINTS)
    assert not found.areas
    assert str(found).startswith("No area of the face stands out in the map for happiness: none ho")
    assert "average" not in found.text  # there is none


def test_a_map_that_is_bright_in_the_centre_says_nothing():
    y, x = torch.meshgrid(torch.arange(64) - 31.5, torch.arange(64) - 31.5, indexing="ij")
    blob = torch.exp(-(x**2 + y**2) / (2 * 16**2))[None]
    assert not describe(explained(blob), POINTS)[0].areas


def test_what_all_maps_share_is_not_said_of_one():
    corners = area("mouth_corners").float()
    maps = corners.expand(8, 64, 64).clone()
    maps[0] = area("inner_brows").float()
    found = describe(explained(maps), np.repeat(POINTS, 8, axis=0))
    assert [one.area for one in found[0].areas] == ["inner_brows"]
    assert found[0].areas[0].by_average == 0
    assert not any(one.areas for one in found[1:])
    assert "in the average map" in found[1].text


def test_an_average_of_more_faces_may_be_handed_in():
    corners = area("mouth_corners").float()
    (found,) = describe(explained(corners[None]), POINTS, average=0.5 * corners + 0.5)
    assert found.areas[0].by_average > found.areas[0].by_area
    assert "of the average map does" in found.text
    assert not describe(explained(corners[None]), POINTS, average=corners)[0].areas


def test_covering_has_to_cost_more_than_elsewhere():
    corners = area("mouth_corners")
    seen = explained(corners[None].float())
    (found,) = describe(seen, POINTS, images=lit(corners), model=model_of(corners), fill="black")
    (one,) = found.areas
    before = torch.tensor([3.6, 0.0]).softmax(dim=0)[0]
    assert one.cost == pytest.approx(float(before - 0.5), abs=1e-5)
    assert one.cost_elsewhere == pytest.approx(0, abs=1e-6)
    assert "covering them costs .47 of the probability, more than each of 19 patches" in found.text
    brows = area("inner_brows")  # the network reads them, and the map does not lie there
    (none,) = describe(seen, POINTS, images=lit(brows), model=model_of(brows), fill="black")
    assert not none.areas
    assert none.text.endswith("the corners of the mouth, but covering that costs nothing.")
    face = ~area("off_face")  # the network reads the rest of it more
    model = model_of(face.float() + 3 * (face & ~corners))
    (less,) = describe(seen, POINTS, images=lit(face), model=model, fill="black")
    assert not less.areas
    assert less.text.endswith(
        "costs no more than covering some patch as large elsewhere on the face."
    )


def test_patches_elsewhere_lie_on_the_face():
    jaw, off = area("jaw"), area("off_face")  # the network reads what is off the face, too
    model = model_of(jaw.float() + off)
    seen = explained(jaw[None].float())
    (found,) = describe(seen, POINTS, images=lit(jaw | off), model=model, fill="black")
    assert found.areas[0].area == "jaw"
    assert found.areas[0].cost_elsewhere == 0


def test_an_area_larger_than_the_rest_of_the_face_has_no_cost():
    small = 32 + 0.78 * (POINTS - 32)
    off = face_areas(small, size=64)[0, AREAS.index("off_face")]
    assert 0.5 < off.float().mean() < 0.66
    seen = explained(off[None].float())
    assert describe(seen, small)[0].areas[0].area == "off_face"
    (none,) = describe(seen, small, images=lit(off), model=model_of(off), fill="black")
    assert not none.areas
    assert none.text.endswith("compared with, since the rest of the face has fewer pixels.")


def test_each_area_that_costs_too_little_says_why():
    failed = {"nose": (0.1, 0.2), "chin": (-0.1, 0.0), "jaw": (0.0, 0.0), "eyes": (np.nan, 0.0)}
    text = nothing("the map", 1.5, failed, with_average=False)
    assert "lies on the nose, but covering that costs no more than covering some patch" in text
    assert "on the chin or the jaw, but covering that costs nothing, and on the eyes, but" in text
    assert text.endswith("costs is not a number.")


def test_a_batch_says_what_each_face_says():
    corners, brows = area("mouth_corners"), area("inner_brows")
    maps = torch.stack([corners, brows]).float()
    images = torch.cat([lit(corners), lit(brows)])
    both = describe(
        explained(maps, ids=("a", "b")),
        np.repeat(POINTS, 2, axis=0),
        images=images,
        model=model_of(corners | brows),
    )
    for k, name in enumerate(("a", "b")):
        seen = explained(maps[k : k + 1], ids=(name,))
        alone = describe(seen, POINTS, images=images[k : k + 1], model=model_of(corners | brows))
        assert alone[0].text == both[k].text


def test_what_cannot_be_described_says_why():
    maps = torch.stack([torch.full((64, 64), torch.nan), torch.zeros(64, 64), -torch.ones(64, 64)])
    found = [str(one) for one in describe(explained(maps), np.repeat(POINTS, 3, axis=0))]
    assert found[0] == "Nothing can be said: the map for happiness is undefined."
    assert found[1] == "Nothing can be said: the map for happiness is zero everywhere."
    assert found[2].startswith("Nothing can be said: the map for happiness speaks for it nowhere")
    unknown = np.full((1, 68, 2), np.nan, np.float32)
    (lost,) = describe(explained(torch.ones(1, 64, 64)), unknown)
    assert str(lost).endswith("landmarks of this face are unknown.")


def test_every_area_has_words():
    assert tuple(PLACES) == AREAS


@pytest.mark.parametrize(
    ("points", "options", "sentence"),
    [
        (POINTS[:, :5], {}, "Expected landmarks .N, 68, 2., got"),
        (np.repeat(POINTS, 2, axis=0), {}, "Expected 1 sets of landmarks"),
        (POINTS * [-1, 1] + [63, 0], {}, "Expected the left eye"),
        (POINTS, {"gain": 0.5}, "Expected gain from 1"),
        (POINTS, {"most": 0}, "Expected most as a whole number"),
        (POINTS, {"fill": "skin"}, "Expected a fill that needs no facial regions"),
        (POINTS, {"average": torch.ones(8, 8)}, r"Expected an average map \(64, 64\)"),
        (POINTS, {"model": model_of(area("mouth"))}, "Expected the images that were explained"),
        (
            POINTS,
            {"model": model_of(area("mouth")), "images": torch.zeros(1, 3, 8, 8)},
            "Expected images of the maps' size 64",
        ),
    ],
)
def test_what_cannot_be_used_gets_one_sentence(points, options, sentence):
    with pytest.raises(InputError, match=sentence):
        describe(explained(torch.ones(1, 64, 64)), points, **options)


def test_it_is_public():
    assert "describe" in dir(fer_xai)
