"""What the training loop shows, and how it is interrupted."""

import contextlib
import signal
import threading


class Bar:
    """A progress bar that shows the budget, or none."""

    def __init__(self, plan, run, show):
        self.bar, self.plan = None, plan
        if show:
            from tqdm import tqdm

            self.bar = tqdm(total=plan.steps, initial=run.step, unit="step", desc="DP-SGD")

    def __enter__(self):
        return self

    def __exit__(self, *_):
        if self.bar is not None:
            self.bar.close()

    def update(self, run):
        """Show a step."""
        if self.bar is not None:
            spent = f"{run.engine.epsilon().upper:.4f}/{self.plan.epsilon:.4f}"
            self.bar.set_postfix({"epsilon": spent, "loss (not private)": f"{run.loss:.4f}"}, refresh=False)
            self.bar.update()


class Interrupts:
    """Let the first Ctrl-C wait until a logical step is over; the second one does not wait."""

    def __init__(self):
        self.seen = False
        self._stack = contextlib.ExitStack()

    def __enter__(self):
        if threading.current_thread() is threading.main_thread():
            previous = signal.signal(signal.SIGINT, self._interrupt)
            self._stack.callback(signal.signal, signal.SIGINT, previous)
        return self

    def __exit__(self, *_):
        self._stack.close()

    def _interrupt(self, *_):
        if self.seen:
            raise KeyboardInterrupt
        self.seen = True

    def act(self):
        """Raise what was held back."""
        if self.seen:
            raise KeyboardInterrupt
