"""The files of a run: checkpoints that are either whole or not there, certificate, metrics, weights."""

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


class Folder:
    """Where a run leaves its files.

    Parameters
    ----------
    path : path
    settings : dict
        Numbers and text that a run must share with the one it continues.
    callbacks : sequence of Callback
        Those with `state_dict` are saved too.
    writes : bool
        Whether this process, of several, is the one to write.
    """

    def __init__(self, path, settings, callbacks, writes):
        self.path, self.settings, self.writes = Path(path), settings, writes
        self.callbacks = [callback for callback in callbacks if hasattr(callback, "state_dict")]

    def open(self, run, resume):
        """Begin, or continue from the checkpoint."""
        state = self.path / "checkpoint.bin"
        exists = state.exists()
        run.engine.ranks.wait()
        if exists and not resume:
            raise ValueError(f"{self.path} holds the checkpoint of a run: resume=True continues it")
        if exists:
            self._load(load(state), state, run)
        elif self.writes:
            self.path.mkdir(parents=True, exist_ok=True)
            write(self.path / "plan.json", run.plan.to_json().encode())
            self.save(run)

    def _load(self, state, path, run):
        try:
            settings = state["settings"]
            if settings != self.settings:
                raise ValueError(f"{path} was made with {settings}, not with {self.settings}")
            run.engine.load_state_dict(state["engine"])
            run.model.load_state_dict(state["model"])
            run.optimizer.load_state_dict(state["optimizer"])
            for callback, values in zip(self.callbacks, state["callbacks"], strict=True):
                callback.load_state_dict(values)
            run.history = json.loads(state["history"])
        except (KeyError, RuntimeError) as error:
            raise ValueError(f"{path} is of another model or another run: {error}") from error

    def save(self, run):
        """Certificate first: should the checkpoint not follow, it says too much was spent, never too little."""
        if not self.writes:
            return
        write_json(self.path / "certificate.json", run.engine.certificate())
        write_json(self.path / "metrics.json", run.history)
        state = {
            "settings": self.settings,
            "engine": run.engine.state_dict(),
            "model": run.model.state_dict(),
            "optimizer": run.optimizer.state_dict(),
            "callbacks": [callback.state_dict() for callback in self.callbacks],
            "history": json.dumps(run.history),
        }
        save(self.path / "checkpoint.bin", state)

    def finish(self, run):
        """Weights beside their certificate."""
        if self.writes:
            write_torch(self.path / "weights.pt", run.model.state_dict())
        run.engine.ranks.wait()
