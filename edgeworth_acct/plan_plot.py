"""The heat map of `edgeworth-acct plan --plot FILE` (needs matplotlib)."""

import numpy as np

from edgeworth_acct import figures


def draw(path, rows, fine, budget):
    """Write a map to `path`: the noise-to-signal ratio per run, and contours of sigma, of the grid `fine`.

    The ticks, and the best pair, are those of the table `rows`.
    """
    figures.write(path, "--plot", (7.2, 5.0), lambda figure: _map(figure, rows, fine, budget))


def _map(figure, rows, fine, budget):
    from matplotlib.patheffects import withStroke

    epochs, batches = (np.unique([row[name] for row in fine]) for name in ("epochs", "batch_size"))
    sigma, ratio = (
        np.array([row[name] for row in fine]).reshape(len(epochs), len(batches)) for name in ("sigma", "noise_per_run")
    )
    axes = figure.add_subplot()
    edges = [_edges(values) for values in (batches, epochs)]
    mesh = axes.pcolormesh(*edges, ratio, cmap="viridis_r", norm="log", rasterized=True)
    bar = figure.colorbar(mesh, ax=axes)
    bar.set_label("noise / signal of the whole run, per coordinate:  σ / (batch √steps)")
    if min(len(epochs), len(batches)) > 1:
        lines = axes.contour(batches, epochs, sigma, levels=8, colors="white", linewidths=0.9)
        middles = [tuple(path[len(path) // 2]) for paths in lines.allsegs for path in paths if len(path) > 4]
        labels = axes.clabel(lines, fmt="σ = %.3g", fontsize=8, inline=False, manual=middles)
        for label in labels or ():
            label.set(path_effects=[withStroke(linewidth=2, foreground="#444444")], clip_on=False, rotation=0)
    best = next(row for row in rows if row["best"])
    label = f"best of the table: batch {best['batch_size']}, epochs {best['epochs']}, σ {best['sigma']:.4f}"
    star = {"markersize": 15, "color": "#d7301f", "markeredgecolor": "white", "clip_on": False, "zorder": 5}
    axes.plot(best["batch_size"], best["epochs"], "*", label=label, **star)
    axes.set(xscale="log", yscale="log", xlabel="expected batch size (records)", ylabel="epochs")
    for axis, name in ((axes.xaxis, "batch_size"), (axes.yaxis, "epochs")):
        values = sorted({row[name] for row in rows})
        axis.set_ticks(values if len(values) <= 12 else values[:: len(values) // 12 + 1], minor=False)
        axis.set_ticks([], minor=True)
        axis.set_major_formatter("{x:g}")
    title = f"Smallest noise for ε = {budget['epsilon']:g}, δ = {budget['delta']:g}, {budget['dataset_size']} records"
    axes.set_title(title, fontsize=9, loc="left")
    figure.legend(loc="outside lower center", frameon=False, fontsize=8)


def _edges(values):
    """Borders of the cells around `values`, on a logarithmic scale."""
    if len(values) == 1:
        return np.array([values[0] / 1.5, values[0] * 1.5])
    middles = np.sqrt(values[1:] * values[:-1])
    return np.concatenate([[values[0]], middles, [values[-1]]])
