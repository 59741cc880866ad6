"""The target rule of the consistency multiverse."""

from types import SimpleNamespace

import torch

from studies.questions.gradcam_consistency.multiverse import Excesses


def test_untrained_networks_explain_what_the_trained_one_predicts():
    logits = {"trained": torch.eye(6)[[3, 1]], "untrained": torch.eye(6)[[0, 0]]}
    excesses = object.__new__(Excesses)
    excesses.faces = ["a face", "another"]
    excesses.maps = SimpleNamespace(of=lambda network, levels: (None, logits[network]))
    (positions,) = excesses._positions({"target": "predicted"}, "trained")
    assert positions.tolist() == [3, 1]
