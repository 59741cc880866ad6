"""From fold trainings to the audit: labels that were planted wrong are named, others are not."""

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from fer_xai.emotions import SIX
from studies.questions.label_audit.study import LabelAudit
from studies.run import main
from tests.training.run_training import training_run
from training.run import train

HUES = np.array([[1, 0, 0], [0, 1, 0], [0, 0, 1], [1, 1, 0], [0, 1, 1], [1, 0, 1]])
EACH = {"train": 24, "valid": 12, "test": 12}
WRONG = 9
"""Training faces in the folder of another emotion, and as many validation faces."""
LEARNED = {
    "folds": 2,
    "epochs": 10,
    "valid_fraction": 0,
    "limit": None,
    "batch_size": 16,
    "learning_rate": 0.02,
    "weight_decay": 0.01,
    "greyscale": False,
    "augmentation": "flip",
    "logit_adjustment": 0.0,
}


@pytest.fixture(scope="module")
def hues(tmp_path_factory):
    """Noise in a hue for each emotion, a folder each; the first faces lie in the next folder."""
    root, rng = tmp_path_factory.mktemp("hues"), np.random.default_rng(0)
    for split, each in EACH.items():
        for number in range(each * 6):
            emotion = number % 6
            wrong = split != "test" and number < WRONG
            pixels = rng.integers(0, 120, (32, 32, 3)) + 130 * HUES[emotion]
            folder = root / split / SIX[(emotion + wrong) % 6]
            folder.mkdir(parents=True, exist_ok=True)
            Image.fromarray(pixels.astype(np.uint8)).save(
                folder / f"{'wrong' if wrong else 'right'}-{number:03d}.png"
            )
    return f"folder:{root}"


@pytest.fixture(scope="module")
def stored(hues, tmp_path_factory):
    out = tmp_path_factory.mktemp("runs")
    return [
        train(training_run(out / f"seed{seed}", data=hues, seed=seed, **LEARNED)) for seed in (0, 1)
    ]


def audit(out, **options):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("studies.questions.label_audit.study.BUILT_IN", 3)
        return LabelAudit(out=out, progress=False, device="cpu", **options).run()


def test_planted_wrong_labels_are_named_by_networks_that_have_not_seen_them(hues, stored, tmp_path):
    folder = audit(tmp_path, sets=(hues,), splits=("train",), predictions=tuple(stored))
    rows = pd.read_parquet(folder / "labels.parquet")
    assert rows["judge"].unique().tolist() == ["seed0/fold_logits.npz", "seed1/fold_logits.npz"]
    assert (rows.groupby("judge").size() == 6 * EACH["train"]).all()
    planted = rows["face"].str.contains("wrong")
    assert rows[planted].groupby("judge")["named"].sum().min() >= WRONG - 2
    assert rows[~planted].groupby("judge")["named"].sum().max() <= 6
    together = pd.read_csv(folder / "tables" / "named_together.csv")
    both = together[together["named by at least"] == 2].iloc[0]
    assert both["faces"] == 6 * EACH["train"]
    assert WRONG - 3 <= both["labels"] <= WRONG + 4
    summary = pd.read_csv(folder / "tables" / "label_issues.csv")
    assert summary["recognised"].min() > 85


def test_a_network_of_a_fold_judges_validation_faces_and_not_those_it_may_have_seen(
    hues, stored, tmp_path, capsys
):
    weights = stored[0].with_name("fold0") / "weights.safetensors"
    judge = f"tiny={weights}"
    folder = audit(
        tmp_path / "out", sets=(hues,), splits=("train", "valid"), judges=(judge,),
        predictions=(stored[0],),
    )  # fmt: off
    rows = pd.read_parquet(folder / "labels.parquet")
    assert rows.groupby("judge")["split"].unique().map(list).to_dict() == {
        "tiny=fold0/weights.safetensors": ["valid"],
        "seed0/fold_logits.npz": ["train"],
    }
    valid = rows[rows["split"] == "valid"]
    planted = valid["face"].str.contains("wrong")
    assert valid[planted]["named"].sum() >= WRONG - 2
    words = ["label_audit", "--data", hues, "--out", str(tmp_path / "none"), "--splits", "train"]
    single = str(weights.with_name("test_logits.npz"))
    for option, value, sentence in (
        ("--models", judge, "was not trained on, got only folder:hues0 train, which it has seen"),
        ("--predictions", single, "Expected the predictions of all folds, got those of fold 0"),
    ):
        assert main([*words, option, value]) == 2
        error = capsys.readouterr().err
        assert sentence in error
        assert error.count("\n") == 1
        assert not (tmp_path / "none").exists()
