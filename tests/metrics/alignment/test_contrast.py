"""The primary endpoint: right codebooks against wrong ones, free of what rows or columns add."""

import numpy as np
import pytest
import torch

from fer_xai.errors import InputError
from metrics import au_cosine, emotion_contrast, mean_interval

C, SIDE = 5, 12


def drawn(n, seed, share=0.2):
    """Areas of very different sizes, the same parts for all faces with some noise."""
    source = torch.Generator().manual_seed(seed)
    sizes = torch.linspace(0.5, 2.5, C)[:, None, None] * share
    return torch.rand(n, C, SIDE, SIDE, generator=source) < sizes


def centre_biased(n, seed):
    """Blobs near the centre, drawn without regard to the target or the face's areas."""
    source = torch.Generator().manual_seed(seed)
    y, x = torch.meshgrid(torch.arange(SIDE), torch.arange(SIDE), indexing="ij")
    at = SIDE / 2 + torch.randn(n, C, 2, 1, 1, generator=source)
    return torch.exp(-((y - at[:, :, 0]) ** 2 + (x - at[:, :, 1]) ** 2) / 12)


def central_areas(n, seed):
    """Areas of emotions that differ in size and in how near the centre they lie."""
    y, x = torch.meshgrid(torch.arange(SIDE), torch.arange(SIDE), indexing="ij")
    distance = ((y - SIDE / 2) ** 2 + (x - SIDE / 2) ** 2).double().sqrt()
    rings = torch.stack([(distance >= k) & (distance < k + 2 + k / 2) for k in range(C)])
    return rings[None] & drawn(n, seed, share=0.8)


def slow(maps, areas, targets):
    """From the text: the matrix of cosines among some targets, diagonal less the rest."""
    found = []
    for face_maps, face_areas in zip(maps, areas, strict=True):
        matrix = np.array(
            [
                [float(au_cosine(face_maps[t][None], face_areas[s][None])) for s in targets]
                for t in targets
            ]
        )
        off = ~np.eye(len(targets), dtype=bool)
        found.append(np.diag(matrix).mean() - matrix[off].mean())
    return np.array(found)


def test_values_are_those_of_the_matrix_of_cosines():
    maps, areas = centre_biased(4, 0) - 0.2, drawn(4, 1)
    found = emotion_contrast(maps, areas)
    assert np.allclose(found.values.numpy(), slow(maps, areas, range(C)), atol=1e-6)
    matrix = found.similarities.double()
    assert float(matrix[2, 1, 3]) == pytest.approx(float(au_cosine(maps[2:3, 1], areas[2:3, 3])))
    # double centring leaves the contrast as it is, and its diagonal is (C − 1)/C of it
    centred = matrix - matrix.mean(1, keepdim=True) - matrix.mean(2, keepdim=True)
    centred = centred + matrix.mean((1, 2), keepdim=True)
    diagonal = centred.diagonal(dim1=1, dim2=2).sum(1)
    rest = (centred.sum((1, 2)) - diagonal) / (C * (C - 1))
    assert torch.allclose((diagonal / C - rest).float(), found.values, atol=1e-6)
    assert torch.allclose((diagonal / C).float(), (C - 1) / C * found.values, atol=1e-6)


def test_summaries():
    maps, areas = centre_biased(6, 0), drawn(6, 1)
    maps[2, 1] = 0
    found = emotion_contrast(maps, areas)
    assert found.defined.sum() == 6 * C - 1
    assert found.counts[1].tolist() == [5] * C
    assert found.counts[0].tolist() == [6, 5, 6, 6, 6]
    rows = [k for k in range(6) if k != 2]
    similarities = found.similarities.double()
    assert torch.allclose(found.matrix[1, 3].double(), similarities[rows, 1, 3].mean())
    assert torch.allclose(found.matrix[0, 3].double(), similarities[:, 0, 3].mean())
    at = [(0, 0), (3, 3), (0, 3), (3, 0)]
    one, two, three, four = (similarities[:, t, s].mean() for t, s in at)
    assert torch.allclose(found.pairs[0, 3].double(), (one + two - three - four) / 2, atol=1e-6)
    assert torch.equal(found.pairs.isnan(), torch.eye(C) > 0)
    complete = emotion_contrast(maps[rows], areas[rows])
    off = ~torch.eye(C, dtype=torch.bool)
    assert torch.allclose(complete.pairs[off].mean(), complete.values.mean(), atol=1e-6)
    assert repr(found).startswith("EmotionContrast(6 faces, 5 targets, mean ")
    assert repr(found).endswith(", 0 faces undefined)")


@pytest.mark.parametrize("similarity", ["cosine", "pearson"])
def test_maps_that_are_the_same_for_all_targets_score_exactly_0(similarity):
    """However central they are, and however the areas differ in size."""
    maps = centre_biased(20, 0)[:, :1].expand(-1, C, -1, -1)
    for areas in (drawn(20, 1), central_areas(20, 1)):
        found = emotion_contrast(maps, areas, similarity=similarity)
        assert torch.equal(found.values, torch.zeros(20))
        assert float(found.similarities[0].std()) > 0.01
    lit = maps * torch.linspace(0.1, 3, C)[:, None, None]
    assert emotion_contrast(lit, areas, similarity=similarity).values.abs().max() < 1e-6


def test_a_bias_to_the_centre_scores_0_in_expectation():
    found = emotion_contrast(centre_biased(3000, 0), central_areas(3000, 1)).values.double()
    assert float(found.mean().abs()) < 3 * float(found.std()) / 3000**0.5
    assert float(found.std()) < 0.2


def test_the_interval_of_the_mean_covers_0_where_there_is_no_information():
    """150 studies of 40 faces, a third of whose maps are blank; .91 to .95 in 2,000 of them."""
    maps, areas = centre_biased(6000, 110), central_areas(6000, 210)
    lots = torch.rand(6000, C, generator=torch.Generator().manual_seed(5))
    maps[lots < torch.linspace(0, 0.7, C)] = 0
    values = emotion_contrast(maps, areas).values.reshape(150, 40)
    intervals = [mean_interval(own[own.isfinite()].double().numpy()) for own in values]
    assert np.mean([found.low <= 0 <= found.high for found in intervals]) > 0.89


def test_emotion_information_scores_above_0_and_the_wrong_order_below():
    areas = drawn(50, 1)
    maps = areas + centre_biased(50, 0)
    right = emotion_contrast(maps, areas).values
    assert float(right.min()) > 0.1
    assert float(emotion_contrast(maps.roll(1, dims=1), areas).values.mean()) < -0.02
    pearson = emotion_contrast(maps, areas, similarity="pearson").values
    assert float(pearson.min()) > 0.1


def test_the_mean_over_all_assignments_of_codebooks_is_0():
    maps, areas = drawn(3, 0) + centre_biased(3, 0), drawn(3, 0)
    turned = [emotion_contrast(maps, areas.roll(k, dims=1)).values for k in range(C)]
    assert torch.stack(turned).sum(dim=0).abs().max() < 1e-5  # each pair of a map and an area once


def test_a_blank_target_leaves_rows_and_columns():
    maps, areas = centre_biased(3, 0) + drawn(3, 2), drawn(3, 1)
    maps[0, 1], maps[1, 1], areas[2, 1] = 0, torch.nan, False
    found = emotion_contrast(maps, areas)
    assert found.defined[:, 1].tolist() == [False] * 3
    assert np.allclose(found.values.numpy(), slow(maps, areas, [0, 2, 3, 4]), atol=1e-6)
    maps[0, 2:] = 0
    maps[1, 2:4] = -1
    found = emotion_contrast(maps, areas).values
    assert bool(found[0].isnan())
    assert float(found[1]) == pytest.approx(slow(maps[1:2], areas[1:2], [0, 4])[0], abs=1e-6)


def test_blank_maps_do_not_fake_a_contrast():
    """Maps of one central blob, blank where the target's area is far from the centre: the mean of
    all defined entries is fooled, the contrast is not.
    """
    n = 2000
    areas = central_areas(n, 1)
    maps = centre_biased(n, 0)[:, :1].expand(-1, C, -1, -1).clone()
    chance = torch.linspace(0, 0.8, C)
    blank = torch.rand(n, C, generator=torch.Generator().manual_seed(2)) < chance
    maps[blank] = 0
    found = emotion_contrast(maps, areas)
    known = found.values[found.values.isfinite()]
    assert torch.equal(known, torch.zeros_like(known))
    assert len(known) > 0.9 * n
    eye = torch.eye(C, dtype=torch.bool)
    naive = found.similarities[:, eye].nanmean() - found.similarities[:, ~eye].nanmean()
    assert float(naive) > 0.02
    # and where maps are drawn for each target, it is 0 in expectation
    maps = centre_biased(n, 0)
    maps[blank] = 0
    values = emotion_contrast(maps, areas).values.double()
    values = values[values.isfinite()]
    assert float(values.mean().abs()) < 3 * float(values.std()) / len(values) ** 0.5


def test_wider_maps_for_larger_areas_are_a_product_that_only_pearson_takes_off():
    """As the docstring says: row times column is no sum."""
    areas = drawn(300, 1)
    source = torch.Generator().manual_seed(3)
    lots = torch.rand(300, C, SIDE, SIDE, generator=source)
    maps = (lots < torch.linspace(0.1, 1, C)[:, None, None]).float()
    by_cosine = emotion_contrast(maps, areas).values.double()
    assert float(by_cosine.mean()) > 5 * float(by_cosine.std()) / 300**0.5
    by_pearson = emotion_contrast(maps, areas, similarity="pearson").values.double()
    known = by_pearson[by_pearson.isfinite()]
    assert float(known.mean().abs()) < 3 * float(known.std()) / len(known) ** 0.5


def test_signed_maps_are_correlated_with_their_sign():
    maps, areas = centre_biased(4, 0), drawn(4, 1)
    by_pearson, same = (
        emotion_contrast(maps, areas, similarity=name) for name in ("pearson", "pearson_signed")
    )
    assert torch.equal(by_pearson.similarities, same.similarities)  # without a negative value
    signed = torch.randn(maps.shape, generator=torch.Generator().manual_seed(0))
    signed[1, 0] = -signed[1, 0].abs()  # negative throughout: a pattern all the same
    signed[2, 0] = 0
    found = emotion_contrast(signed, areas, similarity="pearson_signed").similarities
    for face in range(4):
        rows = np.concatenate([signed[face].flatten(1), areas[face].flatten(1)])
        with np.errstate(invalid="ignore"):  # the map that is 0
            expected = torch.from_numpy(np.corrcoef(rows)[:C, C:]).float()
        assert torch.allclose(found[face], expected, atol=1e-6, equal_nan=True)
    assert found[1, 0].isfinite().all()
    assert found[2, 0].isnan().all()
    opposite = emotion_contrast(-signed, areas, similarity="pearson_signed").similarities
    assert torch.equal(opposite.nan_to_num(), -found.nan_to_num())


def test_faces_do_not_depend_on_their_neighbours(monkeypatch):
    maps, areas = centre_biased(9, 0), drawn(9, 1).float() * 0.7
    expected = emotion_contrast(maps, areas)
    monkeypatch.setattr("metrics.alignment.contrast._VALUES", 2 * C * SIDE * SIDE)
    found = emotion_contrast(maps, areas)
    assert torch.equal(found.values, expected.values)
    assert torch.equal(emotion_contrast(maps[4:5], areas[4:5]).values, expected.values[4:5])
    assert emotion_contrast(maps[:0], areas[:0]).values.shape == (0,)
    sentence = "Expected similarity cosine, pearson, pearson_signed, got 'ssim'"
    with pytest.raises(InputError, match=sentence):
        emotion_contrast(maps, areas, similarity="ssim")


@pytest.mark.parametrize(
    ("maps", "areas", "match"),
    [
        (torch.ones(2, 3, 4, 4), torch.ones(2, 4, 4), r"Expected areas \(N, C, H, W\)"),
        (torch.ones(2, 1, 4, 4), torch.ones(2, 1, 4, 4), "C = 2 emotions or more"),
        (torch.ones(2, 3, 4, 4), torch.ones(2, 2, 4, 4), "of the same faces, emotions and size"),
        (torch.ones(2, 4, 4), torch.ones(2, 3, 4, 4), "of the same faces, emotions and size"),
        (torch.ones(2, 3, 4, 4), 2 * torch.ones(2, 3, 4, 4), "Expected areas from 0 to 1, got 2"),
        ([1], torch.ones(2, 3, 4, 4), "Expected maps as a torch tensor"),
        (torch.ones(2, 3, 4, 4), [1], "Expected areas as a torch tensor"),
    ],
)
def test_anything_else_is_refused(maps, areas, match):
    with pytest.raises(InputError, match=match):
        emotion_contrast(maps, areas)
