"""Randomness that nobody can guess and that a resumed run repeats: everything follows from one secret key.

The key is 32 bytes from the operating system.  Step t derives its batch and its noise from it and then replaces it by a
hash, so that a checkpoint tells nothing about earlier steps.  It tells everything about later ones: who has it can
subtract their noise.  Checkpoints are as secret as the data; weights and certificates are what may be published.

What is released shows pieces of the noise bare: rows of an embedding that no example touched hold nothing else.  Nobody
must be able to compute the rest from them.  So the generators are NumPy's Philox, a keyed bijection of ten rounds on a
counter, with 128 secret bits for each block of numbers, and not those whose state can be solved for from a little
output (SFC64; with more work PCG64: Bouillaguet, Martinez and Sauvage, ToSC 2020).
"""

import hashlib
import math
import os
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import torch

_BLOCK = 1 << 18


class Key:
    """The 32-byte secret of one step."""

    def __init__(self, secret=None):
        self.secret = os.urandom(32) if secret is None else secret

    @classmethod
    def from_seed(cls, seed):
        """A key that anybody can guess: for tests."""
        return cls(hashlib.blake2b(f"insecure {seed}".encode(), digest_size=32).digest())

    def derive(self, label):
        """32 bytes that belong to this step and this purpose."""
        return hashlib.blake2b(label.encode(), key=self.secret, digest_size=32).digest()

    def next(self):
        """The key of the next step, which tells nothing about this one."""
        return Key(self.derive("next step"))

    def generator(self, label):
        """A NumPy generator with 128 secret bits."""
        return np.random.Generator(np.random.Philox(key=int.from_bytes(self.derive(label)[:16], "little")))

    def integer(self, label):
        """A 63-bit integer, for generators that take no more."""
        return int.from_bytes(self.derive(label)[:8], "little") >> 1


def release_(totals, std, divisor, key):
    """Add independent N(0, std^2) noise to every coordinate and divide, in place.

    On the CPU, blocks of 2^18 numbers are filled in parallel, each from a generator of its own, so that the result does
    not depend on the number of threads.  On CUDA the noise comes from torch's Philox with 63 secret bits for each
    tensor.
    """
    for k, total in enumerate(totals):
        if total.is_cuda:
            generator = torch.Generator(total.device).manual_seed(key.integer(f"noise {k}"))
            total.add_(torch.empty_like(total).normal_(0.0, std, generator=generator)).div_(divisor)
        elif total.device.type != "cpu":
            noise = torch.zeros(total.shape, dtype=total.dtype)
            release_([noise], std, 1.0, Key(key.derive(f"noise {k}")))
            total.add_(noise.to(total.device)).div_(divisor)

    def release(number, block):
        sizes = [len(piece) for piece in block]
        noise = normal(key.generator(f"noise of block {number}"), sum(sizes), std / divisor, block[0].dtype)
        for piece, part in zip(block, noise.split(sizes)):
            torch.add(part, piece, alpha=1 / divisor, out=piece)

    blocks = _blocks([total for total in totals if total.device.type == "cpu"])
    with ThreadPoolExecutor(torch.get_num_threads()) as pool:
        list(pool.map(release, range(len(blocks)), blocks))


def _blocks(totals):
    """The tensors' numbers in blocks of one type: lists of flat pieces, small tensors together."""
    blocks, room = [], 0
    for total in totals:
        for piece in total.view(-1).split(_BLOCK):
            if not blocks or room < len(piece) or blocks[-1][0].dtype != piece.dtype:
                blocks.append([])
                room = _BLOCK
            blocks[-1].append(piece)
            room -= len(piece)
    return blocks


def normal(generator, size, std, dtype):
    """Numbers from N(0, std^2), float32 or float64, shape (size,).

    In float32 by the transform of Box and Muller (1958): the magnitude of a 64-bit word gives a radius, up to 9.4 std,
    and its last 24 bits an angle.  A radius below 4.5 std is rounded to bits above these: both are independent.
    Beyond, the last of its 24 significant bits may be one of the angle's.
    """
    if dtype == torch.float64:
        return torch.from_numpy(generator.standard_normal(size)).mul_(std)
    pairs = -(-size // 2)
    words = torch.from_numpy(generator.bit_generator.random_raw(pairs).view(np.int64))
    radii = words.float().abs_().add_(0.5).mul_(2.0**-63).log_().mul_(-2 * std**2).sqrt_()
    angles = words.bitwise_and_(0xFFFFFF).float().mul_(2 * math.pi * 2.0**-24)
    result = torch.empty(2, pairs)
    np.cos(angles, out=result[0].numpy())  # NumPy's are faster than torch's
    np.sin(angles, out=result[1].numpy())
    return result.mul_(radii).view(-1)[:size]
