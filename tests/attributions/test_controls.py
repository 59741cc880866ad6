import time

import numpy as np
import pytest
import torch

from fer_xai import explain
from fer_xai.attributions import CONTROLS, ControlInputs, control_maps
from fer_xai.attributions.controls import _strangers
from fer_xai.draws.streams import stream
from fer_xai.errors import InputError


def _setting(n=24, order=None, seed=0):
    order = torch.arange(n) if order is None else order
    generator = torch.Generator().manual_seed(1)
    maps = torch.rand(n, 2, 4, 4, generator=generator)
    pixels = torch.randint(0, 256, (n, 3, 64, 64), generator=generator, dtype=torch.uint8)
    ids = [f"face{i}" for i in range(n)]
    return ControlInputs(
        maps=maps[order],
        labels=(torch.arange(n) % 3)[order],
        ids=[ids[i] for i in order],
        pixels=pixels[order],
        seed=seed,
    )


@pytest.mark.parametrize("name", list(CONTROLS))
def test_controls_have_the_methods_shape_and_do_not_depend_on_order(name):
    order = torch.randperm(24, generator=torch.Generator().manual_seed(2))
    one, two = control_maps(name, _setting()), control_maps(name, _setting(order=order))
    assert one.shape == (24, 2, 4, 4)
    assert torch.isfinite(one).all()
    assert torch.allclose(one[order], two, atol=1e-6)


@pytest.mark.parametrize("name", list(CONTROLS))
def test_only_marked_controls_are_the_same_for_all_faces(name):
    maps = control_maps(name, _setting())
    assert bool((maps == maps[:1]).all()) == CONTROLS[name].same_for_all


def test_an_undefined_map_is_no_part_of_the_average():
    setting = _setting()
    setting.maps[3, 1, 2, 2] = torch.nan
    setting.maps[5, 0, 0, 0] = torch.inf
    average = control_maps("average", setting)
    keep = torch.ones(24, dtype=torch.bool)
    for target, lost in ((0, 5), (1, 3)):
        own = keep.clone()
        own[lost] = False
        expected = setting.maps[own, target].mean(dim=0)
        assert torch.allclose(average[:, target], expected.expand(24, 4, 4))


def test_random_depends_on_the_seed_and_the_face():
    a, b = (control_maps("random", _setting(seed=s)) for s in (0, 1))
    assert not torch.equal(a, b)
    assert len({tuple(m.flatten().tolist()) for m in a}) == 24


@pytest.mark.parametrize("name", ["random", "shuffled"])
def test_random_numbers_are_those_of_seed_face_and_use(name):
    setting = _setting(2)
    found = control_maps(name, setting)
    for face, cells in zip(setting.ids, setting.maps, strict=True):
        source = stream(setting.seed, face, name)
        if name == "random":
            expected = source.rand(2, 4, 4)
        else:
            orders = source.randperm(16, 2)
            pairs = zip(cells.flatten(1), orders, strict=True)
            expected = torch.stack([one[order] for one, order in pairs]).reshape(2, 4, 4)
        assert torch.equal(found[setting.ids.index(face)], expected)


def test_shuffled_keeps_each_maps_values():
    setting = _setting()
    shuffled = control_maps("shuffled", setting)
    assert not torch.equal(shuffled, setting.maps)
    assert torch.equal(shuffled.flatten(2).sort(2).values, setting.maps.flatten(2).sort(2).values)


@pytest.mark.parametrize(
    ("name", "same"), [("other_face_same_emotion", True), ("other_face_other_emotion", False)]
)
def test_other_faces_are_others_and_each_gives_once(name, same):
    setting = _setting()
    maps = control_maps(name, setting)
    donors = [int((setting.maps == m).flatten(1).all(1).nonzero()[0, 0]) for m in maps]
    assert sorted(donors) == list(range(24))
    assert all(d != i for i, d in enumerate(donors))
    assert all((setting.labels[d] == setting.labels[i]) == same for i, d in enumerate(donors))


def test_faces_draw_from_all_other_emotions():
    """Handing a whole emotion on would keep its maps together, and chance would look consistent."""
    setting = _setting(240)
    maps = control_maps("other_face_other_emotion", setting)
    donors = [int((setting.maps == m).flatten(1).all(1).nonzero()[0, 0]) for m in maps]
    for emotion in range(3):
        drawn = setting.labels[torch.tensor(donors)][setting.labels == emotion]
        shares = torch.bincount(drawn, minlength=3) / 80
        assert shares[emotion] == 0
        assert float(shares[torch.arange(3) != emotion].min()) > 0.3


def test_a_face_without_donor_is_undefined():
    setting = _setting(4)
    lonely = ControlInputs(
        maps=setting.maps,
        labels=torch.tensor([0, 0, 0, 1]),
        ids=setting.ids,
        pixels=setting.pixels,
        seed=0,
    )
    same = control_maps("other_face_same_emotion", lonely)
    assert torch.isnan(same[3]).all()
    assert torch.isfinite(same[:3]).all()
    other = control_maps("other_face_other_emotion", lonely)
    assert int(torch.isnan(other).flatten(1).all(1).sum()) == 2  # one of the three has face 3


def test_edges_find_an_edge():
    pixels = torch.zeros(1, 3, 64, 64, dtype=torch.uint8)
    pixels[..., 24:] = 255  # between columns 23 and 24: the second cell
    setting = ControlInputs(
        maps=torch.ones(1, 1, 4, 4),
        labels=torch.zeros(1, dtype=torch.long),
        ids=["a"],
        pixels=pixels,
        seed=0,
    )
    assert control_maps("edges", setting)[0, 0].argmax(dim=1).tolist() == [1, 1, 1, 1]


def test_controls_through_explain(model, images):
    one = explain(model, images, method="random", targets="fear", seed=3)
    two = explain(model, images, method="random", targets="fear", seed=3)
    assert torch.equal(one.maps, two.maps)
    assert one.maps.shape == (5, 64, 64)


@pytest.mark.parametrize("same", [True, False])
def test_other_faces_have_the_emotions_that_faces_show_whatever_the_target(same, model, faces):
    some = faces.subset([0, 6, 12, 1, 7, 13, 2, 8])
    name = "other_face_same_emotion" if same else "other_face_other_emotion"
    maps = explain(model, some, targets="fear").maps
    taken = explain(model, some, method=name, targets="fear").maps
    donors = [int((maps - one).flatten(1).norm(dim=1).argmin()) for one in taken]
    labels = some.labels.tolist()
    assert torch.equal(taken, maps[donors])
    assert all(d != face for face, d in enumerate(donors))
    assert all((labels[d] == labels[face]) == same for face, d in enumerate(donors))


def test_of_a_tensor_emotions_are_told_by_targets_that_differ(model, images):
    targets = ["fear", "anger", "fear", "anger", "fear"]
    maps = explain(model, images, targets=targets).maps
    taken = explain(model, images, method="other_face_other_emotion", targets=targets).maps
    assert int(taken.isnan().flatten(1).all(1).sum()) == 1  # three of five are afraid
    assert not (taken == maps).flatten(1).all(1).any()
    for name in ("other_face_same_emotion", "other_face_other_emotion"):
        with pytest.raises(InputError, match="Expected images of two emotions or more .* Faces"):
            explain(model, images, method=name, targets="fear")


def test_lengths_must_match():
    setting = _setting(4)
    with pytest.raises(InputError, match="Expected one label, id and image for each of 4 maps"):
        control_maps(
            "random",
            ControlInputs(
                maps=setting.maps,
                labels=setting.labels[:2],
                ids=setting.ids,
                pixels=setting.pixels,
                seed=0,
            ),
        )


def _strangers_slowly(labels, source):
    """The same swaps, with the partners of each face looked for among all faces."""
    drawn = source.randperm(len(labels)).numpy()
    own = np.flatnonzero(labels[drawn] == labels)
    for face in own[source.randperm(len(own)).numpy()]:
        emotion = labels[face]
        if labels[drawn[face]] == emotion:
            partners = np.flatnonzero((labels[drawn] != emotion) & (labels != emotion))
            if len(partners):
                other = partners[int(source.randint(len(partners)))]
                drawn[[face, other]] = drawn[[other, face]]
    return drawn


@pytest.mark.parametrize("emotions", [1, 2, 3, 7])
@pytest.mark.parametrize("n", [1, 2, 5, 16, 33, 300])
def test_faces_draw_strangers_as_by_looking_through_all_faces(n, emotions):
    for seed in range(4):
        weights = torch.rand(emotions, generator=torch.Generator().manual_seed(seed))
        rows = torch.multinomial(weights, n, True, generator=torch.Generator().manual_seed(seed))
        one, two = (stream(seed, "strangers") for _ in range(2))
        found = _strangers(rows.numpy(), one)
        assert found.tolist() == _strangers_slowly(rows.numpy(), two).tolist()
        assert torch.equal(one.rand(2), two.rand(2))  # both have drawn as many numbers


def test_three_hundred_thousand_faces_draw_strangers_in_seconds():
    labels = torch.arange(300_000).remainder(7).numpy()
    begun = time.process_time()
    found = _strangers(labels, stream(0, "strangers"))
    assert time.process_time() - begun < 5  # looking through all faces takes half a minute or so
    assert (labels[found] != labels).all()
