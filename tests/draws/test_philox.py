import numpy as np
import pytest
import torch

from fer_xai.draws.philox import philox, words, words_by_numpy, words_by_torch

# Counter, key and block: the lines "philox4x64 10" of Random123's kat_vectors.
PUBLISHED = [
    "0000000000000000 0000000000000000 0000000000000000 0000000000000000 "
    "0000000000000000 0000000000000000 "
    "16554d9eca36314c db20fe9d672d0fdc d7e772cee186176b 7e68b68aec7ba23b",
    "ffffffffffffffff ffffffffffffffff ffffffffffffffff ffffffffffffffff "
    "ffffffffffffffff ffffffffffffffff "
    "87b092c3013fe90b 438c3c67be8d0224 9cc7d7c69cd777b6 a09caebf594f0ba0",
    "243f6a8885a308d3 13198a2e03707344 a4093822299f31d0 082efa98ec4e6c89 "
    "452821e638d01377 be5466cf34e90c6c "
    "a528f45403e61d95 38c72dbd566e9788 a5a1610e72fd18b5 57bd43b5e52b7fe6",
]
KEYS = np.random.default_rng(0).integers(0, 2**64 - 1, (5, 2), dtype=np.uint64)


@pytest.mark.parametrize("line", PUBLISHED)
def test_blocks_are_those_that_were_published(line):
    bits = np.array([int(word, 16) for word in line.split()], dtype=np.uint64).view(np.int64)
    given = [torch.tensor([word]) for word in bits.tolist()]
    found = philox(tuple(given[:4]), (given[4], given[5]))
    assert [int(word) for word in found] == bits[6:].tolist()


@pytest.mark.parametrize("first", [0, 1, 2**32 - 1, 2**40])
@pytest.mark.parametrize("n", [0, 1, 4, 11])
def test_pytorchs_integers_and_numpys_generator_give_the_same_bits(first, n):
    by_torch = words_by_torch(KEYS, first=first, n=n, device="cpu")
    assert torch.equal(by_torch, words_by_numpy(KEYS, first=first, n=n))


def test_blocks_are_those_of_numpys_generator_which_counts_up_first():
    source = np.random.Philox(key=KEYS[0])
    assert (
        words_by_numpy(KEYS[:1], first=1, n=9)[0].numpy().view(np.uint64) == source.random_raw(9)
    ).all()


def test_words_depend_on_key_and_position_alone():
    whole = words(KEYS, first=3, n=16)
    assert torch.equal(words(KEYS[[4, 2]], first=3, n=5), whole[[4, 2], :5])
    assert torch.equal(words(KEYS, first=5, n=8), whole[:, 8:])
    assert words(KEYS[:0], first=0, n=3).shape == (0, 3)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
def test_a_gpu_draws_the_same_bits():
    assert torch.equal(
        words(KEYS, first=7, n=4099, device="cuda").cpu(), words(KEYS, first=7, n=4099)
    )
