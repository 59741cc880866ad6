import json
import os
from pathlib import Path

import pytest
import torch
from safetensors import SafetensorError
from safetensors.torch import save_file, save_model

import fer_xai
from fer_xai.emotions import SIX
from fer_xai.errors import InputError
from fer_xai.models import load_model
from fer_xai.models.checkpoints import file_digest, load_state, read_state, save_weights
from tests.helpers import tiny_model

SHIPPED = sorted(
    path
    for path in (Path(fer_xai.__file__).parent / "weights").glob("*.safetensors")
    if not path.name.startswith("landmarks-")  # tests/detect/test_shipped.py holds them
)
RECORDS = Path(__file__).parents[2] / "results" / "trainings"


@pytest.fixture
def trained():
    return load_model("baseline4", seed=3)


@pytest.mark.parametrize(
    "wrap",
    [
        lambda s: s,
        lambda s: {"state_dict": s, "epoch": 3},
        lambda s: {"model_state_dict": s},
        lambda s: {"net": {"state_dict": s}},
        lambda s: {f"module.{k}": v for k, v in s.items()},
        lambda s: {
            "state_dict": {
                f"module.{k}": v.half() if v.is_floating_point() else v for k, v in s.items()
            }
        },
    ],
)
def test_checkpoints_are_unwrapped(tmp_path, trained, wrap):
    torch.save(wrap(trained.net.state_dict()), tmp_path / "w.pth")
    loaded = load_model("baseline4", weights=tmp_path / "w.pth")
    for key, value in trained.net.state_dict().items():
        assert torch.allclose(loaded.net.state_dict()[key].float(), value.float(), atol=1e-3)


def test_safetensors_round_trip_with_settings(tmp_path, trained):
    settings = {"model": "baseline4", "emotions": trained.emotions, "size": 64, "greyscale": True}
    save_weights(trained.net, tmp_path / "w.safetensors", settings=settings)
    state, found = read_state(tmp_path / "w.safetensors")
    assert found["model"] == "baseline4"
    assert state["fc3.weight"].dtype == torch.float32
    assert (tmp_path / "w.safetensors").stat().st_size < 2 * 2_610_000 + 10_000
    loaded = load_model("baseline4", weights=tmp_path / "w.safetensors")
    images = torch.rand(4, 3, 64, 64)
    assert torch.allclose(loaded(images), trained(images), atol=5e-3)
    with pytest.raises(InputError, match="Expected weights of vgg, but .* holds a baseline4"):
        load_model("vgg", weights=tmp_path / "w.safetensors")


def test_mismatches_name_keys_and_leave_the_network_alone(tmp_path, trained):
    state = trained.net.state_dict()
    state["extra.weight"] = torch.zeros(2)
    del state["conv1.bias"]
    state["fc3.weight"] = torch.zeros(7, 512)
    torch.save(state, tmp_path / "w.pth")
    with pytest.raises(
        InputError,
        match=(
            r"missing: conv1.bias; unexpected: extra.weight; shape: fc3.weight \(7, 512\) instead of "
            r"\(6, 512\)"
        ),
    ):
        load_model("baseline4", weights=tmp_path / "w.pth")


class Evil:
    def __init__(self, trace):
        self.trace = str(trace)

    def __reduce__(self):
        return os.mkdir, (self.trace,)


def test_pickles_that_run_code_are_refused(tmp_path):
    trace = tmp_path / "was_here"
    torch.save({"state_dict": Evil(trace)}, tmp_path / "w.pth")
    with pytest.raises(InputError, match=r"holds an object of posix\.mkdir, which its own"):
        read_state(tmp_path / "w.pth")
    assert not trace.exists()
    torch.load(tmp_path / "w.pth", weights_only=False)
    assert trace.exists()  # the trap is a trap


@pytest.mark.parametrize("name", ["w.pth", "w.safetensors"])
def test_damaged_and_missing_files(tmp_path, name):
    with pytest.raises(InputError, match="Expected a checkpoint file, but .* does not exist"):
        read_state(tmp_path / name)
    for junk in (b"not a checkpoint", b"hello\n", b""):
        (tmp_path / name).write_bytes(junk)
        with pytest.raises(InputError, match="Expected .* cannot be read"):
            read_state(tmp_path / name)


def test_a_file_without_weights_names_its_keys(tmp_path):
    torch.save({"epoch": 3, "loss": 0.1}, tmp_path / "w.pth")
    with pytest.raises(InputError, match="got the keys epoch, loss"):
        read_state(tmp_path / "w.pth")


def written(path, **settings):
    """Weights of the tiny net with settings."""
    save_weights(tiny_model().net, path, settings=settings)
    return path


@pytest.mark.parametrize(
    ("settings", "sentence"),
    [
        ({"size": "64px"}, "size as a whole number of pixels from 1 to 4096 .* got '64px'"),
        ({"size": 10**9}, "size as a whole number of pixels .* got 1000000000"),
        ({"size": -3}, "size as a whole number"),
        ({"size": 64.0}, "size"),
        ({"size": True}, "size"),
        ({"size": 0}, "size"),
        ({"size": None}, "size as .* got None"),
        ({"emotions": "happiness"}, "emotions as a list of emotions"),
        ({"emotions": ["joyless"]}, "emotions as a list of emotions"),
        ({"emotions": ["fear", "fear"]}, "emotions"),
        ({"emotions": [1, 2]}, "emotions"),
        ({"emotions": []}, "emotions"),
        ({"emotions": [["fear"]]}, "emotions"),
        ({"greyscale": "yes"}, "greyscale as true or false"),
        ({"model": 3}, "model as a name"),
        ({"model": "x" * 500}, "Expected weights of baseline4, but .* holds a x{80}: load"),
    ],
)
def test_settings_in_a_file_are_checked(tmp_path, settings, sentence):
    with pytest.raises(InputError, match=sentence) as refusal:
        load_model("baseline4", weights=written(tmp_path / "w.safetensors", **settings))
    assert len(str(refusal.value)) < 500


def test_settings_that_are_no_object_are_refused(tmp_path):
    save_file({"a": torch.ones(1)}, tmp_path / "w.safetensors", metadata={"fer_xai": "[1]"})
    with pytest.raises(InputError, match="as a JSON object, got list"):
        read_state(tmp_path / "w.safetensors")


def test_a_size_in_a_file_that_the_network_cannot_be_fed_is_refused(tmp_path):
    net = load_model("gimefive-flatten").net
    save_weights(net, tmp_path / "w.safetensors", settings={"size": 48})
    with pytest.raises(InputError, match="Expected a size that gimefive-flatten can be fed"):
        load_model("gimefive-flatten", weights=tmp_path / "w.safetensors")


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
@pytest.mark.parametrize("name", ["conv1.weight", "bn1.running_var"])
def test_weights_that_are_no_numbers_are_neither_written_nor_loaded(tmp_path, name, value):
    net = tiny_model().net
    net.state_dict()[name].view(-1)[0] = value
    (tmp_path / "w.safetensors").write_bytes(b"before")
    with pytest.raises(InputError, match=f"Expected finite weights to write .* in {name}: .*rate"):
        save_weights(net, tmp_path / "w.safetensors", settings={})
    assert [path.read_bytes() for path in tmp_path.iterdir()] == [b"before"]
    with pytest.raises(InputError, match=f"Expected finite weights of tiny, got NaN .* {name}: "):
        load_state(tiny_model().net, net.state_dict(), what="tiny")


def test_what_half_precision_cannot_hold_stays_in_single_precision(tmp_path):
    net = tiny_model().net
    net.bn1.running_var[0] = 1e5
    net.bn2.running_var[0] = 1e-9
    net.conv2.weight.data[0] = 1e-8
    net.fc.weight.data[0, 0] = 1e-8  # of no weight beside what stands in its row
    kept = save_weights(net, tmp_path / "w.safetensors", settings={})
    assert sorted(kept) == ["bn1.running_var", "bn2.running_var", "conv2.weight"]
    state, _ = read_state(tmp_path / "w.safetensors")
    for name in kept:
        assert torch.equal(state[name], net.state_dict()[name])
    assert torch.equal(state["fc.weight"], net.fc.weight.half().float())
    assert save_weights(tiny_model().net, tmp_path / "w.safetensors", settings={}) == []


def test_a_full_disk_leaves_no_weights(tmp_path, monkeypatch):
    def full(_, path, **__):
        path.write_bytes(b"half")
        raise SafetensorError("Error while serializing: I/O error: No space left on device")

    monkeypatch.setattr("fer_xai.models.checkpoints.save_file", full)
    with pytest.raises(InputError, match="Expected to write .*: free some room"):
        save_weights(tiny_model().net, tmp_path / "w.safetensors", settings={})
    assert not list(tmp_path.iterdir())


class Tied(torch.nn.Module):
    """A head whose two layers are one."""

    def __init__(self, classes=6):
        super().__init__()
        self.stem = torch.nn.Linear(4, classes)
        self.one = torch.nn.Linear(classes, classes, bias=False)
        self.two = self.one


def test_tied_weights_are_written_and_read(tmp_path):
    net = Tied()
    save_model(net, tmp_path / "theirs.safetensors")
    save_weights(net, tmp_path / "ours.safetensors", settings={}, half=False)
    once = {k: v for k, v in net.state_dict().items() if k != "two.weight"}
    save_file(once, tmp_path / "once.safetensors")  # and does not say what stands for what
    for name in ("theirs", "ours", "once"):
        again = Tied()
        load_state(again, read_state(tmp_path / f"{name}.safetensors")[0], what="tied")
        assert torch.equal(again.two.weight, net.one.weight)


@pytest.mark.parametrize("prefix", ["model.net.", "backbone.", "_orig_mod."])
def test_keys_may_share_a_prefix_beside_what_else_a_checkpoint_holds(tmp_path, prefix):
    net = tiny_model(seed=3).net
    state = {f"{prefix}{key}": value for key, value in net.state_dict().items()}
    torch.save({"state_dict": state | {"loss.weight": torch.ones(6)}}, tmp_path / "w.pth")
    again = tiny_model().net
    load_state(again, read_state(tmp_path / "w.pth")[0], what="tiny")
    assert torch.equal(again.fc.weight, net.fc.weight)
    other = {f"teacher.{key}": value for key, value in net.state_dict().items()}
    with pytest.raises(InputError, match="of one network, but parts of it fit under"):
        load_state(again, state | other, what="tiny")


@pytest.mark.parametrize("file", SHIPPED, ids=lambda file: file.stem)
def test_shipped_weights_load_by_name_fit_into_git_and_have_a_card(file):
    name, _, source = file.stem.partition("-")
    model = load_model(name, weights=source)
    assert (model.emotions, model.size, model.greyscale) == (SIX, 64, True)
    assert torch.isfinite(model(torch.rand(2, 3, 64, 64))).all()
    assert file.stat().st_size < 25e6
    card = file.with_suffix(".md").read_text()
    assert card.startswith(f"# {name} on {source}")
    if source == "synthetic":
        return
    assert "**Licence.**" in card
    assert "## Known failures" in card
    (record,) = RECORDS.glob(f"{name}-{source}-accurate-refit-seed0/card.json")
    facts = json.loads(record.read_text())
    assert facts["weights_sha256"] == file_digest(file)
    assert f"## Test: {facts['test']['accuracy']:.1%} of {facts['test']['faces']:,} faces" in card
