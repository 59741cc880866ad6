"""Class activation maps that the peers do not have, or have otherwise."""

import pytest
import torch
from nets import probe

from fer_xai.attributions import ATTRIBUTIONS, attribute
from fer_xai.probe import Probe


def test_eigencam_asks_for_no_target_and_no_gradient(model, images, monkeypatch):
    used, method = Probe(model, device="cpu", fold=False), ATTRIBUTIONS["eigencam"]
    attribute(used, images, torch.zeros(5, 1).long(), method=method)  # looks at the layer
    rows = []
    used.model.net.fc.register_forward_hook(lambda *a: rows.append(len(a[2])))
    monkeypatch.setattr(torch.autograd, "grad", lambda *_: pytest.fail("a gradient was taken"))
    cells = attribute(used, images, torch.arange(6).expand(5, 6), method=method).cells
    assert rows == [5]
    assert (cells == cells[:, :1]).all()
    assert method.passes(probe("gimefive"), targets=6) == (1, 0)
