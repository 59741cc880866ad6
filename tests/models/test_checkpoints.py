import json
import os
from pathlib import Path

import pytest
import torch

import fer_xai
from fer_xai.emotions import SIX
from fer_xai.errors import InputError
from fer_xai.models import load_model
from fer_xai.models.checkpoints import file_digest, read_state, save_weights

SHIPPED = sorted((Path(fer_xai.__file__).parent / "weights").glob("*.safetensors"))
RECORDS = Path(__file__).parents[2] / "results" / "trainings"


@pytest.fixture
def trained():
    return load_model("baseline4", seed=3)


@pytest.mark.parametrize("wrap", [
    lambda s: s,
    lambda s: {"state_dict": s, "epoch": 3},
    lambda s: {"model_state_dict": s},
    lambda s: {"net": {"state_dict": s}},
    lambda s: {f"module.{k}": v for k, v in s.items()},
    lambda s: {"state_dict": {f"module.{k}": v.half() if v.is_floating_point() else v
                              for k, v in s.items()}},
])  # fmt: skip
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
    with pytest.raises(InputError, match=(
        r"missing: conv1.bias; unexpected: extra.weight; shape: fc3.weight \(7, 512\) instead of "
        r"\(6, 512\)"
    )):  # fmt: skip
        load_model("baseline4", weights=tmp_path / "w.pth")


class Evil:
    def __init__(self, trace):
        self.trace = str(trace)

    def __reduce__(self):
        return os.mkdir, (self.trace,)


def test_pickles_that_run_code_are_refused(tmp_path):
    trace = tmp_path / "was_here"
    torch.save({"state_dict": Evil(trace)}, tmp_path / "w.pth")
    with pytest.raises(InputError, match="Expected tensors only in .* cannot be read safely"):
        read_state(tmp_path / "w.pth")
    assert not trace.exists()
    torch.load(tmp_path / "w.pth", weights_only=False)
    assert trace.exists()  # the trap is a trap


@pytest.mark.parametrize("name", ["w.pth", "w.safetensors"])
def test_damaged_and_missing_files(tmp_path, name):
    with pytest.raises(InputError, match="Expected a checkpoint file, found none"):
        read_state(tmp_path / name)
    for junk in (b"not a checkpoint", b"hello\n", b""):
        (tmp_path / name).write_bytes(junk)
        with pytest.raises(InputError, match="Expected .* cannot be read"):
            read_state(tmp_path / name)


def test_a_file_without_weights_names_its_keys(tmp_path):
    torch.save({"epoch": 3, "loss": 0.1}, tmp_path / "w.pth")
    with pytest.raises(InputError, match="got the keys epoch, loss"):
        read_state(tmp_path / "w.pth")


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
    (record,) = RECORDS.glob(f"{name}-{source}-*-seed0/card.json")
    facts = json.loads(record.read_text())
    assert facts["weights_sha256"] == file_digest(file)
    assert f"## Test: {facts['test']['accuracy']:.1%} of {facts['test']['faces']:,} faces" in card
