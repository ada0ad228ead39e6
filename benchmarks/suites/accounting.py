"""Speed (`time_`) and tightness (`track_`) of the public functions."""

import edgeworth_acct as ea

from .settings import BY_NAME, FINE_TUNING, STEPS, TARGET, fixed_rate, random_settings, scaled_rate

_NAMES = [setting.name for setting in FINE_TUNING]
_RATES = {"fixed": fixed_rate, "scaled": scaled_rate}


class Calls:
    """One call from Python at each fine-tuning setting."""

    params = (_NAMES,)
    param_names = ("setting",)

    def setup(self, name):
        self.sigma, self.q, self.steps, self.delta = BY_NAME[name].arguments

    def time_epsilon_bounds(self, name):
        ea.epsilon_bounds(self.sigma, self.q, self.steps, self.delta)

    def time_delta_bounds(self, name):
        ea.delta_bounds(self.sigma, self.q, self.steps, TARGET)

    def time_noise_multiplier(self, name):
        ea.noise_multiplier(TARGET, self.q, self.steps, self.delta)

    def time_max_steps(self, name):
        ea.max_steps(TARGET, self.sigma, self.q, self.delta)

    def time_max_sampling_rate(self, name):
        ea.max_sampling_rate(TARGET, self.sigma, self.steps, self.delta)


class Steps:
    """The cost of more steps: none is expected."""

    params = (list(STEPS), list(_RATES))
    param_names = ("steps", "rate")

    def setup(self, steps, rate):
        self.arguments = _RATES[rate](steps).arguments

    def time_epsilon_bounds(self, steps, rate):
        ea.epsilon_bounds(*self.arguments)


class Broadcast:
    """1e5 random settings in one call."""

    params = ([1, 2],)
    param_names = ("threads",)
    timeout = 600
    number = 1
    warmup_time = 0
    repeat = (1, 3, 60)

    def setup(self, threads):
        self.arguments = random_settings(100_000)

    def time_epsilon_bounds(self, threads):
        ea.epsilon_bounds(*self.arguments, threads=threads)


def timeraw_import():
    return "import edgeworth_acct"


def timeraw_import_numpy_alone():
    return "import numpy"


class Width:
    """Width of the certified intervals, relative to the upper end."""

    params = (_NAMES, ["add_or_remove", "add", "remove", "replace_one"])
    param_names = ("setting", "adjacency")

    def setup(self, name, adjacency):
        sigma, q, steps, delta = BY_NAME[name].arguments
        epsilon = ea.epsilon_bounds(sigma, q, steps, delta, adjacency=adjacency)
        tightest = ea.epsilon_bounds(sigma, q, steps, delta, adjacency=adjacency, rtol=1e-12)
        at_target = ea.delta_bounds(sigma, q, steps, TARGET, adjacency=adjacency)
        self.epsilon, self.tightest, self.delta = (
            bounds.width / bounds.upper for bounds in (epsilon, tightest, at_target)
        )

    def track_epsilon(self, name, adjacency):
        return self.epsilon

    def track_epsilon_roundings(self, name, adjacency):
        return self.epsilon * 2**53

    def track_delta(self, name, adjacency):
        return self.delta

    def track_delta_roundings(self, name, adjacency):
        return self.delta * 2**53

    track_epsilon.unit = track_delta.unit = "relative"
    track_epsilon_roundings.unit = track_delta_roundings.unit = "2^-53"


class Calibration:
    """How far below the target the calibrated noise ends, relative to the target; never negative."""

    params = (_NAMES,)
    param_names = ("setting",)

    def track_noise_multiplier_slack(self, name):
        _, q, steps, delta = BY_NAME[name].arguments
        sigma = ea.noise_multiplier(TARGET, q, steps, delta)
        return (TARGET - ea.epsilon(sigma, q, steps, delta)) / TARGET

    track_noise_multiplier_slack.unit = "relative"
