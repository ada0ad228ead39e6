"""Epsilon, delta and noise by other accountants: estimates, which certify nothing, and a loose bound.

====================  ===========================================================================  ===================
method                what it computes                                                             its nature
====================  ===========================================================================  ===================
"edgeworth"           1 - F_P(eps) - e^eps (1 - F_Q(eps)), both laws of the sum of losses          estimate, either
                      expanded to `order` (default 1) around the normal law [1]_; what EW-Tune     side; at EW-Tune's
                      set its noise with [2]_                                                      settings too low
"tilted_edgeworth"    the law tilted so that its mean is epsilon, expanded to `order` (default 4)  estimate, either
                      around the normal law                                                        side, very close
"rdp"                 the best Renyi divergence, converted to (epsilon, delta) [3]_                upper bound, loose
"gdp"                 the Gaussian mechanism that many steps tend to [4]_                          estimate, too low
                                                                                                   for small delta
====================  ===========================================================================  ===================

Two of them have certified intervals (`epsilon_bounds`, `delta_bounds`), an expansion and a bound of its error:

====================  ================================================================================================
"eeai"                "edgeworth" with Prawitz's smoothing inequality [5]_: both characteristic functions are known
                      exactly, so its integrals are computed, not bounded by moments.  Uniform in epsilon: delta is
                      known up to B_P + e^eps B_Q, 0.01 or so at the settings of training runs.  Where that says nothing
                      the interval is [.., inf] for epsilon and [max(0, 1 - e^eps), 1] for delta.
"tilted_edgeworth"    the tilted expansion with its Fourier remainder, relative to delta: 1.4e-3 at order 4 for SST-2
                      of EW-Tune, down to 1e-11 where the loss is nearly normal.
====================  ================================================================================================

The first-order bound of Derumigny, Girard and Guyonvarch (2021, arXiv:2101.05780), which needs moments only, is not
offered: its constants were not derived or checked independently here.

The two expansions take the direction "remove" for "add_or_remove" ("add" where epsilon is negative): the larger one in
DP-SGD and the one that the papers expand.  "rdp" takes the larger of both.

An expansion need not be monotone in epsilon.  "edgeworth" takes the largest epsilon >= 0 at which the expanded delta
crosses the target, as seen on a grid of a tenth of a standard deviation; "tilted_edgeworth" the crossing that Newton's
method meets from where a normal loss has its own.  Without one, epsilon is 0 if the expanded delta is in [0, target] at
epsilon = 0; else, and where `delta` would not be in [0, 1], PrecisionError.

References
----------
.. [1] H. Wang, S. Gao, H. Zhang, M. Shen, W. J. Su. "Analytical Composition of Differential Privacy via the Edgeworth
   Accountant." 2022. arXiv:2206.04236.
.. [2] R. Behnia, M. Ebrahimi, J. Pacheco, B. Padmanabhan. "EW-Tune: A Framework for Privately Fine-Tuning Large
   Language Models with Differential Privacy." 2022. arXiv:2210.15042.
.. [3] C. Canonne, G. Kamath, T. Steinke. "The Discrete Gaussian for Differential Privacy." NeurIPS 2020.
   arXiv:2004.00010, proposition 12.  B. Balle, G. Barthe, M. Gaboardi, J. Hsu, T. Sato. "Hypothesis Testing
   Interpretations and Renyi Differential Privacy." AISTATS 2020. arXiv:1905.09982, theorem 21.
.. [4] J. Dong, A. Roth, W. J. Su. "Gaussian Differential Privacy." JRSS B 84, 2022. arXiv:1905.02383, section 5.
.. [5] H. Prawitz. "Limits for a Distribution, if the Characteristic Function Is Given in a Finite Domain." Skandinavisk
   Aktuarietidskrift, 1972.
"""

import numpy as np

from edgeworth_acct import _core
from edgeworth_acct._evaluate import Kernel, evaluate
from edgeworth_acct.arguments import DELTA, EPSILON, Q, SIGMA, STEPS, TARGET_EPSILON, choose, order_value

_DEFAULT_ORDER = {"edgeworth": 1, "eeai": 1, "tilted_edgeworth": 4}
_CODE = _core.METHOD | {"eeai": _core.METHOD["edgeworth"]}
_NOTHING = "the sums of this method overflow or need too many nodes"

EPSILON_OF = Kernel(
    _core.estimate_epsilon,
    _core.estimate_epsilon_array,
    (SIGMA, Q, STEPS, DELTA),
    (np.float64,),
    imprecise=_NOTHING,
)
DELTA_OF = Kernel(
    _core.estimate_delta,
    _core.estimate_delta_array,
    (SIGMA, Q, STEPS, EPSILON),
    (np.float64,),
    imprecise=_NOTHING,
)
NOISE_OF = Kernel(
    _core.estimate_noise_multiplier,
    _core.estimate_noise_multiplier_array,
    (TARGET_EPSILON, Q, STEPS, DELTA),
    (np.float64,),
    "no noise multiplier up to 1e4 meets the target by this method",
    imprecise=_NOTHING,
)
BOUNDS_OF_EPSILON = Kernel(
    _core.expansion_epsilon,
    _core.expansion_epsilon_array,
    (SIGMA, Q, STEPS, DELTA),
    (np.float64, np.float64),
    imprecise=_NOTHING,
)
BOUNDS_OF_DELTA = Kernel(
    _core.expansion_delta,
    _core.expansion_delta_array,
    (SIGMA, Q, STEPS, EPSILON),
    (np.float64, np.float64),
    imprecise=_NOTHING,
)


def chosen(method, order, methods):
    """Whether `method`, one of `methods`, is an estimate; refuses an `order` that it has no use for."""
    choose("method", method, methods)
    if order is not None and method not in _DEFAULT_ORDER:
        raise ValueError(f"order must be None with method={method!r}, got {order!r}")
    return method != "certified"


def estimate(kernel, values, adjacency, method, order, threads):
    """What `method` makes of `kernel`: its results, each a number or an array of the broadcast shape."""
    order = order_value(_DEFAULT_ORDER.get(method, 0) if order is None else order, 0, _core.ORDER_MAX)
    return evaluate(kernel, values, adjacency, threads, _CODE[method], order)[1:]
