"""Checkpoints as others leave them: nested, prefixed, with objects in them, or damaged."""

import argparse
import datetime
import io
import os
import pickle
import zipfile
from collections import OrderedDict, defaultdict
from pathlib import PurePosixPath

import numpy as np
import pytest
import torch
from torch import nn

from fer_xai.errors import InputError
from fer_xai.models import FERModel, load_model
from fer_xai.models.checkpoints import load_state, read_state
from tests.helpers import tiny_model


class Recorder:
    """An object that a training script pickles beside its state."""

    def __init__(self):
        self.losses = np.ones((2, 3))
        self.best = {"acc": torch.tensor(0.5)}
        self.path = PurePosixPath("a/b")
        self.kinds = {1, 2}
        self.cells = defaultdict(list, a=[1])


class Listing(list):
    pass


class Evil:
    """An object that would make a folder when it is unpickled."""

    def __init__(self, trace):
        self.trace = str(trace)

    def __reduce__(self):
        return os.mkdir, (self.trace,)


class Stateful(Evil):
    """The same in each way that an object can be filled with."""

    def __reduce__(self):
        inner = Evil(self.trace)
        return Listing, ([inner],), {"a": inner}, iter([inner]), None


@pytest.fixture
def net():
    return tiny_model(seed=3).net


def loads(path, net):
    """Whether the file fills a fresh network with the weights of another."""
    again = tiny_model().net
    load_state(again, read_state(path)[0], what="tiny")
    return all(
        torch.equal(again.state_dict()[key], value) for key, value in net.state_dict().items()
    )


BEST = torch.tensor(0.91)


@pytest.mark.parametrize(
    "wrap",
    [
        lambda s: {"state_dict": s, "best_acc": BEST},
        lambda s: {"best_acc": BEST, "epoch": 3, "model": s, "optimizer": {"m": {"a": BEST}}},
        lambda s: {"params": s},
        lambda s: {"model_state": s, "best": BEST},
        lambda s: {"ema": s, "epoch": 3},
        lambda s: {"ema": {k: 2 * v for k, v in s.items()}, "model": s},
        lambda s: {"checkpoint": {"anything": {"network": s}}, "best": BEST},
        lambda s: {"anything": s, "optimizer": {"state": {0: {"exp_avg": BEST}}}},
        lambda s: {"_orig_mod." + k: v for k, v in s.items()},
        lambda s: {"module._orig_mod." + k: v for k, v in s.items()},
        lambda s: {"_orig_mod.module." + k: v for k, v in s.items()},
        lambda s: {"state_dict": {"model." + k: v for k, v in s.items()}},
        lambda s: {"n_averaged": BEST} | {"module." + k: v for k, v in s.items()},
        lambda s: {k if k.startswith("fc") else "backbone." + k: v for k, v in s.items()},
        lambda s: {k.replace("conv1.", "conv1._orig_mod."): v for k, v in s.items()},
        lambda s: {"state_dict": s, "recorder": Recorder(), "best_acc": BEST},
        lambda s: {"state_dict": s, "args": argparse.Namespace(lr=0.1), "when": datetime.date.max},
        lambda s: {"state_dict": {k: nn.Parameter(v, requires_grad=False) for k, v in s.items()}},
        lambda s: {"net": OrderedDict(s), "acc": np.float64(0.5), "epoch": np.int64(3)},
        lambda s: {"state_dict": s, "listing": Listing([1, 2]), "function": os.getcwd},
        lambda s: {"state_dict": s, "model": nn.Linear(2, 2)},
    ],
)
@pytest.mark.parametrize("zipped", [True, False])
def test_states_are_found_and_fitted(tmp_path, net, wrap, zipped):
    torch.save(wrap(net.state_dict()), tmp_path / "w.pth", _use_new_zipfile_serialization=zipped)
    assert loads(tmp_path / "w.pth", net)


@pytest.mark.parametrize("kind", [Evil, Stateful])
@pytest.mark.parametrize("zipped", [True, False])
def test_code_in_a_checkpoint_is_not_run_and_the_state_beside_it_loads(tmp_path, net, kind, zipped):
    trace = tmp_path / "was_here"
    told = {"state_dict": net.state_dict(), "best": kind(trace), "more": [kind(trace)]}
    torch.save(told, tmp_path / "w.pth", _use_new_zipfile_serialization=zipped)
    assert loads(tmp_path / "w.pth", net)
    assert not trace.exists()
    with pytest.raises(Exception, match=r"was_here|Listing|."):
        torch.load(tmp_path / "w.pth", weights_only=False)
    assert trace.exists()  # the trap is a trap


def test_the_names_in_a_pickle_are_not_even_imported(tmp_path, net, monkeypatch):
    (tmp_path / "planted.py").write_text("open('was_here', 'w').close()\nclass Thing: pass\n")
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.chdir(tmp_path)
    torch.save({"state_dict": net.state_dict(), "thing": Recorder()}, tmp_path / "w.pth")
    parts = {}
    with zipfile.ZipFile(tmp_path / "w.pth") as archive:
        for name in archive.namelist():
            parts[name] = archive.read(name)
    old = f"c{Recorder.__module__}\nRecorder\n".encode()
    changed = {k: v.replace(old, b"cplanted\nThing\n") for k, v in parts.items()}
    assert changed != parts
    with zipfile.ZipFile(tmp_path / "w.pth", "w", zipfile.ZIP_STORED) as archive:
        for name, content in changed.items():
            archive.writestr(name, content)
    assert loads(tmp_path / "w.pth", net)
    assert not (tmp_path / "was_here").exists()


def test_pickles_cannot_change_what_reads_them(tmp_path, net):
    """BUILD sets attributes of what is on the stack: functions and classes must not be there."""
    before = torch._utils._rebuild_tensor_v2, dict(vars(torch._utils._rebuild_tensor_v2))
    for target in (b"ctorch._utils\n_rebuild_tensor_v2\n", b"ctorch.storage\nUntypedStorage\n"):
        for state in (b"}X\x05\x00\x00\x00_makeK\x07s", b"N}X\x05\x00\x00\x00dtypeK\x07s\x86"):
            buffer = io.BytesIO()
            torch.save({"a": torch.ones(1)}, buffer)
            planted = target + state + b"b0"  # fill it, and drop it
            with (
                zipfile.ZipFile(buffer) as old,
                zipfile.ZipFile(tmp_path / "w.pth", "w", zipfile.ZIP_STORED) as new,
            ):
                for name in old.namelist():
                    content = old.read(name)
                    if name.endswith("data.pkl"):
                        content = content[:2] + planted + content[2:]
                    new.writestr(name, content)
            assert read_state(tmp_path / "w.pth")[0]["a"].tolist() == [1]
    assert before == (torch._utils._rebuild_tensor_v2, vars(torch._utils._rebuild_tensor_v2))
    torch.save({"state_dict": net.state_dict(), "x": Recorder()}, tmp_path / "w.pth")
    assert loads(tmp_path / "w.pth", net)


@pytest.mark.parametrize("zipped", [True, False])
def test_a_whole_module_is_refused_with_the_lines_that_save_it(tmp_path, zipped):
    whole = nn.Sequential(nn.Linear(2, 2))
    for told, part in ((whole, ""), ({"model": whole, "epoch": 3}, r"\['model'\]")):
        torch.save(told, tmp_path / "w.pth", _use_new_zipfile_serialization=zipped)
        with pytest.raises(
            InputError,
            match=rf"(?s)an object of torch.nn.modules.container.Sequential, which .*import torch"
            rf'.*net = torch.load\("w.pth", map_location="cpu", weights_only=False\){part}\n'
            r'.*torch.save\(net.state_dict\(\), "weights.pth"\)',
        ):
            read_state(tmp_path / "w.pth")


@pytest.mark.parametrize(
    ("told", "sentence"),
    [
        ({"epoch": 3, "recorder": Recorder()}, r"objects that are not read: recorder \(tests"),
        ({"g": {"a": BEST}, "d": {"a": BEST}}, "Expected one state dict .* several, under g, d"),
        ([1, 2], "Expected a state dict in .*, got list"),
        (BEST, "Expected a state dict in .*, got Tensor"),
        ({}, r"got the keys \(none\)"),
        (Recorder, "Expected a state dict in .*, got a placeholder"),
        ({"optimizer": {"a": BEST}}, "got the keys optimizer"),
    ],
)
def test_what_holds_no_state_says_what_it_holds(tmp_path, told, sentence):
    torch.save(told, tmp_path / "w.pth")
    with pytest.raises(InputError, match=sentence):
        read_state(tmp_path / "w.pth")


def test_scripts_are_refused(tmp_path):
    torch.jit.save(torch.jit.trace(nn.Linear(2, 2), torch.rand(1, 2)), str(tmp_path / "w.pt"))
    with pytest.raises(InputError, match=r"cannot be read safely \(it is a script of TorchScript"):
        read_state(tmp_path / "w.pt")


def test_another_number_of_classes_asks_for_the_emotions(tmp_path):
    torch.save(load_model("resnet18", emotions="rafdb").net.state_dict(), tmp_path / "w.pth")
    with pytest.raises(
        InputError, match=r"7 outputs and the network 6, so name the .* \(emotions=, or --emotions"
    ):
        load_model("resnet18", weights=tmp_path / "w.pth")
    with pytest.raises(InputError, match="choose the architecture that was trained"):
        load_model("resnet34", weights=tmp_path / "w.pth", emotions="rafdb")
    model = load_model("resnet18", weights=tmp_path / "w.pth", emotions="rafdb")
    assert isinstance(model, FERModel)


def test_tensors_that_cannot_be_copied_are_refused(net):
    state = net.state_dict()
    for strange in (state["fc.weight"].to("meta"), state["fc.weight"].to_sparse()):
        with pytest.raises(InputError, match=r"of tiny as plain tensors, but fc.weight are"):
            load_state(net, state | {"fc.weight": strange}, what="tiny")


def originals(net):
    """Contents of checkpoints that are mutated, with their endings."""
    state = net.state_dict()
    kinds = [
        ({"state_dict": state, "best": BEST, "recorder": Recorder()}, True),
        ({"state_dict": state, "recorder": Recorder()}, False),
        ({f"module.{key}": value for key, value in state.items()}, True),
        ({"whole": nn.Linear(2, 2)}, True),
    ]
    found = []
    for told, zipped in kinds:
        buffer = io.BytesIO()
        torch.save(told, buffer, _use_new_zipfile_serialization=zipped)
        found.append(buffer.getvalue())
    return found


def mutated(content, random):
    """One file with some bytes changed, dropped, doubled or exchanged, or its end cut off."""
    content = bytearray(content)
    head = min(len(content), 6000)  # where the pickle is, mostly
    for _ in range(int(random.integers(1, 6))):
        span = head if random.random() < 0.7 else len(content)
        at, kind = int(random.integers(span)), int(random.integers(5))
        long = int(random.integers(1, 40))
        if kind == 0:
            content[at] = int(random.integers(256))
        elif kind == 1:
            del content[at : at + long]
        elif kind == 2:
            content[at:at] = content[at : at + long]
        elif kind == 3:
            other = int(random.integers(span))
            content[at : at + 1], content[other : other + 1] = (
                content[other : other + 1],
                content[at : at + 1],
            )
        else:
            content = content[: int(random.integers(1, len(content) + 1))]
            break
        span = head = min(len(content), 6000)
        if not content:
            break
    return bytes(content)


def renewed(content, random):
    """A zip file whose pickle alone is mutated, and whose checksums are right."""
    made = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(content)) as old, zipfile.ZipFile(made, "w") as new:
        for name in old.namelist():
            part = old.read(name)
            new.writestr(name, mutated(part, random) if name.endswith("data.pkl") else part)
    return made.getvalue()


def fuzz(path, count, seed):
    """Counts of mutated checkpoints that load, and that are refused by a sentence."""
    random, net = np.random.default_rng(seed), tiny_model(seed=3).net
    contents = originals(net)
    counts, longest = {"loaded": 0, "refused": 0}, 0
    for turn in range(count):
        content = contents[turn % len(contents)]
        inside = content[:2] == b"PK" and random.random() < 0.5
        path.write_bytes((renewed if inside else mutated)(content, random))
        try:
            load_state(tiny_model().net, read_state(path)[0], what="tiny")
            counts["loaded"] += 1
        except InputError as error:
            counts["refused"] += 1
            longest = max(longest, len(str(error)))
    assert longest < 1200
    return counts


def test_mutated_checkpoints_load_or_give_a_sentence(tmp_path):
    counts = fuzz(tmp_path / "w.pth", 400, seed=0)
    assert counts["refused"] > 100
    assert counts["loaded"] > 10


@pytest.mark.slow
def test_ten_thousand_mutated_checkpoints(tmp_path):
    counts = fuzz(tmp_path / "w.pth", 10_000, seed=1)
    print(counts)
    assert sum(counts.values()) == 10_000


def test_a_pickle_alone_is_refused(tmp_path):
    (tmp_path / "w.pkl").write_bytes(pickle.dumps({"state_dict": {"a": 1}}))
    with pytest.raises(InputError, match="cannot be read safely"):
        read_state(tmp_path / "w.pkl")
