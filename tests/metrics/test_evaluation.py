import dataclasses

import numpy as np
import pytest
import torch

from fer_xai import explain
from fer_xai.errors import InputError, UnknownNameError
from fer_xai.inference.predictor import Predictor
from fer_xai.landmarks import face_regions
from fer_xai.perturb.fills.skin import skin_fill
from metrics import deletion, evaluate, insertion, naopc
from metrics.core.registry import METRICS, MetricSpec


@pytest.fixture
def few(faces):
    return faces.subset(range(5))


def test_rows_are_those_of_the_functions(model, faces):
    few = faces.subset(range(2))
    both = [explain(model, few, method=name) for name in ("gradcam", "saliency")]
    regions = face_regions(few.landmarks_at(64), size=64)
    frame = evaluate(model, few, both, ["deletion", "insertion", "naopc"], regions=regions)
    columns = ["id", "emotion", "target", "method", "metric", "value", "undefined"]
    assert list(frame.columns) == columns
    assert not frame["undefined"].any()
    assert len(frame) == 2 * 2 * 3
    assert frame["id"].drop_duplicates().tolist() == few.ids
    wide = frame.pivot_table(index="id", columns=["method", "metric"], values="value").loc[few.ids]
    for made in both:
        asked = (model, few.images, made.maps, made.targets)
        assert np.allclose(
            wide[made.method, "deletion"], deletion(*asked, ids=few.ids).auc, atol=1e-5
        )
        assert np.allclose(
            wide[made.method, "insertion"], insertion(*asked, ids=few.ids).auc, atol=1e-5
        )
        assert np.allclose(wide[made.method, "naopc"], naopc(*asked, regions).value, atol=1e-5)


def test_undefined_maps_are_nan_and_named(model, few):
    """By the map itself, or by what it misses of what it should add up to; no other face moves."""
    made = explain(model, few, method="saliency")
    maps = made.maps.clone()
    maps[0, 3, 3] = torch.nan
    gap = torch.tensor([0.0, 0.1, -0.11, torch.nan, 0.0])
    broken = dataclasses.replace(made, maps=maps, completeness_gap=gap)
    names = ["deletion", "gini", "infidelity"]
    before, after = (
        evaluate(model, few, {"saliency": one}, names, chunk=2).pivot_table(
            index="id", columns="metric", values=["value", "undefined"], sort=False, dropna=False
        )
        for one in (made, broken)
    )
    lost = [True, False, True, True, False]
    assert not before["undefined"].to_numpy().any()
    for name in names:
        assert after["undefined"][name].tolist() == lost
        assert after["value"][name].isna().tolist() == lost
        kept = ~np.array(lost)
        assert (after["value"][name][kept] == before["value"][name][kept]).all()


def test_chunks_change_nothing_and_passes_are_shared(model, few, monkeypatch):
    passed = []
    run = Predictor.run

    def counted(self, batch):
        passed.append(len(batch))
        return run(self, batch)

    monkeypatch.setattr(Predictor, "run", counted)
    predictor = Predictor(model, device="cpu")
    made = {name: explain(predictor, few, method=name) for name in ("gradcam", "saliency")}
    passed.clear()
    names = ["deletion", "aopc", "insertion", "comprehensiveness", "infidelity"]
    whole = evaluate(predictor, few, made, names)
    # clean and blurred face, 64 changes; a method: two curves of 63 inner points, and five bins
    # in both orders, of which half the image is on the curves already
    per_face = 2 + 64 + 2 * (63 + 63 + 4 + 4)
    assert sum(passed) == 5 * per_face
    parts = evaluate(predictor, few, made, names, chunk=2)
    key = ["id", "method", "metric"]
    merged = whole.merge(parts, on=key, suffixes=("", " in parts"))
    assert len(merged) == len(whole)
    assert np.allclose(merged["value"], merged["value in parts"], atol=1e-5)


def test_results_are_computed_once_for_the_metrics_that_read_them(model, few):
    calls = []

    def fn(maps):
        calls.append(len(maps))
        return type("Both", (), {"one": maps.sum(dim=(1, 2)), "two": maps.amax(dim=(1, 2))})()

    specs = [
        MetricSpec(
            name=name,
            fn=fn,
            family="complexity",
            higher_is_better=None,
            bounds=(-np.inf, np.inf),
            needs=("maps",),
            read=name,
            reference="none",
        )
        for name in ("one", "two")
    ]
    frame = evaluate(model, few, explain(model, few), specs)
    assert calls == [5]
    assert frame["metric"].unique().tolist() == ["one", "two"]


def test_results_of_other_options_are_not_shared(model, few):
    weights = [torch.zeros(2000), torch.zeros(2000)]
    weights[1][1000] = 1
    assert repr(weights[0]) == repr(weights[1])

    def fn(maps, *, weight):
        return weight.sum().expand(len(maps))

    specs = [
        MetricSpec(
            name=str(k),
            fn=fn,
            family="complexity",
            higher_is_better=None,
            bounds=(0, 1),
            needs=("maps",),
            options={"weight": weight},
            reference="none",
        )
        for k, weight in enumerate(weights)
    ]
    frame = evaluate(model, few, explain(model, few), specs)
    assert frame["value"].tolist() == [0] * 5 + [1] * 5


def test_targets_are_checked_whatever_the_metrics(model, few):
    made = explain(model, few)
    for target, match in (
        (-1, "Expected canonical emotion indices"),
        (7, "Expected targets among"),
    ):
        targets = torch.full((5,), target)
        with pytest.raises(InputError, match=match):
            evaluate(model, few, dataclasses.replace(made, targets=targets), ["gini"])


def test_a_tensor_of_images_will_do(model, images):
    frame = evaluate(model, images, {"mine": explain(model, images)}, ["deletion"])
    assert frame["id"].tolist() == list("01234")
    assert (frame["emotion"] == "").all()
    assert (frame["method"] == "mine").all()


def test_maps_that_are_not_defined_have_no_score(model, few):
    made = explain(model, few)
    made.maps[1] = torch.nan
    frame = evaluate(model, few, made, ["deletion", "average_drop"])
    assert frame.loc[frame["value"].isna(), "id"].tolist() == [few.ids[1]] * 2


def test_progress_is_told_in_faces(model, few):
    seen = []
    evaluate(model, few, explain(model, few), ["deletion"], chunk=2, progress=seen.append)
    assert seen == [2, 2, 1]


def test_own_fills_are_used(model, few):
    options = {"fill": "mine"}
    spec = MetricSpec(
        name="own",
        fn=deletion,
        family="faithfulness",
        higher_is_better=False,
        bounds=(0, 1),
        needs=("model", "images", "maps", "targets"),
        read="auc",
        options=options,
        reference="none",
    )
    made = explain(model, few)
    black = evaluate(model, few, made, [spec], fills={"mine": torch.zeros(5, 3, 64, 64)})
    same = deletion(model, few.images, made.maps, made.targets, fill="black", ids=few.ids).auc
    assert np.allclose(black["value"], same, atol=1e-5)
    with pytest.raises(InputError, match="Expected the fill 'mine' as images"):
        evaluate(model, few, made, [spec], fills={"mine": torch.zeros(5, 3, 8, 8)})
    with pytest.raises(
        InputError, match="Expected 5 images of the fill 'mine', one an image, got 7"
    ):
        evaluate(model, few, made, [spec], fills={"mine": torch.zeros(7, 3, 64, 64)})
    with pytest.raises(InputError, match="Expected images of the fill 'mine' for own: pass"):
        evaluate(model, few, made, [spec])


@pytest.mark.parametrize("name", ["deletion_skin", "insertion_skin"])
def test_skin_is_a_fill_that_is_made_of_regions(model, few, name):
    made, regions = explain(model, few), face_regions(few.landmarks_at(64), size=64)
    found = evaluate(model, few, made, [name], regions=regions, chunk=2)
    painted = skin_fill(few.images, regions)
    handed_in = evaluate(model, few, made, [name], fills={"skin": painted})
    assert np.array_equal(found["value"], handed_in["value"])
    assert METRICS[name].needs_regions
    with pytest.raises(InputError, match=f"Expected regions for the fill 'skin' of {name}: pass"):
        evaluate(model, few, made, [name])
    with pytest.raises(InputError, match=r"Expected regions \(5, 8, 64, 64\) of face_regions, got"):
        evaluate(model, few, made, [name], regions=regions[:, :3])


@pytest.mark.parametrize("fill", ["linear", "linear:0.02"])
def test_linear_imputation_is_a_fill(model, few, fill):
    spec = dataclasses.replace(METRICS["deletion"], options={"fill": fill, "steps": 2})
    made = explain(model, few)
    same = deletion(model, few.images, made.maps, made.targets, ids=few.ids, **spec.options).auc
    assert np.allclose(evaluate(model, few, made, [spec])["value"], same, atol=1e-5)


def own(**facts) -> MetricSpec:
    """A metric of the caller's."""
    common = {"family": "complexity", "higher_is_better": None, "bounds": (0, 1), "reference": "no"}
    return MetricSpec(**(common | facts))


NEEDY = own(name="needy", fn=len, needs=("explain",))
SHORT = own(name="length", fn=lambda maps: torch.zeros(2), needs=("maps",))
BAD = {
    "unknown": (
        lambda model, few, made: evaluate(model, few, made, ["deltion"]),
        "Unknown metric 'deltion': did you mean deletion",
    ),
    "no metric": (
        lambda model, few, made: evaluate(model, few, made, []),
        "Expected at least one metric",
    ),
    "a metric twice": (
        lambda model, few, made: evaluate(model, few, made, ["gini", "deletion", "gini"]),
        "Expected each metric once, got gini several times",
    ),
    "an array": (
        lambda model, few, made: evaluate(model, few.images.numpy(), made, ["gini"]),
        "or their images as a torch tensor .* got ndarray",
    ),
    "other faces": (
        lambda model, few, made: evaluate(model, few.subset([4, 3, 2, 1, 0]), made, ["gini"]),
        "got those of others for 'gradcam'",
    ),
    "a name alone": (
        lambda model, few, made: evaluate(model, few, made, "deletion"),
        r"list of metrics, got one name: pass \['deletion'\]",
    ),
    "maps": (
        lambda model, few, made: evaluate(model, few, made.maps, ["deletion"]),
        "Expected explanations, got Tensor: make them with",
    ),
    "a list of maps": (
        lambda model, few, made: evaluate(model, few, [made.maps], ["deletion"]),
        "Expected explanations, got Tensor: make them with",
    ),
    "named maps": (
        lambda model, few, made: evaluate(model, few, {"a": made.maps}, ["deletion"]),
        "Expected explanations, got Tensor: make them with",
    ),
    "no regions": (
        lambda model, few, made: evaluate(model, few, made, ["naopc"]),
        "Expected regions for naopc: pass regions=",
    ),
    "too many maps": (
        lambda model, few, made: evaluate(model, few.subset(range(3)), made, ["deletion"]),
        "Expected 3 maps of 'gradcam', one an image, got 5",
    ),
    "a method twice": (
        lambda model, few, made: evaluate(model, few, [made, made], ["deletion"]),
        "Expected each method once, got gradcam",
    ),
    "no explanation": (
        lambda model, few, made: evaluate(model, few, [], ["deletion"]),
        "Expected at least one explanation",
    ),
    "no chunk": (
        lambda model, few, made: evaluate(model, few, made, ["deletion"], chunk=0),
        "Expected chunk as a whole number of 1 or more",
    ),
    "a chunk in words": (
        lambda model, few, made: evaluate(model, few, made, ["deletion"], chunk="a"),
        "Expected chunk as a whole number of 1 or more",
    ),
    "one id twice": (
        lambda model, few, made: evaluate(model, few, made, ["gini"], ids=[1, "b", "c", "d", "1"]),
        "Expected each of the ids once, got '1' several times: name each image by its own",
    ),
    "ids in one text": (
        lambda model, few, made: evaluate(model, few, made, ["gini"], ids="abcde"),
        "Expected ids as a list of names, one an image, got 'abcde'",
    ),
    "too few ids": (
        lambda model, few, made: evaluate(model, few, made, ["gini"], ids=["a"]),
        "Expected 5 ids, one an image, got 1",
    ),
    "a function": (
        lambda model, few, made: evaluate(model, few, made, [len]),
        "Expected metrics as names or as metrics.MetricSpec, got",
    ),
    "nothing that explains": (
        lambda model, few, made: evaluate(model, few, made, [NEEDY]),
        "Expected functions that explain again by gradcam for needy",
    ),
    "too few values": (
        lambda model, few, made: evaluate(model, few, made, [SHORT]),
        "Expected one value a face of length",
    ),
}


@pytest.mark.parametrize(("asked", "match"), BAD.values(), ids=BAD)
def test_bad_input_is_one_sentence(asked, match, model, few):
    with pytest.raises((InputError, UnknownNameError), match=match):
        asked(model, few, explain(model, few))
