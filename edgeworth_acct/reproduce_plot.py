"""The figure of `edgeworth-acct reproduce ew-tune --plot FILE` (needs matplotlib)."""

import numpy as np

from edgeworth_acct import epsilon_bounds, figures, published
from edgeworth_acct.series import delta_error_series, epsilon_series

_LINES = (
    ("rdp", None, "RDP (upper bound)", "#b2182b", "-"),
    ("edgeworth", 1, "Edgeworth, order 1", "#2166ac", "-"),
    ("edgeworth", 2, "Edgeworth, order 2", "#2166ac", "--"),
    ("edgeworth", 3, "Edgeworth, order 3", "#2166ac", ":"),
    ("tilted_edgeworth", 4, "tilted Edgeworth, order 4", "#1b7837", (0, (1, 1.6))),
    ("gdp", None, "GDP (central limit)", "#999999", "-"),
)
_RUN = published.Run("SST-2", 1e-5)
_SIGMA = published.NOISE[_RUN][0]
_SETTINGS = (
    (_SIGMA, _RUN.q, _RUN.steps, published.TARGET, "SST-2: σ 0.7865, q 0.0297, 660 steps, ε 8"),
    (2.0, 0.05, 1000, 5.0, "σ 2, q 0.05, 1000 steps, ε 5"),
)


def draw(path):
    """Write both panels to `path`, in the format of its ending."""
    figures.write(path, "--plot", (10, 4.6), _panels)


def _panels(figure):
    grid = figure.add_gridspec(2, 2, height_ratios=(3, 2))
    upper = figure.add_subplot(grid[0, 0])
    _against_steps(upper, figure.add_subplot(grid[1, 0], sharex=upper))
    _against_order(figure.add_subplot(grid[:, 1]))


def _against_steps(axes, ratios):
    steps = np.unique(np.geomspace(20, 3000, 80).astype(int))
    lower, upper = epsilon_bounds(_SIGMA, _RUN.q, steps, _RUN.delta)
    for method, order, label, color, dashes in _LINES:
        values = epsilon_series(_SIGMA, _RUN.q, steps, _RUN.delta, "add_or_remove", method, order)
        thick = method == "tilted_edgeworth"
        line = {"color": color, "linestyle": dashes, "linewidth": 2.4 if thick else 1.3, "zorder": 4 if thick else 2}
        axes.plot(steps, values, label=label, **line)
        ratios.plot(steps, values / upper, **line)
    axes.fill_between(steps, lower, upper, color="black", linewidth=1.0, label="certified interval", zorder=3)
    ratios.fill_between(steps, lower / upper, 1.0, color="black", linewidth=1.0, zorder=3)
    for ax in (axes, ratios):
        ax.axvline(_RUN.steps, color="#cccccc", linewidth=0.8, zorder=1)
    note = {"xytext": (4, 0), "textcoords": "offset points", "color": "#666666", "fontsize": 8}
    axes.annotate("the published run\n(660 steps)", (_RUN.steps, 0.6), **note)
    axes.set(xscale="log", ylabel="ε at δ = 1e-5", xlim=(steps[0], steps[-1]), ylim=(0, 21))
    axes.tick_params(labelbottom=False)
    ratios.set(xlabel="steps", ylabel="ε / certified ε", ylim=(0.45, 1.4))
    axes.set_title("(a) SST-2 at the noise that EW-Tune published for ε = 8", fontsize=9, loc="left")
    axes.legend(frameon=False, fontsize=7.5, loc="upper left", ncols=2)


def _against_order(axes):
    orders = list(range(13))
    for (sigma, q, steps, at, setting), marker in zip(_SETTINGS, "os", strict=True):
        for method, name, color in (("edgeworth", "untilted", "#2166ac"), ("tilted_edgeworth", "tilted", "#1b7837")):
            drawn = delta_error_series(sigma, q, steps, at, method, orders)
            axes.plot(orders, drawn, color=color, marker=marker, markersize=4, linewidth=1.1)
            place = {"xytext": (0, 7), "textcoords": "offset points", "color": color, "fontsize": 8}
            axes.annotate(name, (orders[6], drawn[6]), **place)
        axes.plot([], [], color="#666666", marker=marker, markersize=4, linestyle="none", label=setting)
    axes.set(
        yscale="log", xlabel="order of the expansion", ylabel="relative error of δ", xticks=orders, ylim=(1e-14, 1e2)
    )
    axes.set_title("(b) the same expansion without and with the tilt", fontsize=9, loc="left")
    axes.legend(frameon=False, fontsize=8, loc="lower left")
