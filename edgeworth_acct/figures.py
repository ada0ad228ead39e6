"""What all pictures share: when they can be drawn, how they look, how they are written (needs matplotlib)."""

from collections.abc import Callable
from pathlib import Path

ENDINGS = (".png", ".svg", ".pdf")


def write(path: str, option: str, size: tuple[float, float], draw: Callable):
    """Let `draw` fill a figure of `size` in inches, and write it to `path` in the format of its ending.

    Raises
    ------
    ValueError
        The ending is no known one, matplotlib is missing, or the file cannot be written; names the `option`.
    """
    if Path(path).suffix.lower() not in ENDINGS:
        raise ValueError(f"argument {option}: must end in {', '.join(ENDINGS)}, got {path!r}")
    try:
        import matplotlib
    except ImportError:
        raise ValueError(f"argument {option}: needs matplotlib, pip install 'edgeworth-acct[plot]'") from None
    from matplotlib.figure import Figure

    style = {"font.size": 9, "svg.hashsalt": "edgeworth", "axes.spines.top": False, "axes.spines.right": False}
    with matplotlib.rc_context(style):
        figure = Figure(figsize=size, layout="constrained")
        draw(figure)
        try:
            figure.savefig(path, dpi=150, metadata={"Date": None} if path.lower().endswith(".svg") else None)
        except OSError as error:
            raise ValueError(f"argument {option}: {error}") from None
