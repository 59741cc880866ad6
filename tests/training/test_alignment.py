"""Maps that are aligned with action units: the map, the score, the loss, and what a run says."""

import dataclasses
import json

import numpy as np
import pandas as pd
import pytest
import torch

from fer_xai.attributions.raw_maps import attribute
from fer_xai.data.datasets.synthetic import synthetic_faces
from fer_xai.detect.network import mirrored
from fer_xai.errors import InputError
from fer_xai.inference.predictor import Predictor
from fer_xai.landmarks import emotion_areas
from fer_xai.models import FERModel, load_model
from metrics import emotion_contrast
from tests.helpers import tiny_model
from tests.training.run_training import training_run
from training.align_areas import AreaBits, located
from training.align_options import AlignOptions
from training.alignment import alignment_of, alignment_scores, cam_cells, cam_layer
from training.augmenting import NUMBERS, draws, move_areas
from training.faces import check_validation
from training.recipes import ACCURATE, Recipe
from training.run import TrainingRun, train
from training.trainee import Trainee

UNMOVED = torch.ones(64, len(NUMBERS))
PLAIN = dataclasses.replace(ACCURATE, augmentation="flip", dropout_from=1)


@pytest.fixture(scope="module")
def faces():
    return synthetic_faces(48, split="train")


def without_landmarks(faces, rows):
    points = faces.landmarks.copy()
    points[rows] = np.nan
    return dataclasses.replace(faces, landmarks=points)


def signed_maps(model, images, columns):
    return attribute(
        Predictor(model, device="cpu"), images, columns[:, None], method="gradcam_signed"
    ).cells[:, 0]


@pytest.mark.parametrize("name", ["tiny", "gimefive-depth4"])
def test_the_map_that_is_trained_is_grad_cam_before_its_relu(name, faces):
    model = tiny_model() if name == "tiny" else load_model(name).eval()
    images, columns = faces.pixels(64)[:4].float() / 255, torch.tensor([5, 0, 3, 3])
    made = alignment_of(model, faces, weight=1)
    with made.watched(model) as kept:
        logits = model(images)
    cells = cam_cells(kept[-1], logits, columns, made.layer)
    expected = signed_maps(model, images, columns)
    assert torch.allclose(cells, expected, atol=1e-5 * float(expected.abs().max()))
    grown = torch.autograd.grad(cells.sum(), list(model.net.parameters()), allow_unused=True)
    assert all(one is not None for one in grown[:2]), "the loss reaches the first convolution"


def test_a_map_that_is_always_the_same_earns_nothing_however_frequent_each_emotion_is(faces):
    areas = AreaBits(faces[:1], tiny_model().emotions)[torch.zeros(10, dtype=torch.long)]
    columns = torch.tensor([0] * 5 + [1, 2, 3, 4, 5])
    shares = torch.bincount(columns) / 10
    options = {"shares": shares, "kind": "contrast"}
    for fixed in (torch.ones(4, 4), torch.rand(4, 4), areas[0, 0]):
        found = alignment_scores(fixed.expand(10, *fixed.shape), areas, columns, **options)
        assert abs(float(found.mean())) < 1e-6
    own = areas[torch.arange(10), columns]
    assert float(alignment_scores(own, areas, columns, **options).mean()) > 0.1
    centre = torch.zeros(10, 4, 4)
    centre[:, 1:3, 1:3] = 1
    published = alignment_scores(centre, areas, columns, shares=shares, kind="cosine")
    assert float(published.mean()) > 0.3


def test_a_contrast_with_equal_shares_is_a_row_of_the_primary_endpoint(faces):
    areas = AreaBits(faces[:6], tiny_model().emotions)[torch.arange(6)]
    maps = torch.rand(6, 6, 64, 64, generator=torch.Generator().manual_seed(0))
    rows = [
        alignment_scores(
            maps[:, column],
            areas,
            torch.full((6,), column),
            shares=torch.full((6,), 1 / 6),
            kind="contrast",
        )
        for column in range(6)
    ]
    expected = emotion_contrast(maps, areas.bool()).values * 5 / 6
    assert torch.allclose(torch.stack(rows).mean(dim=0), expected, atol=1e-5)


def test_blank_maps_have_a_finite_gradient_and_faces_without_areas_no_score(faces):
    areas = AreaBits(without_landmarks(faces, [1]), tiny_model().emotions)[torch.arange(2)]
    cells = torch.zeros(2, 4, 4, requires_grad=True)
    found = alignment_scores(
        cells, areas, torch.tensor([0, 0]), shares=torch.full((6,), 1 / 6), kind="contrast"
    )
    assert found.isnan().tolist() == [False, True]
    found[0].backward()
    assert bool(cells.grad.isfinite().all())


def test_areas_move_as_the_faces_and_their_landmarks_do(faces):
    numbers = draws(12, seed=3, epoch=1)
    numbers[:, NUMBERS.index("erase")] = 1  # none
    drawn = dict(zip(NUMBERS, numbers.T, strict=True))
    points = torch.from_numpy(faces.landmarks_at(64)[:12])
    flip = drawn["flip"] < 0.5
    assert 0 < int(flip.sum()) < 12
    turned = torch.where(flip[:, None, None], mirrored(points), points) - 31.5
    angle, scale = torch.deg2rad(24 * drawn["angle"] - 12), 0.88 + 0.24 * drawn["scale"]
    x, y = turned.unbind(dim=2)
    cos, sin = (scale * angle.cos())[:, None], (scale * angle.sin())[:, None]
    right, down = ((64 * (0.16 * drawn[n] - 0.08)).round()[:, None] for n in ("right", "down"))
    placed = torch.stack([cos * x - sin * y + right, sin * x + cos * y + down], dim=2) + 31.5
    areas = AreaBits(faces[:12], tiny_model().emotions)[torch.arange(12)]
    moved = move_areas(areas, numbers, kind="standard") > 0.5
    inside = (placed > 1).all(dim=2).all(dim=1) & (placed < 62).all(dim=2).all(dim=1)
    assert int(inside.sum()) >= 4
    drawn_anew = emotion_areas(placed[inside], size=64)
    shares = [
        float((drawn_anew & other).sum() / (drawn_anew | other).sum())
        for other in (moved[inside], areas[inside] > 0.5)
    ]
    assert shares[0] > 0.9, "but for pixels along their edges"
    assert shares[1] < 0.75
    numbers[:, NUMBERS.index("erase")] = 0
    assert float(move_areas(areas, numbers, kind="standard").sum()) < float(moved.sum())


def step_of(model, align, faces, monkeypatch, rows=slice(None)):
    monkeypatch.setattr(Trainee, "log", lambda *_, **__: None)
    trainee = Trainee(model, PLAIN, seed=0, align=align)
    trainee.model.eval()
    index = torch.arange(len(faces))[rows]
    batch = (faces.pixels(64)[index], model.columns(faces.labels)[index], UNMOVED[: len(index)])
    areas = AreaBits(faces, model.emotions)
    return trainee.training_step(batch if align is None else (*batch, areas[index])).item()


def test_the_loss_is_the_cross_entropy_and_what_the_faces_with_landmarks_lack(faces, monkeypatch):
    half = without_landmarks(faces, np.arange(24))
    model = tiny_model()
    made = alignment_of(model, half, weight=0.5)
    plain = step_of(model, None, half, monkeypatch)
    known = np.arange(24, 48)
    images, columns = half.pixels(64).float()[known] / 255, model.columns(half.labels)[known]
    areas = AreaBits(half, model.emotions)[torch.from_numpy(known)]
    cells = signed_maps(model, images, columns)
    scores = alignment_scores(cells, areas, columns, shares=made.shares, kind="contrast")
    found = step_of(model, made, half, monkeypatch)
    assert found - plain == pytest.approx(0.5 * (1 - float(scores.mean())), abs=1e-5)
    none_known = step_of(model, made, half, monkeypatch, rows=slice(24))
    plain = step_of(model, None, half, monkeypatch, rows=slice(24))
    assert none_known == pytest.approx(plain, abs=1e-6)


def test_steps_by_the_loss_move_maps_to_their_areas_in_another_edition_too(faces, monkeypatch):
    monkeypatch.setattr(Trainee, "log", lambda *_, **__: None)
    model = tiny_model()
    made = alignment_of(model, faces, weight=20)
    other = emotion_areas(faces.landmarks_at(64), size=64, edition="belharbi_scaled")

    def judged():
        model.eval()
        every = torch.arange(6).expand(48, -1)
        used = Predictor(model, device="cpu")
        cells = attribute(used, faces.pixels(64).float() / 255, every, method="gradcam").cells
        maps = torch.nn.functional.interpolate(cells, size=(64, 64), mode="bilinear")
        return float(emotion_contrast(maps, other).values.nanmean())

    before = judged()
    trainee = Trainee(model, PLAIN, seed=0, align=made)
    optimizer = torch.optim.Adam(model.net.parameters(), lr=3e-3)
    areas = AreaBits(faces, model.emotions)[torch.arange(48)]
    batch = (faces.pixels(64), model.columns(faces.labels), UNMOVED[:48], areas)
    for _ in range(40):
        optimizer.zero_grad()
        trainee.training_step(batch).backward()
        optimizer.step()
    assert judged() > before + 0.05


def test_a_model_without_maps_is_refused():
    flat = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(3 * 64 * 64, 6))
    model = FERModel(flat, emotions=tiny_model().emotions, size=64, name="flat")
    with pytest.raises(InputError, match="Grad-CAM maps to align .*, but flat has none"):
        cam_layer(model)


def test_an_emotion_without_landmarks_is_refused(faces):
    fearful = np.flatnonzero(faces.table["emotion"] == "fear")
    with pytest.raises(InputError, match="landmarks of every emotion .* has none of fear"):
        alignment_of(tiny_model(), without_landmarks(faces, fearful), weight=1)


@pytest.mark.parametrize(
    ("options", "recipe", "expected"),
    [
        ({"align": -0.5}, {}, "a weight of 0 or more for --align, got -0.5"),
        ({"align": float("nan")}, {}, "a weight of 0 or more for --align, got nan"),
        ({"landmarks": "template"}, {}, "Expected --align WEIGHT with --landmarks, got none"),
        ({"align_edition": "pyfeat"}, {}, "Expected --align WEIGHT with --align-edition"),
        ({"align": 1}, {"mixup": 0.2}, "Expected --align without mixup, got --mixup 0.2"),
        ({"align": 1, "align_edition": "ours"}, {}, "Expected an edition of action units"),
        ({"align": 1, "align_codebook": "mine"}, {}, "Expected --align-codebook emfacs, "),
        ({"align": 1, "landmarks": "buildin"}, {}, "did you mean builtin"),
    ],
)
def test_options_that_no_run_can_be_made_with_are_refused(tmp_path, options, recipe, expected):
    with pytest.raises(InputError, match=expected):
        train(training_run(tmp_path / "run", align=AlignOptions(**options), **recipe))
    assert not (tmp_path / "run").exists()


def test_a_weight_without_landmarks_is_refused():
    with pytest.raises(InputError, match="Expected --landmarks with --align, a provider such as"):
        AlignOptions(align=0.5).check(Recipe(), built_in=False)


def test_validation_faces_without_an_emotion_are_refused(tmp_path, monkeypatch):
    from fer_xai.data.splits import stratified_split

    def without_fear(faces, *options, **named):
        kept, held = stratified_split(faces, *options, **named)
        return kept, held.subset(np.flatnonzero(held.table["emotion"] != "fear"))

    monkeypatch.setattr("training.run.stratified_split", without_fear)
    with pytest.raises(InputError, match="Expected validation faces of every emotion, .* of fear"):
        train(training_run(tmp_path / "run", limit=60, valid_fraction=0.2))
    check_validation(None, synthetic_faces(6))


def test_a_run_without_alignment_is_what_it_was_and_one_with_it_another():
    plain = TrainingRun()
    assert "align" not in plain.identity()
    runs = [
        plain,
        *(
            TrainingRun(align=AlignOptions(**options))
            for options in (
                {"align": 0.0},
                {"align": 0.5},
                {"align": 0.5, "align_loss": "cosine"},
                {"align": 0.5, "align_edition": "pyfeat"},
                {"align": 0.5, "landmarks": "template"},
            )
        ),
    ]
    assert len({run.name() for run in runs}) == len({str(run.identity()) for run in runs}) == 6


def test_a_run_counts_its_aligned_faces_and_goes_on_by_the_same_options_alone(
    tmp_path, monkeypatch
):
    all_faces = TrainingRun.faces

    def some(run, split):
        found = all_faces(run, split)
        return without_landmarks(found, np.arange(0, len(found), 4)) if split == "train" else found

    monkeypatch.setattr(TrainingRun, "faces", some)
    quick = {"epochs": 1, "limit": 120, "valid_fraction": 0.2}
    run = training_run(tmp_path, align=AlignOptions(align=0.5), **quick)
    train(run)
    card = json.loads((tmp_path / "card.json").read_text())
    align = card["run"]["align"]
    everyone = run.faces("train")
    assert align["train_aligned"] + align["valid_aligned"] == int(located(everyone).sum()) == 90
    told = f"{align['train_aligned']} of {card['train_faces']} training faces have landmarks"
    assert told in (tmp_path / "card.md").read_text()
    log = pd.read_csv(tmp_path / "log.csv")
    assert log["train_alignment"].notna().all()
    train(run)  # has ended
    sentence = "to hold a run of the same settings and faces, but it differs in align"
    for other in (
        AlignOptions(),
        AlignOptions(align=0.25),
        AlignOptions(align=0.5, landmarks="template"),
    ):
        with pytest.raises(InputError, match=sentence):
            train(training_run(tmp_path, align=other, **quick))
    monkeypatch.setattr(TrainingRun, "faces", all_faces)  # the same options, other landmarks
    with pytest.raises(InputError, match=sentence):
        train(run)


def test_the_alignment_of_validation_faces_is_that_of_the_weights(tmp_path, monkeypatch):
    held = {}
    made = AlignOptions.made

    def kept(self, model, train_faces, valid):
        held["valid"] = valid
        held["made"] = made(self, model, train_faces, valid)
        return held["made"]

    monkeypatch.setattr(AlignOptions, "made", kept)
    options = AlignOptions(align=0.0, align_loss="cosine")
    train(training_run(tmp_path, align=options, epochs=1, limit=120, valid_fraction=0.2))
    model = load_model("tiny", weights=tmp_path / "weights.safetensors")
    valid, (align, areas, _) = held["valid"], held["made"]
    columns = model.columns(valid.labels)
    cells = signed_maps(model, valid.pixels(64).float() / 255, columns)
    shown = areas["valid"][torch.arange(len(valid))]
    scores = alignment_scores(cells, shown, columns, shares=align.shares, kind="cosine")
    log = pd.read_csv(tmp_path / "log.csv")
    assert log["valid_alignment"].iloc[-1] == pytest.approx(float(scores.mean()), abs=2e-3)
    assert "train_alignment" not in log
    assert "Trained without an alignment loss" in (tmp_path / "card.md").read_text()
