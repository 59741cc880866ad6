import pytest
import torch

from benchmarks.calibration.gate import by_grid, by_resolution, coverage, what_is_left
from fer_xai.errors import InputError
from metrics.core.similarity import map_similarity
from metrics.randomisation.gate import Gate, on_grid, randomisation_gate
from tests.metrics.explainers import centre, edges, gradient, upsampled

RESOLUTIONS = (4, 8, 16, 64)
PLANTED_FACES = 24


@pytest.fixture(scope="module")
def planted(trained):
    """A tiny network, some faces and the resolutions of planted maps."""
    predictor, images, targets = trained
    return predictor, images.repeat(4, 1, 1, 1), targets.repeat(4)


def _gate(planted, explain, *, side=64, **options):
    predictor, images, targets = planted
    images = torch.nn.functional.interpolate(images, size=(side, side))
    names = [str(i) for i in range(len(images))]
    maps = explain(predictor.model, images, targets, names)
    return randomisation_gate(predictor, images, maps, targets, explain, **options)


def _of_the_face(cells):
    """Noise drawn by the face's name: it ignores the network."""

    def explain(model, images, targets, ids):
        draws = [torch.Generator().manual_seed(int(name)) for name in ids]
        return upsampled(torch.stack([torch.randn(cells, cells, generator=own) for own in draws]))

    return explain


def _anew(cells, share=0.0):
    """Noise drawn anew at each call, with a share of the variance that is the face's."""
    own = torch.Generator().manual_seed(0)

    def explain(model, images, targets, ids):
        draws = [torch.Generator().manual_seed(int(name)) for name in ids]
        face = torch.stack([torch.randn(cells, cells, generator=draw) for draw in draws])
        noise = torch.randn(face.shape, generator=own)
        maps = share**0.5 * face + (1 - share) ** 0.5 * noise
        return torch.nn.functional.interpolate(maps[:, None], size=images.shape[-2:])[:, 0]

    return explain


@pytest.mark.parametrize("cells", RESOLUTIONS)
def test_a_map_that_ignores_the_network_is_stopped_at_every_resolution(planted, cells):
    found = _gate(planted, _of_the_face(cells))
    assert found.verdict == "stopped"
    assert found.mean == pytest.approx(1)


@pytest.mark.parametrize("cells", RESOLUTIONS)
def test_pure_noise_passes_at_every_resolution(planted, cells):
    found = _gate(planted, _anew(cells))
    assert found.verdict == "passes"
    assert found.interval.low < 0 < found.interval.high


@pytest.mark.parametrize(
    ("share", "verdict"), [(0.2, "passes"), (0.5, "undecided"), (0.85, "stopped")]
)
def test_one_map_has_one_verdict_at_every_resolution(planted, share, verdict):
    """Maps drawn in 4x4 cells, of images of 4, 8, 16 and 64 pixels a side."""
    found = [_gate(planted, _anew(4, share), side=side) for side in RESOLUTIONS]
    assert [gate.verdict for gate in found] == [verdict] * len(RESOLUTIONS)
    means = [gate.mean for gate in found]
    assert means == pytest.approx([means[0]] * len(RESOLUTIONS), abs=1e-3)


@pytest.mark.parametrize("explain", [edges, centre], ids=["edges", "centre"])
@pytest.mark.parametrize("kind", ["spearman", "ssim"])
def test_the_gate_stops_what_ignores_the_model(planted, explain, kind):
    found = _gate(planted, explain, similarity=kind)
    assert found.verdict == "stopped"
    assert not found.passed
    assert found.mean == pytest.approx(1)
    assert found.share_above == 1
    same = explain is centre  # on every face
    assert (found.null_mean > 0.99) == same
    assert (found.excess.estimate < 0.01) == same


def test_the_gate_lets_pass_what_depends_on_the_model(planted):
    found = _gate(planted, gradient)
    assert found.passed
    assert found.share_above == 0
    assert found.similarity.shape == found.null.shape == (PLANTED_FACES, 10)


def test_the_null_is_of_other_faces_of_other_persons(planted):
    """Here the second half of the faces repeats the first."""
    own = _of_the_face(8)

    def repeated(model, images, targets, ids):
        return own(model, images, targets, [str(int(name) % 6) for name in ids])

    maps = on_grid(own(None, None, None, [str(i) for i in range(6)]))
    pairs = [
        float(map_similarity(maps[i][None], maps[j][None]))
        for i in range(6)
        for j in range(6)
        if i != j
    ]
    predictor, images, targets = planted
    planted = predictor, images[:12], targets[:12]
    people = [str(i % 6) for i in range(12)]
    found = _gate(planted, repeated, clusters=people)
    assert found.null_mean == pytest.approx(sum(pairs) / len(pairs), abs=1e-5)
    assert found.interval.n == 6
    assert _gate(planted, repeated).null_mean > found.null_mean + 0.05  # copies are no other faces


def test_what_is_undecided_says_how_many_faces_are_needed():
    draw = torch.Generator().manual_seed(0)
    some = (
        0.4 + 0.3 * torch.randn(12, 1, generator=draw) + 0.1 * torch.randn(12, 10, generator=draw)
    )
    some = some.clamp(-1, 1)
    gate = Gate(similarity=some, null=torch.zeros(12, 10))
    assert gate.verdict == "undecided"
    needed = int(gate.faces_needed)
    assert 12 < needed < 10_000
    more = some.repeat(-(-needed // 12), 1)
    assert Gate(similarity=more, null=torch.zeros_like(more)).verdict != "undecided"
    assert torch.isnan(torch.tensor(Gate(similarity=more, null=more).faces_needed))
    wide = 0.45 + 0.5 * (torch.linspace(-0.99, 0.99, 10).repeat(12, 1) + 0.01 * some)
    stuck = Gate(similarity=wide, null=torch.zeros(12, 10))
    assert stuck.verdict == "undecided"
    assert stuck.faces_needed == float("inf")  # networks differ: no number of faces would do


def test_a_face_alone_has_no_interval_and_no_verdict():
    gate = Gate(similarity=torch.ones(1, 10), null=torch.full((1, 10), torch.nan))
    assert gate.verdict == "undecided"
    assert gate.faces_needed != gate.faces_needed


def test_uniform_maps_say_nothing_and_do_not_pass(planted):
    found = _gate(planted, lambda m, i, t, d: torch.ones(len(i), 64, 64))
    assert (found.verdict, found.passed) == ("undefined", False)
    assert found.blank == PLANTED_FACES
    values = [found.mean, found.null_mean, found.share_above, found.excess.estimate]
    assert torch.tensor(values).isnan().all()


def test_a_grid_leaves_no_rounding_and_hides_no_gap():
    board = (torch.arange(64)[:, None] + torch.arange(64)) % 2 * 2.0 - 1
    assert (on_grid(board[None] * 0.1) == 0).all()  # as much for as against in every cell
    board[3, 3] = torch.nan
    assert on_grid(board[None]).isnan().sum() == 1


def test_bad_options_are_one_sentence(case):
    predictor, images, maps, targets = case
    for options, sentence in (
        ({"networks": 9}, "Expected networks as a whole number of 10 or more"),
        ({"margin": 1.5}, "Expected margin above 0 and below 1, got 1.5"),
        ({"grid": 1}, "Expected grid as a whole number of 2 or more"),
        ({"clusters": ["a"]}, "Expected 6 clusters, one an image, got 1"),
    ):
        with pytest.raises(InputError, match=sentence):
            randomisation_gate(predictor, images, maps, targets, gradient, **options)


def test_the_simulations_argue_for_the_grid_and_the_margin():
    """A fast version of ``python -m benchmarks.calibration.gate``."""
    grids = by_grid(grids=(8, 64), repeats=2).set_index(["grid", "maps"])["likeness"]
    fine = [f"{cells} cells" for cells in RESOLUTIONS]
    noisy = "8 cells and noise on pixels"
    assert grids[8][fine].max() - grids[8][fine].min() < 0.2
    assert grids[8][noisy] > 0.8 * grids[8]["8 cells"]  # noise on pixels is averaged away
    assert grids[64][noisy] < 0.3 * grids[64]["8 cells"]  # and hides likeness where it is not
    left = what_is_left(faces=500).set_index("share")["correlation"]
    assert left[0.5] == pytest.approx(0.5**0.5, abs=0.02)
    verdicts = by_resolution(shares=[0.2, 0.8], repeats=2)
    assert (verdicts[verdicts["share"] == 0.2]["passes"] == 1).all()
    assert (verdicts[verdicts["share"] == 0.8]["stopped"] == 1).all()


def test_the_interval_covers_new_faces_and_new_networks():
    found = coverage(sizes=[(24, 1), (20, 3)], repeats=150)
    assert found["coverage"].min() > 0.87  # .92 and more, with the error of 150 studies
    some = found[found["design"] == "networks differ"]
    assert (some["over faces alone"] < 0.92).all()  # these networks are not all there are
