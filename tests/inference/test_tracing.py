import threading

import torch
from torch import nn

from fer_xai.inference.tracing import trace


class Waiting(nn.Module):
    """Waits, as it is traced, for another thread's pass."""

    def __init__(self, started, done):
        super().__init__()
        self.head, self.started, self.done = nn.Linear(2, 2), started, done

    def forward(self, x):
        self.started.set()
        assert self.done.wait(10)
        return self.head(x)


def test_passes_of_other_threads_are_not_traced():
    started, done, found = threading.Event(), threading.Event(), []
    net, batch = nn.Sequential(nn.Linear(2, 2), nn.ReLU()), torch.ones(1, 2)
    expected = net(batch)

    def run():
        assert started.wait(10)
        found.append(net(batch))
        done.set()

    other = threading.Thread(target=run, daemon=True)
    other.start()
    graph = trace(Waiting(started, done)).graph
    other.join()
    assert torch.equal(found[0], expected)
    assert [node.op for node in graph.nodes] == ["placeholder", "call_module", "output"]
