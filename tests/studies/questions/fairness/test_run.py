"""A run on images: blurred faces of some persons are the known answer; it is continued."""

import numpy as np
import pandas as pd
import pytest
from PIL import Image
from torch.nn import functional as F

from fer_xai.data.datasets.synthetic import synthetic_faces
from fer_xai.errors import InputError
from studies.questions.fairness import rows
from studies.questions.fairness.study import Fairness

PERSONS, EACH = 12, 6


@pytest.fixture(scope="module")
def listed(tmp_path_factory):
    """A list of faces with a camera each: half of the persons are blurred, three faces are rare."""
    folder = tmp_path_factory.mktemp("cameras")
    faces = synthetic_faces(12 * PERSONS, style="studio")
    faces = faces[np.arange(12 * PERSONS) % 12 < EACH]
    images = faces.pixels(64).float()
    small = F.adaptive_avg_pool2d(images, 6)
    blurred = F.interpolate(small, (64, 64), mode="bilinear")
    person = np.arange(len(faces)) // EACH
    camera = np.where(person % 2 == 0, "blurred", "sharp").astype(object)
    camera[-3:] = "rare"
    lines = ["path,label,person,camera"]
    for k, (own, image) in enumerate(zip(images, blurred, strict=True)):
        pixels = image if camera[k] == "blurred" else own
        Image.fromarray(pixels.byte().permute(1, 2, 0).numpy()).save(folder / f"{k}.png")
        lines.append(f"{k}.png,{faces.table['emotion'][k]},P{person[k]},{camera[k]}")
    (folder / "faces.csv").write_text("\n".join(lines) + "\n")
    return folder / "faces.csv"


def study(listed, out, **options):
    settings = {"groups": ("camera",), "metrics": ("average_drop",), "limit": 500} | options
    return Fairness(
        data=f"csv:{listed}#keep=camera,subject=person",
        models=("gimefive=synthetic",),
        landmarks=None,
        device="cpu",
        batch_size=36,
        progress=False,
        out=out,
        **settings,
    )


def test_the_blurred_group_is_found_and_the_run_goes_on(listed, tmp_path, monkeypatch):
    folder = study(listed, tmp_path).run()
    table = pd.read_csv(folder / "tables" / "groups.csv").set_index("group")
    assert table.loc["blurred", "gap high"] < -0.1
    assert table.loc["blurred", "p (max-T)"] < 0.05
    assert table.loc["rare", ["gap", "gap low"]].isna().all()
    answer = (folder / "answer.txt").read_text()
    assert answer.startswith("gimefive recognises fewer faces of camera blurred (−")
    assert "camera rare (3 faces)" in answer
    quality = pd.read_csv(folder / "tables" / "explanations.csv")
    assert set(quality["quality"]) == {"average_drop", "likeness"}  # no landmarks, no alignment
    assert (folder / "figures" / "recognition_gimefive.png").stat().st_size > 5_000
    assert "no cause" in (folder / "report.html").read_text()
    before = pd.read_parquet(folder / "qualities.parquet")
    next((folder / "shards" / "gimefive" / "maps").glob("*000032.npz")).unlink()
    made, small = [], rows.NetworkRows._small

    def recorded(self, method, part):
        made.append(part.start)
        return small(self, method, part)

    monkeypatch.setattr(rows.NetworkRows, "_small", recorded)
    assert study(listed, tmp_path).run() == folder
    assert made == [32]
    after = pd.read_parquet(folder / "qualities.parquet")
    pd.testing.assert_frame_equal(after, before, atol=1e-5)


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"groups": ()}, "Expected one group or more, each once, got none"),
        ({"metrics": ("gini",)}, "Expected metrics of faithfulness"),
        ({"groups": ("race",)}, "Expected an attribute of faces"),
        ({"groups": ("person",)}, "Expected an attribute of faces"),
    ],
)
def test_what_cannot_be_answered_leaves_nothing_behind(options, sentence, listed, tmp_path):
    with pytest.raises(InputError, match=sentence):
        study(listed, tmp_path, **options).run()
    assert not any(tmp_path.iterdir())


def test_further_sets_are_joined_by_split_and_source():
    sets = Fairness(also=("train=synthetic:lab", "synthetic:studio"))._sets
    assert [(one.data, one.split) for one in sets] == [
        ("synthetic", "test"),
        ("synthetic:lab", "train"),
        ("synthetic:studio", "test"),
    ]
