"""Speed (`time_`) and accuracy (`track_`) of cumulants, expansions and the other accountants."""

import edgeworth_acct as ea

from .settings import BY_NAME, TARGET

_SST2 = BY_NAME["SST-2 1e-5"]
_ORDERS = [0, 1, 2, 4, 8, 12]
_NORMAL = (2.0, 0.05, 1000, 5.0)  # sigma, q, steps, epsilon: many small losses
_SETTINGS = {"SST-2": (*_SST2.arguments[:3], TARGET), "sigma 2": _NORMAL}


class Cumulants:
    """One call by the highest order; beyond what a double holds, in wide numbers."""

    params = ([4, 8, 20], [0.7865, 20.0, 1000.0])
    param_names = ("order", "sigma")

    def time_cumulants(self, order, sigma):
        ea.cumulants(sigma, _SST2.q, order=order)


class Expansion:
    """Time of one delta and its distance from the truth, by order; the estimates and their certified intervals."""

    params = (_ORDERS, list(_SETTINGS))
    param_names = ("order", "setting")

    def setup(self, order, setting):
        self.run = _SETTINGS[setting]
        self.truth = ea.delta_bounds(*self.run, rtol=1e-13).upper

    def time_tilted_delta(self, order, setting):
        ea.delta(*self.run, method="tilted_edgeworth", order=order)

    def time_tilted_bounds(self, order, setting):
        ea.delta_bounds(*self.run, method="tilted_edgeworth", order=order)

    def time_edgeworth_delta(self, order, setting):
        ea.delta(*self.run, method="edgeworth", order=order)

    def time_eeai_bounds(self, order, setting):
        ea.delta_bounds(*self.run, method="eeai", order=order)

    def track_tilted_error(self, order, setting):
        return abs(ea.delta(*self.run, method="tilted_edgeworth", order=order) / self.truth - 1)

    def track_tilted_half_width(self, order, setting):
        return ea.delta_bounds(*self.run, method="tilted_edgeworth", order=order).width / 2 / self.truth

    track_tilted_error.unit = track_tilted_half_width.unit = "relative"


class Accountants:
    """Epsilon by every accountant at SST-2: its time, and how far it is off."""

    params = (["edgeworth", "tilted_edgeworth", "rdp", "gdp"],)
    param_names = ("method",)

    def time_epsilon(self, method):
        ea.epsilon(*_SST2.arguments, method=method)

    def track_excess(self, method):
        return ea.epsilon(*_SST2.arguments, method=method) / ea.epsilon(*_SST2.arguments) - 1

    track_excess.unit = "relative"
