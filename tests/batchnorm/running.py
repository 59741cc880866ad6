"""Running statistics of a model, and how two sets of them are compared."""

import torch


def statistics(model):
    return {key: value.clone() for key, value in model.state_dict().items() if "running" in key}


def same(one, other, **room):
    assert one.keys() == other.keys()
    assert len(one)
    for key, value in one.items():
        torch.testing.assert_close(other[key], value, msg=lambda m, key=key: f"{key}: {m}", **room)
