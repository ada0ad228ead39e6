"""Certificates: what was composed, what was found and how, as JSON; and `verify`, which derives it all once more.

`verify` uses ball arithmetic (`edgeworth_acct.reference`) and nothing of the C core.  It believes only the
parameters of the mechanisms, the adjacency and delta; the bounds must then come out, the tilt, step and smoothing
serve as hints, and a checksum tells an altered certificate from one that was wrong from the start.
"""

import hashlib
import json
import math
from typing import NamedTuple

from edgeworth_acct._core import ROUTE
from edgeworth_acct.arguments import DELTA, single
from edgeworth_acct.laws import DIRECTIONS

FORMAT = "edgeworth_acct certificate, version 1"


class Verdict(NamedTuple):
    """Whether a certificate holds, and why not, or what was shown."""

    valid: bool
    reason: str


def certificate(run, delta, adjacency, rtol, rtols, version, notes=None):
    """See `Composable.certificate`."""
    delta = single(DELTA, delta)
    lower, upper = bounds = run.epsilon_bounds(delta, adjacency=adjacency, rtol=rtol)
    ways = {}
    for direction in run.directions(adjacency):
        found = bounds if direction == adjacency else run.epsilon_bounds(delta, adjacency=direction, rtol=rtol)
        ways[direction] = _way(run, direction, delta, found, rtols)
    body = {
        "format": FORMAT,
        "version": version,
        "mechanisms": json.loads(run.to_json())["parts"],
        "sampling": sorted({mechanism.sampling for mechanism, _ in run.parts}),
        "adjacency": adjacency,
        "delta": delta,
        "epsilon": {"lower": _finite(lower), "upper": _finite(upper)},
        "directions": ways,
    }
    if notes is not None:
        body["notes"] = notes
    return {**body, "checksum": _checksum(body)}


def _way(run, direction, delta, bounds, rtols):
    """How these bounds of one direction were found: what the core says of its line, or that there are better means."""
    low, high = bounds
    _, lower, upper, plan = run.asked(direction, delta, rtols)
    plan = dict(plan)
    route = ROUTE[plan.pop("route")]
    if not upper - lower <= 10.0 * (high - low) + 1e-8 * high:
        route, plan = "split lines", dict.fromkeys(plan, 0)
    errors = {name: _finite(plan.pop(name)) for name in ("aliasing", "truncation", "rounding")}
    plan = {name: _finite(value) for name, value in plan.items()}
    return {"epsilon": [_finite(low), _finite(high)], "route": route, **plan, "errors": errors}


def _finite(value):
    return value if math.isfinite(value) else "infinity"


def _checksum(body):
    text = json.dumps(body, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()


def verify(certificate: dict) -> bool:
    """Derive the bounds of a certificate once more, in ball arithmetic.

    Guarantee: True means that both ends of the interval of epsilon were proven anew, without the C core.

    Parameters
    ----------
    certificate : dict
        What `Run.certificate` returned, or that after a JSON round trip.

    Returns
    -------
    bool
        False for one that is damaged, altered or wrong, and for a run that ball arithmetic cannot do in reasonable
        time: `verdict` says which.

    Raises
    ------
    ImportError
        python-flint is missing (extra ``[verify]``).

    Examples
    --------
    >>> from edgeworth_acct import SubsampledGaussian
    >>> certificate = (500 * SubsampledGaussian(sigma=1.0, q=0.01)).certificate(1e-5)
    >>> verify(certificate)
    True
    >>> certificate["epsilon"]["upper"] *= 0.99
    >>> verify(certificate)
    False
    """
    return verdict(certificate).valid


def verdict(certificate: dict) -> Verdict:
    """`verify` with its reason.

    Guarantee: ``valid`` means that both ends of the interval of epsilon were proven anew, without the C core.

    Parameters
    ----------
    certificate : dict
        As in `verify`.

    Returns
    -------
    Verdict
        ``valid`` and ``reason``.

    Raises
    ------
    ImportError
        python-flint is missing (extra ``[verify]``).

    Examples
    --------
    >>> verdict({}).reason
    'not a certificate: format is missing'
    """
    from edgeworth_acct.reference_balls import NotVerified

    try:
        return Verdict(True, _verified(certificate))
    except NotVerified as error:
        return Verdict(False, str(error))


def _verified(certificate):
    from edgeworth_acct.reference_balls import NotVerified

    def refuse(message):
        raise NotVerified(message)

    if not isinstance(certificate, dict):
        refuse(f"not a certificate: a JSON object is needed, got {type(certificate).__name__}")
    for name in (
        "format",
        "version",
        "mechanisms",
        "sampling",
        "adjacency",
        "delta",
        "epsilon",
        "directions",
        "checksum",
    ):
        if name not in certificate:
            refuse(f"not a certificate: {name} is missing")
    if certificate["format"] != FORMAT:
        refuse(f"unknown format {certificate['format']!r}")
    try:
        return _derive(certificate, refuse)
    except (KeyError, TypeError, ValueError, AttributeError, OverflowError, ZeroDivisionError) as error:
        if isinstance(error, NotVerified):
            raise
        raise NotVerified(f"damaged certificate: {type(error).__name__}: {error}") from None


def _derive(certificate, refuse):
    from edgeworth_acct.composition import Run  # the algebra and the validation of parameters, nothing numerical
    from edgeworth_acct.reference import proof
    from edgeworth_acct.reference_balls import working

    adjacency, delta = certificate["adjacency"], single(DELTA, certificate["delta"])
    if adjacency not in DIRECTIONS:
        refuse(f"unknown adjacency {adjacency!r}")
    run = Run.from_json(json.dumps({"parts": certificate["mechanisms"]}))
    for mechanism, _ in run.parts:
        mechanism.check_adjacency(adjacency)
    if certificate["sampling"] != sorted({mechanism.sampling for mechanism, _ in run.parts}):
        refuse("the sampling schemes are not those of the mechanisms")
    lower, upper = certificate["epsilon"]["lower"], certificate["epsilon"]["upper"]
    if not (isinstance(lower, float) and isinstance(upper, float) and 0.0 <= lower <= upper < math.inf):
        refuse(f"epsilon must be an interval of finite numbers, got [{lower!r}, {upper!r}]")
    with working():
        shown = lower == 0.0
        for direction in DIRECTIONS[adjacency]:
            way = proof(run.parts, direction, certificate["directions"][direction], lower, upper)
            if not way.at_most(upper, delta):
                refuse(f"upper bound refuted: delta({upper!r}) is not shown to be at most {delta!r}, {direction!r}")
            shown = shown or way.at_least(lower, delta)
        if not shown:
            refuse(f"lower bound not confirmed: delta({lower!r}) is not shown to reach {delta!r}")
    body = {name: value for name, value in certificate.items() if name != "checksum"}
    if _checksum(body) != certificate["checksum"]:
        refuse("the checksum does not fit: a field was changed after the certificate was made")
    return f"derived anew in ball arithmetic: epsilon in [{lower!r}, {upper!r}] at delta {delta!r}, {adjacency!r}"


def add_command(commands):
    """The command `verify` of the command line."""
    parser = commands.add_parser(
        "verify",
        help="derive a certificate's bounds anew in ball arithmetic",
        description="Derive the bounds of a certificate anew in ball arithmetic, without the C core. "
        "Exit status 0: they hold; 1: they do not, or could not be derived.",
        allow_abbrev=False,
    )
    parser.add_argument("file", metavar="FILE", help="a certificate in JSON; - reads standard input")
    parser.set_defaults(command="verify", run=_command)
    return parser


def _command(options):
    """The line to print, and the exit status."""
    try:
        with open(options.file if options.file != "-" else 0, encoding="utf-8") as file:
            certificate = json.load(file)
    except OSError as error:
        raise ValueError(f"cannot read {options.file}: {error.strerror}") from None
    except (json.JSONDecodeError, UnicodeDecodeError) as error:
        return f"refused: not JSON, perhaps cut off ({error})\n", 1
    except RecursionError:
        return "refused: not a certificate: nested too deeply\n", 1
    result = verdict(certificate)
    return (f"verified: {result.reason}\n", 0) if result.valid else (f"refused: {result.reason}\n", 1)
