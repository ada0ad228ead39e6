"""Composition: runs made of mechanisms, and the questions that can be asked of them.

A run is a bag of mechanisms with counts.  Adding runs and multiplying them by counts merges equal mechanisms, so the
cost of a question grows with the number of distinct ones, never with the counts.  Every mechanism may be chosen
adaptively.

Each direction of the neighbouring relation is composed on its own: the losses of the dominating pairs add up, and their
characteristic function is inverted with every error bounded (``csrc/run_line.c``).
"""

import json
import math

import numpy as np
from numpy.typing import ArrayLike

from edgeworth_acct import accounting, grid
from edgeworth_acct._evaluate import as_given
from edgeworth_acct.arguments import COUNT, DELTA, EPSILON, ORDER, RTOL, TARGET_EPSILON, adjacency_code, single
from edgeworth_acct.bounds import Bounds, Real
from edgeworth_acct.derivatives import Derivatives, derivatives
from edgeworth_acct.errors import PrecisionError
from edgeworth_acct.laws import DIRECTIONS, OPPOSITE, compose, order
from edgeworth_acct.tradeoff import GaussianDP, gaussian_tradeoff, tradeoff

_RTOL, _SMOOTH_RTOL = 1e-9, 1e-4
_MANY = 16  # from so many values on, one contour for several of them is quicker than one each
_ULP = 4e-16
_LATTICE_RTOL = 1e-6  # no lattice of losses is much finer
_LARGEST = 1e300


class Composable:
    """The algebra of mechanisms and runs, and the questions to ask.

    Every question takes ``adjacency="add_or_remove"`` (the default), ``"add"``, ``"remove"`` or ``"replace_one"``,
    as in `edgeworth_acct.epsilon`; a mechanism without a proven dominating pair for it raises ValueError with the
    reason.
    """

    @property
    def parts(self) -> tuple:
        """Pairs of a mechanism and its count."""
        raise NotImplementedError

    def _run(self):
        return self if isinstance(self, Run) else Run(self.parts)

    def __add__(self, other):
        return Run((*self.parts, *other.parts)) if isinstance(other, Composable) else NotImplemented

    def __radd__(self, other):
        return self._run() if other == 0 else NotImplemented  # the start of sum()

    def __mul__(self, count):
        if isinstance(count, Composable | str | bytes | list | tuple):
            return NotImplemented
        count = COUNT.convert(count)
        if not isinstance(count, int):
            raise TypeError(f"a count must be a single integer, got an array of shape {count.shape}")
        return Run(tuple((mechanism, count * times) for mechanism, times in self.parts))

    __rmul__ = __mul__

    def epsilon(self, delta: ArrayLike, *, adjacency: str = "add_or_remove", rtol: float | None = None) -> Real:
        """Epsilon at `delta`, rounded up: the number to publish.  The upper end of `epsilon_bounds`."""
        return self.epsilon_bounds(delta, adjacency=adjacency, rtol=rtol).upper

    def delta(self, epsilon: ArrayLike, *, adjacency: str = "add_or_remove", rtol: float | None = None) -> Real:
        """Delta at `epsilon` (any real number), rounded up.  The upper end of `delta_bounds`."""
        return self.delta_bounds(epsilon, adjacency=adjacency, rtol=rtol).upper

    def epsilon_bounds(
        self, delta: ArrayLike, *, adjacency: str = "add_or_remove", rtol: float | None = None
    ) -> Bounds:
        """Epsilon at `delta` from both sides.

        Guarantee: ``lower <= exact epsilon <= upper``, with discretisation, truncation and floating-point error
        included.

        Parameters
        ----------
        delta : float or array_like
            In (0, 1).
        adjacency : str
            See `Composable`.
        rtol : float, optional
            Wanted relative width.  If not given, 1e-9 where the law of the total loss has a density whose decay is
            proven (a Gaussian or a sampled Gaussian takes part) or lies on a lattice, else 1e-4.

        Returns
        -------
        Bounds
            In nats; floored at 0, infinite where an outcome of infinite loss is more likely than `delta`.

        Raises
        ------
        ValueError, TypeError
            An argument is out of range, or a mechanism has no dominating pair for this adjacency.
        PrecisionError
            No interval could be certified.

        Examples
        --------
        >>> from edgeworth_acct import SubsampledGaussian
        >>> lower, upper = (1000 * SubsampledGaussian(sigma=1.0, q=0.01)).epsilon_bounds(1e-5)
        >>> lower <= 1.828236666508 <= upper
        True
        """
        rtols = _rtols(rtol)
        return as_given(DELTA, delta, lambda values: self._run()._epsilon(values, adjacency, rtols))

    def delta_bounds(
        self, epsilon: ArrayLike, *, adjacency: str = "add_or_remove", rtol: float | None = None
    ) -> Bounds:
        """Delta at `epsilon` from both sides.

        Guarantee: ``lower <= exact delta <= upper``, with discretisation, truncation and floating-point error included.

        Parameters
        ----------
        epsilon : float or array_like
            Finite; negative ones too.  Many values cost little more than a few: they share contours.
        adjacency, rtol
            As in `epsilon_bounds`.

        Returns
        -------
        Bounds
            Within [0, 1].

        Raises
        ------
        ValueError, TypeError, PrecisionError
            As in `epsilon_bounds`.

        Examples
        --------
        >>> from edgeworth_acct import Gaussian
        >>> 0.1269367375066 in Gaussian(sigma=1.0).delta_bounds(1.0)
        False
        >>> 0.12693673750664395 in Gaussian(sigma=1.0).delta_bounds(1.0)
        True
        """
        rtols = _rtols(rtol)
        return as_given(EPSILON, epsilon, lambda values: self._run()._delta(values, adjacency, rtols))

    def advantage(self, *, adjacency: str = "add_or_remove", rtol: float | None = None) -> Bounds:
        """Advantage of the best membership attack, true minus false positive rate: delta at epsilon 0."""
        return self.delta_bounds(0.0, adjacency=adjacency, rtol=rtol)

    def tradeoff(self, alpha: ArrayLike, *, adjacency: str = "add_or_remove") -> Bounds:
        """Least false negative rate of any attack with false positive rate `alpha`: the trade-off curve of f-DP.

        Guarantee: ``lower <= f(alpha) <= upper`` with ``f(alpha) = sup over epsilon of 1 - delta(epsilon) -
        e^epsilon alpha``, the convex trade-off function with this privacy profile [1]_.

        Parameters
        ----------
        alpha : float or array_like
            In [0, 1].
        adjacency : str
            See `Composable`.

        Returns
        -------
        Bounds
            Within [0, 1 - alpha]; about 1e-9 wide where the bounds of delta are as narrow.

        References
        ----------
        .. [1] J. Dong, A. Roth, W. J. Su. "Gaussian Differential Privacy." JRSS B 84, 2022. arXiv:1905.02383,
           proposition 2.12.

        Examples
        --------
        >>> from edgeworth_acct import Gaussian
        >>> print("{:.6f}".format(Gaussian(sigma=1.0).tradeoff(0.05).lower))
        0.740489
        """
        return tradeoff(self, alpha, adjacency)

    def gdp(self, *, floor: float = 1e-9, adjacency: str = "add_or_remove") -> GaussianDP:
        """Gaussian differential privacy: the smallest mu whose trade-off curve lies below this run's.

        Guarantee: ``delta(epsilon) <= delta_mu(epsilon) + floor`` for every epsilon, hence
        ``f(alpha) >= G_mu(alpha) - floor``.  (With no floor the far tail of a sampled Gaussian, which is that of the
        mechanism without sampling, would decide alone.)

        Parameters
        ----------
        floor : float
            What is granted in delta, in [1e-12, 0.1].
        adjacency : str
            See `Composable`.

        Returns
        -------
        GaussianDP
            ``mu``, rounded up, and ``regret``, an upper bound of the largest ``f(alpha) - G_mu(alpha)``: how much
            attacks are overstated.

        Examples
        --------
        >>> from edgeworth_acct import Gaussian
        >>> mu, regret = (4 * Gaussian(sigma=2.0)).gdp()
        >>> 1.0 <= mu < 1.001 and 0.0 <= regret < 0.001
        True
        """
        return gaussian_tradeoff(self, floor, adjacency)

    def rdp(self, order: ArrayLike, *, adjacency: str = "add_or_remove") -> Real:
        """Renyi divergence of `order`, rounded up.

        Guarantee: the run is (order, result)-Renyi differentially private.

        Parameters
        ----------
        order : float or array_like
            Finite and > 1.
        adjacency : str
            See `Composable`.

        Returns
        -------
        float or ndarray
            In nats; infinite where an outcome of infinite loss is possible.

        Examples
        --------
        >>> from edgeworth_acct import Gaussian
        >>> print("{:.6f}".format(Gaussian(sigma=2.0).rdp(8)))
        1.000000
        """

        def values(orders):
            run = self._run()
            upper = [max(run._renyi(direction, order) for direction in run.directions(adjacency)) for order in orders]
            return Bounds(np.zeros(len(orders)), np.array(upper))

        return as_given(ORDER, order, values).upper

    def zcdp(self, *, adjacency: str = "add_or_remove") -> float:
        """Rho of zero-concentrated differential privacy, to rounding; infinite where a mechanism has none.

        Guarantee: the Renyi divergence of every order a > 1 is at most rho a.

        Examples
        --------
        >>> from edgeworth_acct import Gaussian
        >>> (2 * Gaussian(sigma=1.0)).zcdp()
        1.0
        """
        run = self._run()
        return max(
            math.fsum(count * mechanism.rho(direction) for mechanism, count in run.parts)
            for direction in run.directions(adjacency)
        )

    def steps_until(self, epsilon: float, delta: float, *, adjacency: str = "add_or_remove") -> int:
        """How many times this can be done within a budget: the largest k with ``(k * self).epsilon(delta) <= epsilon``.

        Parameters
        ----------
        epsilon : float
            Finite and >= 0.
        delta : float
            In (0, 1).
        adjacency : str
            See `Composable`.

        Returns
        -------
        int
            0 if not even once; at most 10**13.

        Examples
        --------
        >>> from edgeworth_acct import SubsampledGaussian
        >>> SubsampledGaussian(sigma=0.7982, q=2000 / 67349).steps_until(epsilon=8.0, delta=1e-5)
        660
        """
        epsilon, delta = single(TARGET_EPSILON, epsilon), single(DELTA, delta)

        def within(count):
            return (count * self).epsilon(delta, adjacency=adjacency) <= epsilon

        if not within(1):
            return 0
        low, high = 1, 2
        while high <= 10**13 and within(high):
            low, high = high, 2 * high
        high = min(high, 10**13 + 1)
        while high - low > 1:
            middle = (low + high) // 2
            low, high = (middle, high) if within(middle) else (low, middle)
        return low

    def derivatives(self, delta: float, *, adjacency: str = "add_or_remove") -> Derivatives:
        """Derivatives of epsilon at `delta`, analytic, from the nodes that give epsilon itself.

        Floating-point values, good to about nine digits where epsilon is inverted on a plain line (see
        `epsilon_bounds`) and to three or four where it is smoothed; nothing certified rests on them.

        Parameters
        ----------
        delta : float
            In (0, 1).
        adjacency : str
            See `Composable`; of two directions that which binds.

        Returns
        -------
        Derivatives
            ``delta``: d epsilon / d delta; ``parts``: for each mechanism a dict with ``steps`` (of its count, as if
            it were real) and, for `Gaussian` and `SubsampledGaussian`, ``sigma`` and ``q``.

        Raises
        ------
        PrecisionError
            Epsilon is 0 or infinite, or losses lie on a lattice, where it is no smooth function.

        Examples
        --------
        >>> from edgeworth_acct import SubsampledGaussian
        >>> step = SubsampledGaussian(sigma=1.0, q=0.01)
        >>> slopes = (1000 * step).derivatives(1e-5).parts[step]
        >>> print(*(f"{name} {slopes[name]:.6g}" for name in ("sigma", "q", "steps")))
        sigma -3.82261 q 198.194 steps 0.000882872
        """
        return derivatives(self._run(), single(DELTA, delta), adjacency, _rtols(None))

    def group(self, size: int):
        """The same run seen by a group of `size` records that are added or removed together (one user's records).

        Returns
        -------
        Run
            Its epsilon and delta are those of the group, at most.

        Raises
        ------
        ValueError
            A mechanism has no known dominating pair for groups.

        Examples
        --------
        >>> from edgeworth_acct import SubsampledGaussian
        >>> run = 1000 * SubsampledGaussian(sigma=2.0, q=0.01)
        >>> run.epsilon(1e-6) < run.group(2).epsilon(1e-6)
        True
        """
        size = single(COUNT, size)
        if size < 1:
            raise ValueError(f"size must be an integer >= 1, got {size}")
        return Run(tuple((mechanism.of_group(size), count) for mechanism, count in self.parts))

    def certificate(
        self,
        delta: float,
        *,
        adjacency: str = "add_or_remove",
        rtol: float | None = None,
        notes: dict[str, object] | None = None,
    ) -> dict[str, object]:
        """All that is needed to check epsilon at `delta`: ready for JSON, and for `edgeworth_acct.verify`.

        Parameters
        ----------
        delta : float
            In (0, 1).
        adjacency, rtol
            As in `epsilon_bounds`.
        notes : dict, optional
            Remarks, ready for JSON, that the checksum covers; `verify` proves nothing about them.

        Returns
        -------
        dict
            Mechanisms with counts, sampling schemes, adjacency, delta, the interval of epsilon; for each direction
            how it was found (route, tilt, step, nodes, smoothing) with each error term relative to delta; library
            version.

        Examples
        --------
        >>> from edgeworth_acct import SubsampledGaussian
        >>> certificate = (500 * SubsampledGaussian(sigma=1.0, q=0.01)).certificate(1e-5)
        >>> certificate["sampling"], certificate["directions"]["remove"]["route"]
        (['Poisson sampling'], 'line')
        """
        from edgeworth_acct import __version__
        from edgeworth_acct.certificate import certificate

        return certificate(self._run(), delta, adjacency, rtol, _rtols(rtol), __version__, notes)

    def to_json(self) -> str:
        """The run as JSON, exactly; `Run.from_json` reads it."""
        parts = [{"mechanism": mechanism.to_dict(), "count": count} for mechanism, count in self._run().parts]
        return json.dumps({"parts": parts})


class Run(Composable):
    """Mechanisms with counts, composed.

    Immutable, hashable, picklable.  Usually written as an expression, ``500 * a + 3 * b``, or as ``sum(...)``.

    Parameters
    ----------
    parts : iterable of (mechanism, count)
        Equal mechanisms merge; a count of 0 leaves a mechanism out.

    Examples
    --------
    >>> from edgeworth_acct import Gaussian, Run
    >>> Run([(Gaussian(sigma=2.0), 3), (Gaussian(sigma=2.0), 1)])
    4 * Gaussian(sigma=2.0)
    >>> Run.from_json((4 * Gaussian(sigma=2.0)).to_json()) == 4 * Gaussian(sigma=2.0)
    True
    """

    __slots__ = ("_asked", "_atoms", "_composed", "_parts")

    def __init__(self, parts=()):
        counts = {}
        for mechanism, count in parts:
            counts[mechanism] = counts.get(mechanism, 0) + count
        object.__setattr__(self, "_parts", {mechanism: count for mechanism, count in counts.items() if count})
        object.__setattr__(self, "_composed", {})  # direction -> what the core needs: made once, from the parts alone
        object.__setattr__(self, "_atoms", {})  # direction -> laws and the same, where two directions may be one
        object.__setattr__(self, "_asked", {})  # what was last asked of a composition, and the answer

    @property
    def parts(self):
        """Pairs of a mechanism and its count, in the order they came."""
        return tuple(self._parts.items())

    @property
    def ordered_parts(self):
        """The parts in the order in which the core takes them."""
        return sorted(self._parts.items(), key=order)

    def __add__(self, other):
        if not isinstance(other, Composable):
            return NotImplemented
        run = Run()
        counts = run._parts  # nobody has seen it yet
        counts.update(self._parts)
        for mechanism, count in other.parts:
            counts[mechanism] = counts.get(mechanism, 0) + count
        return run

    def __setattr__(self, name, value):
        raise AttributeError(f"a Run is immutable: cannot set {name}")

    __delattr__ = __setattr__ = __setattr__

    def __eq__(self, other):
        return self._parts == other._parts if isinstance(other, Run) else NotImplemented

    def __hash__(self):
        return hash(frozenset(self._parts.items()))

    def __reduce__(self):
        return Run, (self.parts,)

    def __repr__(self):
        return " + ".join(f"{count} * {mechanism!r}" for mechanism, count in self.parts) or "Run()"

    @classmethod
    def from_json(cls, text: str) -> "Run":
        """The run that `to_json` wrote."""
        from edgeworth_acct.mechanisms import mechanism_from_dict  # mechanisms are made of this module's classes

        try:
            parts = json.loads(text)["parts"]
            pairs = [(mechanism_from_dict(part["mechanism"]), single(COUNT, part["count"])) for part in parts]
        except (json.JSONDecodeError, KeyError, TypeError) as error:
            raise ValueError(f"text must be what to_json wrote, got {text[:80]!r} ({error})") from None
        return cls(pairs)

    def directions(self, adjacency):
        """The directions whose largest result counts; ValueError where a mechanism has no dominating pair."""
        adjacency_code(adjacency)
        for mechanism in self._parts:
            mechanism.check_adjacency(adjacency)
        return DIRECTIONS[adjacency]

    def core(self, direction):
        """(pessimistic, optimistic) compositions of the core; one object if the law is exact, or for two directions."""
        if direction not in self._composed:
            known = self._composed.get(OPPOSITE[direction])
            self._composed[direction] = (known and _exchanged(known)) or self._compose(direction)
        return self._composed[direction]

    def _compose(self, direction):
        laws = self._laws(direction)
        known, pair = self._atoms.get(OPPOSITE[direction], (None, None))
        if known != laws:
            pair = compose(laws)
        if any(layer.kind == "atoms" for law, _ in laws for layer in law.layers):
            self._atoms[direction] = laws, pair
        return pair

    def asked(self, direction, delta, rtols):
        """What the core answers about epsilon, above: (route, lower, upper, plan)."""
        pessimistic, _ = self.core(direction)
        return self._remembered(
            ("core", pessimistic), (delta, rtols), lambda: pessimistic.epsilon(math.log(delta), *rtols)
        )

    def _one_way(self, direction, delta, rtols):
        """Bounds of epsilon for one direction."""

        def bounds():
            pessimistic, optimistic = self.core(direction)
            _, low, high, _ = self.asked(direction, delta, rtols)
            if optimistic is not pessimistic:
                low = optimistic.epsilon(math.log(delta), *rtols)[1]
            if low < high and not high - low <= _narrow(rtols) * min(high, _LARGEST):
                finer = grid.epsilon_bounds(self._laws(direction), delta, _narrow(rtols))
                low, high = max(low, finer[0]), min(high, finer[1])
            return low, high

        return self._remembered(("bounds", self.core(direction)[0]), (delta, rtols), bounds)

    def _remembered(self, key, question, ask):
        """The last answer of this kind, if that was to the same question."""
        asked, answer = self._asked.get(key, (None, None))
        if asked != question:
            answer = ask()
            self._asked[key] = question, answer
        return answer

    def _laws(self, direction):
        """Laws with their counts, in the order in which the core takes them."""
        return [(mechanism.law(direction), count) for mechanism, count in self.ordered_parts]

    def _sampled_gaussian(self):
        """(sigma, q, steps) if this is nothing but that, else None."""
        if len(self._parts) == 1:
            ((mechanism, count),) = self.parts
            return mechanism.as_sampled_gaussian(count)
        return None

    def _epsilon(self, deltas, adjacency, rtols):
        directions, plain = self.directions(adjacency), self._sampled_gaussian()
        if plain:
            return accounting.epsilon_bounds(*plain, deltas, adjacency=adjacency, rtol=rtols[0])
        if not self._parts:
            return Bounds(np.zeros(len(deltas)), np.zeros(len(deltas)))
        lower, upper = np.empty(len(deltas)), np.empty(len(deltas))
        for i, delta in enumerate(deltas):
            lower[i], upper[i] = self._epsilon_once(directions, float(delta), rtols)
        return Bounds(lower, upper)

    def _epsilon_once(self, directions, delta, rtols):
        log_delta, lower, upper = math.log(delta), 0.0, 0.0
        for direction in directions:
            pessimistic, _ = self.core(direction)
            if direction is not directions[0] and (
                pessimistic is self.core(directions[0])[0] or pessimistic.dominated(lower, log_delta * (1.0 + _ULP))
            ):
                continue
            low, high = self._one_way(direction, delta, rtols)
            lower, upper = max(lower, low), max(upper, high)
        if upper == math.inf > lower:
            raise PrecisionError(f"no upper bound of epsilon could be certified for delta={delta!r}, {self!r}")
        return lower, upper

    def _delta(self, epsilons, adjacency, rtols):
        directions, plain = self.directions(adjacency), self._sampled_gaussian()
        if plain:
            many = len(epsilons) >= _MANY and plain[1] < 1.0 and self._delta_many(directions, epsilons, rtols[0])
            return many or accounting.delta_bounds(*plain, epsilons, adjacency=adjacency, rtol=rtols[0])
        if not self._parts:
            exact = np.maximum(0.0, -np.expm1(epsilons))
            return Bounds(exact * (1.0 - _ULP), np.minimum(1.0, exact * (1.0 + _ULP)))
        return self._delta_many(directions, epsilons, *rtols)

    def _delta_many(self, directions, epsilons, rtol, smooth_rtol=0.0):
        """Bounds through shared contours; None where one of them would have to be smoothed and may not be."""
        both = [self._delta_one_way(direction, epsilons, (rtol, smooth_rtol)) for direction in directions]
        if not all(found for _, _, found in both):
            return None
        return Bounds(np.max([lower for lower, _, _ in both], axis=0), np.max([upper for _, upper, _ in both], axis=0))

    def _delta_one_way(self, direction, epsilons, rtols):
        """Bounds for one direction; where epsilon < 0 by delta_PQ(e) = 1 - e^e (1 - delta_QP(-e))."""
        lower, upper, found = np.empty(len(epsilons)), np.empty(len(epsilons)), True
        for negative in (False, True):
            place = np.flatnonzero((epsilons < 0.0) == negative)
            if not place.size:
                continue
            place = place[np.argsort(np.abs(epsilons[place]), kind="stable")]
            at, low, high = np.abs(epsilons[place]), np.empty(len(place)), np.empty(len(place))
            way = OPPOSITE[direction] if negative else direction
            pessimistic, optimistic = self.core(way)
            found &= pessimistic.delta(low, high, at, *rtols)
            if optimistic is not pessimistic:
                optimistic.delta(low, np.empty(len(place)), at, *rtols)
            wide = np.flatnonzero(high - low > _narrow(rtols) * high)
            if found and 0 < len(wide) < _MANY:
                finer = grid.delta_bounds(self._laws(way), at[wide], _narrow(rtols))
                low[wide], high[wide] = np.maximum(low[wide], finer[0]), np.minimum(high[wide], finer[1])
            if negative:
                shift, factor = -np.expm1(-at), np.exp(-at)
                low, high = shift + factor * low - _ULP, np.minimum(1.0, shift + factor * high + _ULP)
            lower[place], upper[place] = np.maximum(low, 0.0), high
        return lower, upper, found

    def _renyi(self, direction, order):
        """Renyi divergence of one direction; what its law cuts off as infinite is bounded by zero-concentrated DP."""
        cut = {mechanism for mechanism in self._parts if mechanism.law(direction).infinite}
        rest = math.fsum(count * mechanism.rho(direction) for mechanism, count in self.parts if mechanism in cut)
        if math.isinf(rest):
            return math.inf
        whole = Run(part for part in self.parts if part[0] not in cut) if cut else self
        found, _, upper = whole.core(direction)[0].log_mgf(order - 1.0)
        if not found:
            raise PrecisionError(f"no Renyi divergence of order {order!r} could be certified for {self!r}")
        return (upper / (order - 1.0) + order * rest) * (1.0 + _ULP)


def _exchanged(pair):
    """The compositions for the opposite direction; None where not all layers are mixtures."""
    pessimistic, optimistic = (composition.exchanged() for composition in pair)
    return pessimistic and (pessimistic, pessimistic if pair[0] is pair[1] else optimistic)


def _narrow(rtols):
    """Relative width beyond which a lattice is tried, and that is asked of it."""
    return max(rtols[1], _LATTICE_RTOL)


def _rtols(rtol):
    """Wanted relative widths of the plain inversion and of the smoothed one."""
    return (_RTOL, _SMOOTH_RTOL) if rtol is None else (single(RTOL, rtol),) * 2
