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

_BLOCK = 1 << 20


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
        """A NumPy generator with all 256 bits of seed."""
        return np.random.Generator(np.random.SFC64(int.from_bytes(self.derive(label), "little")))

    def integer(self, label):
        """A 63-bit integer, for generators that take no more."""
        return int.from_bytes(self.derive(label)[:8], "little") >> 1


def add_noise_(tensors, std, key):
    """Add independent N(0, std^2) noise in place; on CUDA from Philox with 63 secret bits per tensor.

    torch's CPU generator would use 32 bits of its seed; NumPy's SFC64, with 256, fills blocks of 2^20 in parallel, each
    with a stream of its own, so that the result does not depend on the number of threads.
    """
    blocks = []
    for k, tensor in enumerate(tensors):
        if tensor.is_cuda:
            generator = torch.Generator(tensor.device).manual_seed(key.integer(f"noise {k}"))
            tensor.add_(torch.empty_like(tensor).normal_(0.0, std, generator=generator))
        elif tensor.device.type == "cpu" and tensor.is_contiguous():
            flat = tensor.view(-1).numpy()
            blocks += [(flat[b : b + _BLOCK], key.generator(f"noise {k} {b}")) for b in range(0, flat.size, _BLOCK)]
        else:
            elsewhere = torch.zeros(tensor.shape, dtype=tensor.dtype)
            add_noise_([elsewhere], std, Key(key.derive(f"noise {k}")))
            tensor.add_(elsewhere.to(tensor.device))

    def fill(block):
        values, generator = block
        values += std * generator.standard_normal(values.size, dtype=values.dtype)

    with ThreadPoolExecutor(torch.get_num_threads()) as pool:
        list(pool.map(fill, blocks))
