"""Randomness that nobody can guess and that a resumed run repeats: everything follows from one secret key.

The key is 32 bytes from the operating system.  Step t derives its batch and its noise from it and then replaces it by a
hash, so that a checkpoint tells nothing about earlier steps.  It tells everything about later ones: who has it can
subtract their noise.  Checkpoints are as secret as the data; weights and certificates are what may be published.
"""

import hashlib
import os
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import torch

_BLOCK = 1 << 17


class Key:
    """A 32-byte secret that moves on with every step."""

    def __init__(self, secret=None):
        self.secret = os.urandom(32) if secret is None else secret

    @classmethod
    def from_seed(cls, seed):
        """A key that anybody can guess: for tests."""
        return cls(hashlib.blake2b(f"insecure {seed}".encode(), digest_size=32).digest())

    def derive(self, label):
        """32 bytes that belong to this step and this purpose."""
        return hashlib.blake2b(label.encode(), key=self.secret, digest_size=32).digest()

    def advance(self):
        """Forget this step."""
        self.secret = self.derive("next step")

    def generator(self, label):
        """A NumPy generator whose whole state, 192 bits, is secret."""
        entropy = int.from_bytes(self.derive(label), "little")
        return np.random.Generator(np.random.SFC64(np.random.SeedSequence(entropy, pool_size=8)))

    def integer(self, label):
        """A 63-bit integer, for generators that take no more."""
        return int.from_bytes(self.derive(label)[:8], "little") >> 1


def release_(totals, std, divisor, key):
    """Add independent N(0, std^2) noise to every coordinate and divide, in place.

    torch's CPU generator would use 32 bits of its seed.  NumPy's SFC64, with 192, fills blocks of 2^17 numbers in
    parallel, each from a stream of its own, so that the result does not depend on the number of threads.  On CUDA the
    noise comes from Philox with 63 secret bits for each tensor.
    """
    blocks = []
    for k, total in enumerate(totals):
        if total.is_cuda:
            generator = torch.Generator(total.device).manual_seed(key.integer(f"noise {k}"))
            total.add_(torch.empty_like(total).normal_(0.0, std, generator=generator)).div_(divisor)
        elif total.device.type == "cpu":
            flat = total.view(-1).numpy()
            blocks += [(flat[b : b + _BLOCK], key.generator(f"noise {k} {b}")) for b in range(0, flat.size, _BLOCK)]
        else:
            noise = torch.zeros(total.shape, dtype=total.dtype)
            release_([noise], std, 1.0, Key(key.derive(f"noise {k}")))
            total.add_(noise.to(total.device)).div_(divisor)

    def release(block):
        values, generator = block
        noise = generator.standard_normal(values.size, dtype=values.dtype)
        noise *= std
        values += noise
        values /= divisor

    with ThreadPoolExecutor(torch.get_num_threads()) as pool:
        list(pool.map(release, blocks))
