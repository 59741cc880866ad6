"""Tensors are told apart by what they hold."""

import numpy as np
import pytest
import torch

from metrics.core.tensor_keys import TensorKeys


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.int32, torch.bool])
def test_a_tensor_keeps_its_number_until_it_changes(dtype):
    keys, one = TensorKeys(), torch.ones(2, 3, dtype=dtype)
    other = torch.zeros(2, 3, dtype=dtype)
    assert [keys.of(one), keys.of(other), keys.of(one), keys.of(other)] == [0, 1, 0, 1]
    one[1, 2] = 0
    assert [keys.of(one), keys.of(other)] == [2, 1]


def test_a_change_through_numpy_is_one():
    array = np.ones(3)
    keys, tensor = TensorKeys(), torch.from_numpy(array)
    first = keys.of(tensor)
    array[0] = 5
    assert keys.of(tensor) != first


def test_nan_is_itself_at_its_own_place():
    keys, tensor = TensorKeys(), torch.tensor([torch.nan, 1.0])
    first = keys.of(tensor)
    assert keys.of(tensor) == first
    tensor.copy_(tensor.flip(0))
    assert keys.of(tensor) != first


def test_tensors_that_come_and_go_share_no_number_by_their_place_in_memory():
    keys = TensorKeys()
    assert len({keys.of(torch.full((4,), float(value))) for value in range(20)}) == 20


def test_what_needs_gradients_is_copied_without():
    keys, tensor = TensorKeys(), torch.ones(2, requires_grad=True)
    assert keys.of(tensor) == keys.of(tensor)
