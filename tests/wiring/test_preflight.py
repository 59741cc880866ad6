"""Planted mis-wirings are found, right models pass, and weak ones raise no alarm."""

import itertools

import pytest
import torch
from torch import nn

import fer_xai
from fer_xai import preflight
from fer_xai.emotions import NATIVE_ORDERS, SIX
from fer_xai.errors import InputError
from tests.wiring.conftest import Matched, pattern_faces, wired


def verdicts(found):
    return {one.check: one.verdict for one in found.findings}


def failed(found):
    return [one.check for one in found.findings if one.verdict == "fail"]


def test_a_right_model_passes(faces):
    found = preflight(wired(), faces)
    assert found.passed, found
    assert found.suggestion == {}
    assert "No check found matched wired otherwise than declared" in found.answer
    assert verdicts(found)["order of the outputs"] == "pass"
    assert list(found.frame.columns) == ["check", "verdict", "sentence"]
    assert "matched" in repr(found)


@pytest.mark.parametrize("pair", list(itertools.combinations(range(6), 2))[::3])
def test_two_swapped_outputs_are_found_and_put_right(faces, pair):
    order = list(SIX)
    order[pair[0]], order[pair[1]] = order[pair[1]], order[pair[0]]
    found = preflight(wired(emotions=order), faces)
    assert "order of the outputs" in failed(found), found
    assert found.suggestion["emotions"] == SIX
    assert preflight(wired(emotions=order).rewired(**found.suggestion), faces).passed


def test_a_native_order_is_named(faces):
    order = tuple(name for name in NATIVE_ORDERS["rafdb"] if name in SIX)
    columns = [SIX.index(name) for name in order]
    net = nn.Sequential(Matched(), Picked(columns))  # outputs in RAF-DB's order, declared as ours
    found = preflight(wired(net), faces)
    assert found.suggestion["emotions"] == order
    assert "order of rafdb" in found.answer


class Picked(nn.Module):
    def __init__(self, columns):
        super().__init__()
        self.columns = columns

    def forward(self, x):
        return x[:, self.columns]


@pytest.mark.parametrize(
    ("changes", "check", "repair"),
    [
        ({"colour_order": "bgr"}, "colour order", {"colour_order": "rgb"}),
        ({"greyscale": True}, "greyscale", {"greyscale": False}),
        ({"crop": -0.25}, "crop", None),
    ],
)
def test_a_wrong_input_is_found(faces, changes, check, repair):
    found = preflight(wired(**changes), faces)
    assert check in failed(found), found
    if repair is not None:
        assert found.suggestion == repair


def test_a_wrong_range_is_found():
    net = Scaled()
    right = wired(net, mean=None, std=None, normalisation="none")
    faces = pattern_faces()
    assert preflight(right, faces).passed
    found = preflight(right.rewired(normalisation="raw"), faces)
    assert "range and normalisation" in failed(found), found
    assert preflight(right.rewired(**found.suggestion), faces).passed


class Scaled(Matched):
    """Wants [0, 1], and saturates far outside of it."""

    def forward(self, x):
        return super().forward((x - 0.5).clamp(-1, 1))


def test_two_faults_at_a_time_are_both_found(faces):
    order = ("surprise", "happiness", *SIX[2:])
    found = preflight(wired(colour_order="bgr", emotions=order), faces)
    assert found.suggestion == {"colour_order": "rgb", "emotions": SIX}, found


@pytest.mark.parametrize(
    ("ending", "declared"), [(nn.Softmax(dim=1), "softmax"), (nn.Sigmoid(), "sigmoid")]
)
def test_probabilities_are_found(faces, ending, declared):
    found = preflight(wired(nn.Sequential(Matched(), ending)), faces)
    assert "logits or probabilities" in failed(found)
    assert found.suggestion == {"ends_in": declared}
    assert preflight(wired(nn.Sequential(Matched(), ending), ends_in=declared), faces).passed


def test_dropout_that_stays_on_is_found(faces):
    class Always(Matched):
        def forward(self, x):
            return super().forward(nn.functional.dropout(x, 0.3, training=True))

    found = preflight(wired(Always()), faces)
    assert "chance" in failed(found), found


def test_batch_norm_in_training_mode_is_found(faces):
    class Stays(nn.Module):
        def __init__(self):
            super().__init__()
            self.net, self.norm = Matched(), nn.BatchNorm1d(6)
            self.norm.running_mean += 1

        def train(self, mode=True):
            return super().train(True)

        def forward(self, x):
            return self.norm(self.net(x))

    found = preflight(wired(Stays()), faces)
    assert {"evaluation mode", "other faces of the batch"} <= set(failed(found)), found


def test_new_batch_norms_dead_outputs_and_nan_are_found(faces):
    new = preflight(wired(nn.Sequential(Matched(), nn.BatchNorm1d(6))), faces)
    assert "BatchNorm statistics" in failed(new)
    dead = Matched()
    dead.read.weight.data[4] = 0
    assert "disgust" in preflight(wired(dead), faces).answer
    broken = Matched()
    broken.read.weight.data[0, 0] = torch.nan
    found = preflight(wired(broken), faces)
    assert failed(found) == ["finite numbers"]
    assert verdicts(found)["order of the outputs"] == "not applicable"


def test_one_answer_for_all_is_found(faces):
    net = Matched()
    net.read.bias.data[2] = 1e3
    assert "one answer for all" in failed(preflight(wired(net), faces))


def test_a_weak_model_raises_no_alarm():
    for seed in range(4):
        found = preflight(wired(), pattern_faces(300, noise=8.0, seed=seed))
        order = next(one for one in found.findings if one.check == "order of the outputs")
        assert order.numbers["pair rate"] < 0.85
        assert set(failed(found)) <= {"recognition"}, found
        assert found.suggestion == {}


def test_few_faces_decide_little_and_say_so():
    found = preflight(wired(), pattern_faces(40))
    assert found.passed
    assert "do not decide" in found.answer
    pair = verdicts(preflight(wired(), pattern_faces(200, emotions=(0, 1))))
    assert pair["order of the outputs"] == "undecided"


def test_the_order_of_faces_does_not_matter(faces):
    order = torch.randperm(len(faces), generator=torch.Generator().manual_seed(0)).numpy()
    one = preflight(wired(colour_order="bgr"), faces)
    two = preflight(wired(colour_order="bgr"), faces.subset(order))
    assert [f.sentence for f in one.findings] == [f.sentence for f in two.findings]


def test_emotions_that_the_model_lacks_are_looked_at_without_label(faces):
    five = nn.Sequential(Matched(), Picked(range(5)))
    found = preflight(wired(five, emotions=SIX[:5]), faces)
    assert found.passed, found
    recognised = next(one for one in found.findings if one.check == "recognition")
    assert recognised.numbers["faces"] < len(faces)


def test_outputs_that_are_no_emotion_keep_their_place(faces):
    net = nn.Sequential(Matched(), Picked([0, 0, *range(1, 6)]))
    swapped = ("surprise", "-", "happiness", *SIX[2:])
    found = preflight(wired(net, emotions=swapped), faces)
    assert found.suggestion["emotions"] == ("happiness", "-", *SIX[1:])


def test_no_faces_are_refused(faces):
    with pytest.raises(InputError, match="got none"):
        preflight(wired(), faces[:0])


def test_progress_is_told(faces):
    seen = []
    preflight(wired(), faces, progress=lambda done, all_of_them: seen.append((done, all_of_them)))
    assert seen[-1][0] <= seen[-1][1]
    assert len(seen) > 3


def test_shipped_weights_on_built_in_faces():
    model = fer_xai.load_model("gimefive", weights="synthetic")
    faces = fer_xai.load_dataset("synthetic", limit=84)
    found = preflight(model.rewired(emotions=("fear", *SIX[1:5], "happiness")), faces)
    assert found.suggestion["emotions"] == SIX
