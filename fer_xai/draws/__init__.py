"""Random numbers that every device repeats, named by what they are for.

Numbers come from Philox, a counter-based generator, keyed by a hash of seed, face and use: they are
equal bit by bit on every CPU and GPU, whatever the batch, its order and the number of threads.
"""
