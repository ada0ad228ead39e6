"""DP-SGD on an ordinary model and an ordinary optimizer: sample, clip, sum, noise, divide, step."""

import numpy as np
import torch
from torch import Tensor, nn

from edgeworth_acct.bounds import Bounds
from edgeworth_acct.torch_adapter.arguments import choose, number
from edgeworth_acct.torch_adapter.capture import Stash
from edgeworth_acct.torch_adapter.checks import Reference, check_optimizer
from edgeworth_acct.torch_adapter.factors import Grams, squared_norms, weighted_sum, wide
from edgeworth_acct.torch_adapter.ledger import Ledger
from edgeworth_acct.torch_adapter.noise import Key, release_
from edgeworth_acct.torch_adapter.plan import DPPlan
from edgeworth_acct.torch_adapter.probe import Probe
from edgeworth_acct.torch_adapter.ranks import Ranks
from edgeworth_acct.torch_adapter.sampler import LogicalStep, by_length, poisson

_MODES = {"stash": Stash, "probe": Probe}
_AUTO = 0.01  # what automatic clipping adds to a norm (arXiv:2206.07136)


class DPEngine:
    """Carry out a `DPPlan` on a model.

    The model and the optimizer stay what they are: hooks read the model's layers, and `step` sets ``.grad`` just before
    it calls the optimizer.

    Guarantee: the parameters after any number of steps are ``(engine.epsilon().upper, plan.delta)``-differentially
    private, given that the model treats examples separately (no batch statistics; losses of one example each).  Not
    covered: choosing hyper-parameters or the best checkpoint on private data, anything else that is published about the
    run (losses, gradient norms, times), and what floating-point noise leaks.

    Parameters
    ----------
    model : Module
        Its parameters that require gradients are trained, those and no others.
    optimizer : torch.optim.Optimizer
        Over exactly these parameters.
    plan : DPPlan
    mode : {"stash", "probe"}
        How gradients are caught: by hooks on an eager model, or on one that ``torch.compile(model)`` runs; the latter
        only where every layer has a rule.
    process_group : ProcessGroup, optional
        Ranks that share every batch; the default group where torch.distributed is initialised.
    insecure_reproducible : bool
        Draw batches and noise from `seed`, so that they repeat: for tests.  There is no privacy then, and the
        certificate says so.
    seed : int, optional
        Only with `insecure_reproducible`.

    Raises
    ------
    ValueError, TypeError
        The model mixes examples, a parameter has no rule, the optimizer's parameters are others, or a seed was given
        that would make the noise guessable.

    Examples
    --------
    >>> _ = torch.manual_seed(0)
    >>> x, y = torch.randn(1000, 8), torch.randint(2, (1000,))
    >>> model = nn.Linear(8, 2)
    >>> optimizer = torch.optim.SGD(model.parameters(), lr=0.5)
    >>> plan = DPPlan.calibrate(n=1000, expected_batch=100, steps=5, epsilon=2.0, delta=1e-5)
    >>> engine = DPEngine(model, optimizer, plan)
    >>> for step in engine.sampler(len(x), micro_batch=32):
    ...     for mb in step:
    ...         rows = mb.indices.clamp(min=0)
    ...         losses = nn.functional.cross_entropy(model(x[rows]), y[rows], reduction="none")
    ...         engine.backward(losses, mask=mb.mask)
    ...     engine.step()
    >>> bool(engine.epsilon().upper <= 2.0)
    True
    """

    def __init__(
        self,
        model: nn.Module,
        optimizer: torch.optim.Optimizer,
        plan: DPPlan,
        *,
        mode: str = "stash",
        process_group=None,
        insecure_reproducible: bool = False,
        seed: int | None = None,
    ):
        if not isinstance(plan, DPPlan):
            raise TypeError(f"plan must be a DPPlan, got {plan!r}")
        choose("mode", mode, _MODES)
        if insecure_reproducible != (seed is not None):
            raise ValueError(
                "seed must come with insecure_reproducible=True and the other way round: noise from a seed is no "
                f"privacy, got seed={seed!r}, insecure_reproducible={insecure_reproducible!r}"
            )
        self.model, self.optimizer, self.plan = model, optimizer, plan
        self.parameters = {name: value for name, value in model.named_parameters() if value.requires_grad}
        check_optimizer(optimizer, self.parameters)
        self.insecure = insecure_reproducible
        self.ledger = Ledger()
        #: Called with the engine at the beginning of every logical step, before its batch is drawn.
        self.before_step = []
        self.ranks = Ranks(process_group)
        self._capture = _MODES[mode](model)
        self._key = Key.from_seed(seed) if insecure_reproducible else Key()
        self._share()
        self._verified = mode == "probe"  # by itself
        self._close()

    def _close(self):
        """No logical step of the sampler is open, and nothing is summed."""
        self._logical, self._announced, self._totals = None, None, {}

    def _share(self):
        """Give every rank the secret and the parameters of rank 0."""
        device = next(iter(self.parameters.values())).device
        secret = torch.tensor(list(self._key.secret), dtype=torch.uint8, device=device)
        self.ranks.broadcast([secret, *(parameter.detach() for parameter in self.model.parameters())])
        self._key = Key(bytes(secret.tolist()))

    def sampler(self, n: int, micro_batch: int, lengths=None):
        """The plan's remaining logical steps.

        Parameters
        ----------
        n : int
            Records in the data set; must be the plan's.
        micro_batch : int
            Records of a forward pass; the shape of every `MicroBatch`.
        lengths : array_like, optional
            Shape (n,): size of each record.  The records of a batch are then handed out longest first, so that those of
            a micro-batch are alike and little is padded; who is in the batch, and the sum, stay the same.

        Yields
        ------
        LogicalStep
            A batch with every record in it independently with probability q, in micro-batches; none if it is empty.
            It must be ended by `step`.
        """
        if self.plan.sampling != "poisson":
            raise ValueError(f"sampling must be 'poisson' for a sampler, the plan says {self.plan.sampling!r}")
        if n != self.plan.n:
            raise ValueError(f"n must be the plan's {self.plan.n}, got {n!r}")
        if lengths is not None:
            lengths = np.asarray(lengths)
            if lengths.shape != (n,) or lengths.dtype.kind not in "iuf":
                raise ValueError(f"lengths must be {n} numbers, got shape {lengths.shape} of {lengths.dtype}")
        return self._steps(n, number("micro_batch", micro_batch, 1, whole=True), lengths)

    def _steps(self, n, micro_batch, lengths):
        while self.ledger.steps < self.plan.steps:
            if self._logical is not None:
                raise RuntimeError("engine.step() must end a logical step before the next one begins")
            for hook in self.before_step:
                hook(self)
            batch = poisson(self._key.generator("sample"), n, self.plan.q)
            share = by_length(batch, lengths)[self.ranks.rank :: self.ranks.count]
            self._logical = LogicalStep(self.ledger.steps, share, micro_batch, self._announce)
            yield self._logical

    def _announce(self, logical, batch):
        if logical is not self._logical:
            raise RuntimeError("a logical step must be iterated over before engine.step() ends it")
        self._announced = batch

    def backward(self, losses: Tensor, mask: Tensor | None = None, *, loss_scale: float = 1.0) -> None:
        """Add the clipped gradients of one micro-batch to the logical step's sum.

        Guarantee: one example adds a vector of norm at most C, and exactly nothing if its gradient is not finite.

        Parameters
        ----------
        losses : Tensor
            One loss for each example, shape (B,), each a function of its own example only.
        mask : Tensor, optional
            Boolean, shape (B,): examples that count.
        loss_scale : float
            Positive factor against underflow in float16; divided out before clipping.

        Raises
        ------
        ValueError, TypeError
            `losses` is not of shape (B,), or B is not the sampler's; `mask` is not boolean; a layer's batch does not
            come first.
        RuntimeError
            There is no micro-batch of the plan's sampler that waits for this call; a module's parameters are used
            outside its forward; the model mixes examples.
        """
        keep, loss_scale = self._counted(losses, mask), number("loss_scale", loss_scale, 0, whole=False)
        self._announced = None
        losses = torch.where(keep, wide(losses), 0.0) * loss_scale
        with torch.autocast(losses.device.type, enabled=False):
            check = not self._verified and bool(keep.any())
            reference = Reference(losses, self.parameters, int(keep.nonzero()[0])) if check else None
            found = self._capture.collect(losses.sum(), len(losses))
            with torch.no_grad():
                grams = Grams()
                squares = {p: squared_norms(factors, p.shape, grams) for p, factors in found.items()}
                norms = sum(squares.values()).sqrt() / loss_scale
                finite = norms.isfinite()
                if not finite.all():
                    for factors in found.values():
                        for factor in factors:
                            factor.clear(~finite)
                elif reference is not None:
                    reference.check(found, squares, self._capture.half)
                    self._verified, reference = True, None
                rounding = max(torch.finfo(square.dtype).eps for square in squares.values())
                weights = torch.where(finite & keep, self._factor(norms, rounding) / loss_scale, 0.0)
                while found:
                    parameter, factors = found.popitem()
                    total = self._totals.get(parameter)
                    mine = weights.to(squares[parameter].dtype)
                    self._totals[parameter] = weighted_sum(factors, mine, parameter.shape, total)

    def _counted(self, losses, mask):
        """Which losses count, after all that may be wrong with them."""
        if not isinstance(losses, Tensor) or losses.dim() != 1:
            shape = tuple(losses.shape) if isinstance(losses, Tensor) else type(losses).__name__
            raise ValueError(f"losses must have shape (B,), one loss for each example (reduction='none'), got {shape}")
        if not losses.requires_grad:
            raise ValueError("losses must come from the model, run with gradients")
        if mask is not None and not (isinstance(mask, Tensor) and mask.dtype == torch.bool):
            raise TypeError(f"mask must be a boolean tensor, got {mask!r}")
        keep = torch.ones(len(losses), dtype=torch.bool)
        if self.plan.sampling == "poisson":
            if self._logical is None:
                raise RuntimeError("backward() must stand in a step of engine.sampler(): its batches are accounted")
            if self._announced is None:
                raise RuntimeError("backward() must be called once for each micro-batch of engine.sampler()")
            keep = self._announced.mask
        masks = [keep] if mask is None else [keep, mask]
        if any(each.shape != losses.shape for each in masks):
            shapes = [tuple(each.shape) for each in masks]
            raise ValueError(f"losses must have the micro-batch's and mask's shape {shapes}, got {tuple(losses.shape)}")
        return torch.stack([each.to(losses.device) for each in masks]).all(0)

    def _factor(self, norms, rounding):
        """Clipping factors; a few units of rounding below 1 / norm, so that a product never exceeds C."""
        clip = self.plan.clip * (1 - 8 * rounding)
        if self.plan.clipping == "auto":
            return clip / (norms + _AUTO)
        return clip / norms.clamp_min(self.plan.clip)

    def step(self) -> None:
        """End the logical step: charge it, add noise, divide by the expected batch, and let the optimizer move.

        A step without any example is a step like any other.  Charge, noise and batch are spent first: a step that fails
        has moved no parameter by anything private and is not repeated.

        Raises
        ------
        RuntimeError
            No logical step is open, or all of the plan's steps are spent.
        """
        if self.ledger.steps >= self.plan.steps:
            raise RuntimeError(
                f"all {self.plan.steps} steps of the plan are released: one more would exceed its epsilon"
            )
        if self._logical is None and self.plan.sampling == "poisson":
            raise RuntimeError("step() must end a step of engine.sampler()")
        self.ledger.charge(self.plan.sigma, self.plan.q)
        key, sums = self._key, self._totals
        self._key = key.next()
        self._close()
        with torch.no_grad():
            totals = [sums.pop(p, None) for p in self.parameters.values()]
            totals = [
                torch.zeros(p.shape, dtype=wide(p).dtype, device=p.device) if total is None else total
                for total, p in zip(totals, self.parameters.values())
            ]
            self.ranks.sum(totals)
            release_(totals, self.plan.sigma * self.plan.clip, self.plan.expected_batch, key)
            for group in self.optimizer.param_groups:
                for parameter in group["params"]:
                    parameter.grad = None
            for parameter, total in zip(self.parameters.values(), totals):
                parameter.grad = total.to(parameter.dtype)
        del totals
        self.optimizer.step()
        for parameter in self.parameters.values():
            parameter.grad = None

    def step_seed(self, label: str) -> int:
        """A secret 63-bit integer that belongs to this step: to seed dropout with, say.

        Parameters
        ----------
        label : str
            Purpose; other purposes have other integers.  All ranks have the same: where they should not, name the rank.
        """
        return self._key.integer(f"user {label}")

    def epsilon(self) -> Bounds:
        """Certified bounds of what the steps released so far cost, at the plan's delta."""
        return self.ledger.epsilon(self.plan.delta, self.plan.adjacency)

    def certificate(self) -> dict:
        """`DPPlan.certificate` for the steps released so far, with where the noise came from.

        That of a run from a known seed has another format, which `edgeworth_acct.verify` refuses.
        """
        if self.insecure:
            certificate = self.plan.certificate(self.ledger.steps, noise="insecure: from a known seed, no privacy")
            return {**certificate, "format": "edgeworth_acct run from a known seed: no privacy"}
        return self.plan.certificate(self.ledger.steps, noise="secret key of the operating system")

    def state_dict(self) -> dict:
        """Plan, ledger and secret key between two steps; a step in flight is left out and begins again.

        Keep it as secret as the data (see `edgeworth_acct.torch_adapter.noise`), and continue it once: two
        continuations that differ, in learning rate or data, share noise.
        """
        return {
            "plan": self.plan.to_json(),
            "ledger": [list(entry) for entry in self.ledger.entries],
            "key": self._key.secret.hex(),
            "insecure": self.insecure,
        }

    def load_state_dict(self, state: dict) -> None:
        """Continue where `state_dict` was taken.

        Raises
        ------
        ValueError
            It belongs to another plan, or is none of ours.
        """
        try:
            plan, ledger, key = DPPlan.from_json(state["plan"]), Ledger(state["ledger"]), bytes.fromhex(state["key"])
            insecure = bool(state["insecure"])
        except (KeyError, TypeError) as error:
            raise ValueError("state must be a DPEngine's state_dict") from error
        if plan != self.plan:
            raise ValueError(f"state must belong to this plan, it belongs to\n{plan}\nand this is\n{self.plan}")
        self.ledger, self._key, self.insecure = ledger, Key(key), insecure
        self._close()

    def detach(self) -> None:
        """Take the hooks off the model; the engine is of no use afterwards."""
        self._capture.remove()
