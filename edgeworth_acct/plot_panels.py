"""The panels of `edgeworth-acct plot` (needs matplotlib)."""

from decimal import ROUND_CEILING

import numpy as np

from edgeworth_acct import figures
from edgeworth_acct.accounting import delta as delta_of
from edgeworth_acct.options import NEIGHBOURS, rounded
from edgeworth_acct.series import METHODS, epsilon_series, tradeoff_series

_COLORS = {"rdp": "#b2182b", "gdp": "#878787", "edgeworth": "#2166ac", "tilted_edgeworth": "#1b7837"}
_DASHES = {"rdp": "-", "gdp": "-.", "edgeworth": "--", "tilted_edgeworth": ":"}
_POINTS = 60


def draw(path, sigma, q, steps, delta, adjacency, methods, panels):
    """Write the `panels` of a run to `path`, with the curves of other `methods` beside the certified bands."""

    def fill(figure):
        for place, name in enumerate(panels):
            axes = figure.add_subplot(1, len(panels), place + 1)
            _PANELS[name](axes, sigma, q, steps, delta, adjacency, methods)
            axes.legend(frameon=False, fontsize=8)
            axes.grid(color="#eeeeee", linewidth=0.6)
            axes.set_axisbelow(True)
        setting = f"DP-SGD: σ = {sigma:g}, q = {q:.4g}, {steps} steps"
        figure.suptitle(f"{setting}; neighbours: {NEIGHBOURS[adjacency]}", fontsize=10)

    figures.write(path, "--output", (4.6 * len(panels), 4.2), fill)


def _against_steps(axes, sigma, q, steps, delta, adjacency, methods):
    counts = np.unique(np.rint(np.linspace(max(1, steps // 50), max(2 * steps, 10), _POINTS)).astype(int))
    _band(axes, counts, lambda method: epsilon_series(sigma, q, counts, delta, adjacency, method), methods)
    _mark(axes, steps, epsilon_series(sigma, q, steps, delta, adjacency)[1])
    axes.set(xlabel="steps", ylabel=f"ε at δ = {delta:g}", xlim=(0, counts[-1]))
    axes.set_ylim(bottom=0.0)
    axes.set_title("ε against steps", fontsize=9, loc="left")


def _against_sigma(axes, sigma, q, steps, delta, adjacency, methods):
    from matplotlib.ticker import LogLocator

    sigmas = np.geomspace(max(0.1, 0.5 * sigma), 2.0 * sigma, _POINTS)
    _band(axes, sigmas, lambda method: epsilon_series(sigmas, q, steps, delta, adjacency, method), methods)
    _mark(axes, sigma, epsilon_series(sigma, q, steps, delta, adjacency)[1])
    axes.set(xlabel="noise multiplier σ (in clip norms)", ylabel=f"ε at δ = {delta:g}", yscale="log")
    axes.set_xlim(sigmas[0], sigmas[-1])
    axes.yaxis.set_major_locator(LogLocator(subs=(1.0, 2.0, 5.0)))
    axes.yaxis.set_major_formatter("{x:g}")
    axes.yaxis.set_minor_formatter("")
    axes.set_title("ε against σ", fontsize=9, loc="left")


def _tradeoff(axes, sigma, q, steps, delta, adjacency, methods):
    alpha = np.concatenate([np.geomspace(1e-4, 0.02, 20), np.linspace(0.025, 1.0, _POINTS)])
    _band(axes, alpha, lambda method: tradeoff_series(sigma, q, steps, alpha, adjacency, method), methods)
    axes.plot([0, 1], [1, 0], color="#bbbbbb", linewidth=0.9, label="guessing")
    lower, _ = tradeoff_series(sigma, q, steps, alpha, adjacency)
    best = int(np.argmax(1.0 - alpha - lower))
    x, advantage, red = alpha[best], delta_of(sigma, q, steps, 0.0, adjacency=adjacency), "#d7301f"
    arrow = {"arrowstyle": "<->", "color": red, "shrinkA": 0, "shrinkB": 0}
    axes.annotate("", (x, 1.0 - x - advantage), (x, 1.0 - x), arrowprops=arrow)
    note = {"xytext": (5, 0), "textcoords": "offset points", "color": red, "fontsize": 8, "va": "center"}
    axes.annotate(f"advantage ≤ {_up(advantage)}", (x, 1.0 - x - 0.5 * advantage), **note)
    axes.set(xlabel="false positive rate of the attack", ylabel="false negative rate of the attack")
    axes.set(xlim=(0, 1), ylim=(0, 1), aspect="equal")
    axes.set_title("no membership attack gets below the band", fontsize=9, loc="left")


_PANELS = {"steps": _against_steps, "sigma": _against_sigma, "tradeoff": _tradeoff}


def _band(axes, x, series, methods):
    lower, upper = series(None)
    axes.fill_between(x, lower, upper, color="black", linewidth=1.6, label="certified band", zorder=3)
    for method in methods:
        style = {"color": _COLORS[method], "linestyle": _DASHES[method], "linewidth": 1.4, "zorder": 4}
        axes.plot(x, series(method), label=METHODS[method], **style)


def _mark(axes, x, y):
    axes.plot([x], [y], "o", markersize=5, color="#d7301f", zorder=5, label=f"this run: ε ≤ {_up(y)}")


def _up(value):
    return rounded(value, 5, ROUND_CEILING)
