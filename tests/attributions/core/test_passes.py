"""The passes that a method says it needs are those that a hook counts."""

import dataclasses

import pytest
import torch

from fer_xai.attributions import ATTRIBUTIONS, attribute
from fer_xai.inference.predictor import Predictor
from fer_xai.landmarks import face_regions
from tests.attributions.nets import NAMES, build
from tests.attributions.test_every_method import QUICK, REFUSED


@pytest.mark.parametrize("method", list(ATTRIBUTIONS))
def test_forward_passes_are_counted_right(method, faces):
    name = next(name for name in NAMES if (method, name) not in REFUSED and name != "vgg")
    chosen = faces.subset([0, 20])
    regions = face_regions(chosen.landmarks_at(64), size=64)
    attribution = dataclasses.replace(ATTRIBUTIONS[method], **QUICK.get(method, {}))
    if method in ("scorecam", "ablationcam"):
        attribution = dataclasses.replace(attribution, layer="relu1")
    predictor = Predictor(build(name), device="cpu", batch_size=4)
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
