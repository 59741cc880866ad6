"""What networks cost: operations by hand, and hours of the trainings that are missing."""

import torch

from fer_xai.models.registry import MODELS, Architecture
from studies.questions.paper_table.costs import costs, missing
from training.grid import trainings
from training.recipes import Overrides
from training.variants import Column, TrainingOptions, Variant


class Plain(torch.nn.Module):
    """A convolution and a linear layer, whose operations can be counted by hand."""

    def __init__(self, num_classes=6, **_):
        super().__init__()
        self.conv = torch.nn.Conv2d(3, 4, 3, padding=1)
        self.head = torch.nn.Linear(4, num_classes)

    def forward(self, x):
        return self.head(self.conv(x).mean(dim=(2, 3)))


def test_operations_are_two_for_each_product(monkeypatch):
    plain = Architecture(build=Plain, cam_layer="conv", greyscale=False)
    monkeypatch.setitem(MODELS._entries, "plain", plain)
    row = costs(["plain"], timed=True).iloc[0]
    size = row["pixels"]
    by_hand = 2 * (size**2 * 4 * 3 * 9 + 4 * 6)
    assert round(row["GFLOPs a face"] * 1e9) == by_hand
    assert round(row["parameters, millions"] * 1e6) == 4 * 3 * 9 + 4 + 4 * 6 + 6
    assert 0 < row["time of a pass, GiMeFive = 1"] < 1


def test_missing_trainings_have_hours_by_epochs_and_faces(tmp_path):
    def found(epochs, faces):
        options = TrainingOptions(
            seeds=(0, 1),
            overrides=Overrides(epochs=epochs, batch_size=32, dropout_from=1.0),
            precision="fp32",
            runs=tmp_path,
            records=tmp_path,
            device="cpu",
        )
        cells = trainings(options, [Variant(name="tiny", model="tiny")], columns)
        return missing(cells, {"synthetic": faces})

    columns = [Column.parse("synthetic"), Column.parse("rafdb")]
    rows = found(10, 640)
    assert rows[["data", "model", "epochs"]].to_numpy().tolist() == [["synthetic", "tiny", 10]]
    assert found(1000, 64000)["hours a training"].item() > 100 * rows["hours a training"].item()
