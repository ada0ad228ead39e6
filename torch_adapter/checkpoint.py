"""Checkpoints that are either whole or not there."""

import hashlib
import io
import json
import math
import os
from pathlib import Path

import torch

_MAGIC = b"edgeworth_acct checkpoint 1\n"
_DIGEST = 32


def write(path, data: bytes) -> None:
    """Put `data` at `path` in one step: whoever reads sees the old file or the new one, even after a crash.

    There may be one writer at a time.
    """
    path = Path(path)
    temporary = path.with_name(f".{path.name}.partial")
    try:
        with open(temporary, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)
    if os.name == "posix":
        folder = os.open(path.parent, os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)


def write_json(path, value) -> None:
    """`write` a JSON file."""
    write(path, (json.dumps(value, indent=2) + "\n").encode())


def write_torch(path, value) -> None:
    """`write` what torch.load reads."""
    write(path, _serialized(value))


def rounded_up(epsilon: float) -> str:
    """A certified epsilon with six decimals, never smaller than it is."""
    return f"{math.ceil(epsilon * 1e6) / 1e6:.6f}"


def save(path, state: dict) -> None:
    """Write a dictionary of tensors, numbers and text, with a digest of it."""
    payload = _serialized(state)
    write(path, _MAGIC + hashlib.sha256(payload).digest() + payload)


def _serialized(value):
    buffer = io.BytesIO()
    torch.save(value, buffer)
    return buffer.getvalue()


def load(path) -> dict:
    """Read what `save` wrote, tensors on the CPU.

    Raises
    ------
    ValueError
        It is no checkpoint of ours, or truncated or damaged.
    FileNotFoundError
        There is none.
    """
    content = Path(path).read_bytes()
    if not content.startswith(_MAGIC):
        raise ValueError(f"{path} is no checkpoint of edgeworth_acct")
    head = len(_MAGIC) + _DIGEST
    digest, payload = content[len(_MAGIC) : head], content[head:]
    if hashlib.sha256(payload).digest() != digest:
        raise ValueError(f"{path} is truncated or damaged: its digest does not match")
    return torch.load(io.BytesIO(payload), map_location="cpu", weights_only=True)
