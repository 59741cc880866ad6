"""Which faces can stand for another one as a floor: one rule for all studies."""

import pytest
import torch

from fer_xai.errors import InputError
from studies.engine.other_persons import other_persons


def test_others_are_of_the_same_target_and_another_person_in_the_order_of_the_faces():
    targets, persons = torch.tensor([0, 0, 5, 0, 5]), [1, 2, 1, 1, "1"]
    found = other_persons(targets, persons)
    for i in range(5):
        for j in range(5):
            expected = bool(targets[i] == targets[j]) and str(persons[i]) != str(persons[j])
            assert bool(found[i, j]) is expected
    assert not found[2].any()  # no other person has its target
    order = torch.tensor([3, 0, 4, 2, 1])
    again = other_persons(targets[order], [persons[k] for k in order.tolist()])
    assert torch.equal(again, found[order][:, order])


def test_no_faces_have_no_others():
    assert other_persons(torch.zeros(0, dtype=torch.long), []).shape == (0, 0)


@pytest.mark.parametrize(
    ("targets", "persons", "sentence"),
    [
        (torch.zeros(2, 2), ["a", "b"], r"Expected targets \(N,\), got shape \(2, 2\)\."),
        (torch.zeros(2), ["a"], "Expected the person of each of 2 faces, got 1 labels."),
        (torch.zeros(2), ["a", ""], "got none for face 1: give"),
        (torch.zeros(2), [None, "a"], "got none for face 0: give"),
        (torch.zeros(2), [1.0, float("nan")], "got none for face 1: give"),
    ],
)
def test_persons_that_are_not_known_are_refused(targets, persons, sentence):
    with pytest.raises(InputError, match=sentence):
        other_persons(targets, persons)
