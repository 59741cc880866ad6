import torch

from metrics.core.draws import Draws
from metrics.core.score_cache import ScoreCache


def drawn(cache, faces, numbers, salt="law"):
    draws = Draws(cache, salt, lambda own: own.rand(4, 2))
    return draws.rows(torch.tensor(faces), torch.tensor(numbers))


def test_draws_are_those_of_the_face_whatever_is_asked_before(model, three):
    cache = ScoreCache(model, three, ids=["a", "b", "c"])
    together = drawn(cache, [0, 0, 1, 2], [0, 3, 1, 2])
    alone = drawn(ScoreCache(model, three[1:2], ids=["b"]), [0], [1])
    assert torch.equal(together[2], alone[0])
    assert torch.equal(drawn(cache, [2, 0], [2, 3]), together[[3, 1]])


def test_salts_and_seeds_tell_draws_apart(model, three):
    first = drawn(ScoreCache(model, three), [0], [0])
    assert not torch.equal(first, drawn(ScoreCache(model, three), [0], [0], salt="other"))
    assert not torch.equal(first, drawn(ScoreCache(model, three, seed=1), [0], [0]))


def test_no_more_than_two_faces_are_kept(model, three):
    draws = Draws(ScoreCache(model, three), "law", lambda own: own.rand(1))
    for face in range(3):
        draws[face]
    assert len(draws._last) == 2
