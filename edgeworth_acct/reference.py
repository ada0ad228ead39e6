"""Certified bounds once more, in ball arithmetic, from nothing but a certificate: no C core, no code shared with it.

Every number is a ball of python-flint (extra ``[verify]``) that contains the exact value.  The laws are written down
anew from the parameters (`reference_laws`).  Closed forms serve where there are any (`reference_closed`), sums over all
outcomes where losses lie on a lattice (`reference_lattice`) or are few (`reference_listed`), and elsewhere the line
integral (`reference_line`).
"""

import math

from edgeworth_acct.reference_balls import arb
from edgeworth_acct.reference_closed import Gaussian, Once
from edgeworth_acct.reference_lattice import Lattice, spacing_of
from edgeworth_acct.reference_laws import Normal, law_of
from edgeworth_acct.reference_line import Line
from edgeworth_acct.reference_listed import Listed
from edgeworth_acct.reference_simple import Atoms


def proof(parts, direction, hint, lower, upper):
    """One direction of a run by the first route that does it; `hint`: tilt and smoothing to begin with."""
    laws, mu2 = [], arb(0)
    for mechanism, count in parts:
        law = law_of(mechanism.to_dict(), direction)
        if isinstance(law, Normal):
            mu2 += count * law.mu**2
        else:
            laws.append((law, count))
    if not laws:
        return Gaussian(mu2)
    finite = all(isinstance(law, tuple) for law, _ in laws) and mu2 == 0
    spacing = finite and spacing_of([losses for (losses, _, _), _ in laws])
    if spacing:
        return Lattice(laws, spacing)
    if finite and Listed.does(laws):
        return Listed(laws)
    sure = math.prod(((1 - law[2]) ** count for law, count in laws if isinstance(law, tuple)), start=arb(1))
    laws = [(Atoms(*law[:2]) if isinstance(law, tuple) else law, count) for law, count in laws]
    if len(laws) == 1 and laws[0][1] == 1 and mu2 == 0 and not isinstance(laws[0][0], Atoms):
        return Once(laws[0][0])
    hints = (hint["tilt"], hint["smoothing"])
    tilt, smoothing = (x if isinstance(x, float) and 0.0 < x < math.inf else 0.0 for x in hints)
    return Line(laws, mu2, 1 - sure, tilt, smoothing, lower, upper)
