"""The passes that a method says it needs are those that a hook counts."""

import dataclasses

import pytest
import torch

from fer_xai.attributions import ATTRIBUTIONS, attribute, explain
from fer_xai.inference.predictor import Predictor
from fer_xai.landmarks import face_regions
from tests.attributions.nets import build
from tests.attributions.test_every_method import QUICK
from tests.helpers import tiny_model


@pytest.mark.parametrize("method", list(ATTRIBUTIONS))
def test_forward_passes_are_counted_right(method, faces):
    chosen = faces.subset([0, 20])
    regions = face_regions(chosen.landmarks_at(64), size=64)
    attribution = dataclasses.replace(ATTRIBUTIONS[method], **QUICK.get(method, {}))
    if method in ("scorecam", "ablationcam"):
        attribution = dataclasses.replace(attribution, layer="relu1")
    model = build("vit") if "rollout" in method else tiny_model()
    predictor = Predictor(model, device="cpu", batch_size=4)
    for targets in (1, 2):
        columns = torch.arange(targets).expand(2, -1)
        given = {"method": attribution, "regions": regions}
        attribute(predictor, chosen.images, columns, **given)  # looks at layers, rewrites copies
        counted = []
        copies = [predictor.model, predictor.folded, *predictor.rewritten.values()]
        handles = [
            copy.net.register_forward_pre_hook(lambda _, args, c=counted: c.append(len(args[0])))
            for copy in copies
            if copy is not None
        ]
        attribute(predictor, chosen.images, columns, **given)
        for handle in handles:
            handle.remove()
        forward, _ = attribution.passes(predictor, targets=targets, regions=8)
        # a baseline that is one row for both faces is not counted
        assert sum(counted) // 2 == forward, (counted, forward)


GIVEN = ("gradcam", "saliency", "integrated_gradients", "deeplift", "lrp", "occlusion", "eigencam")
"""Methods whose own passes give the logits, a few of each family."""


@pytest.mark.parametrize("targets", [None, "fear"], ids=["predicted", "given"])
@pytest.mark.parametrize("method", [*GIVEN, "gradcam_paper", "smoothgrad"])
def test_explain_makes_a_pass_for_logits_only_if_its_method_makes_none(method, targets):
    images = torch.rand(3, 3, 64, 64, generator=torch.Generator().manual_seed(1))
    predictor = Predictor(tiny_model(), device="cpu", batch_size=2)
    expected = predictor.logits(images)
    columns = expected.argmax(dim=1, keepdim=True)
    attribute(predictor, images, columns, method=method)  # looks at layers, rewrites copies

    def counted(call):
        rows = []
        nets = [predictor.model, predictor.folded, *predictor.rewritten.values()]
        handles = [
            used.net.register_forward_pre_hook(lambda _, args: rows.append(len(args[0])))
            for used in nets
            if used is not None
        ]
        try:
            return call(), sum(rows)
        finally:
            for handle in handles:
                handle.remove()

    _, own = counted(lambda: attribute(predictor, images, columns, method=method))
    found, all_rows = counted(lambda: explain(predictor, images, method=method, targets=targets))
    assert all_rows == own + (0 if method in GIVEN else 3)
    if method == "gradcam":
        assert all_rows == 3  # one pass a face
    assert torch.allclose(found.logits, expected, atol=1e-6)
    if targets is None:
        assert torch.equal(predictor.model.columns(found.targets)[:, None], columns)
        named = explain(predictor, images, method=method, targets=found.targets)
        assert torch.allclose(found.maps, named.maps, atol=1e-6)


def test_methods_that_say_so_give_the_predictors_logits(faces):
    images = faces.subset([0, 20]).images
    regions = face_regions(faces.subset([0, 20]).landmarks_at(64), size=64)
    predictor = Predictor(tiny_model(), device="cpu")
    columns = torch.tensor([[0, 3], [5, 1]])
    expected = predictor.logits(images)
    for name in [name for name in ATTRIBUTIONS if "rollout" not in name]:
        attribution = dataclasses.replace(ATTRIBUTIONS[name], **QUICK.get(name, {}))
        if attribution.gives_logits(predictor):
            found = attribute(predictor, images, columns, method=attribution, regions=regions)
            assert torch.allclose(found.logits, expected, atol=1e-6), name
