"""The tests see the installed package, never the source folder (which `python -m pytest` puts on the path)."""

import itertools
import os
import sys
from collections import Counter
from pathlib import Path

import pytest
from hypothesis import HealthCheck, Phase, settings

ROOT = Path(__file__).resolve().parents[1]
sys.path[:] = [entry for entry in sys.path if Path(entry or ".").resolve() != ROOT]

# Several processes run the tests, as many as there are cores: one thread for each of them and of their children.
if "PYTEST_XDIST_WORKER" in os.environ:
    os.environ.setdefault("OMP_NUM_THREADS", "1")

# The same examples on every machine and in every run, and no shrinking, which would multiply the time of a failure.
# HYPOTHESIS_PROFILE=explore draws new examples, and more, and shrinks what it finds.
calm = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much], database=None)
settings.register_profile("fixed", calm, max_examples=25, derandomize=True, phases=[Phase.explicit, Phase.generate])
settings.register_profile("explore", calm, max_examples=1000)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "fixed"))

CHECKS = "containment checks"


def pytest_addoption(parser):
    parser.addoption("--deep", action="store_true", help="also run at least 1e5 containment checks in ball arithmetic")


def pytest_configure(config):
    config.addinivalue_line("markers", "deep: minutes long, runs with --deep only")


def pytest_collection_modifyitems(config, items):
    if not config.getoption("--deep"):
        for item in items:
            if item.get_closest_marker("deep"):
                item.add_marker(pytest.mark.skip(reason="runs with --deep"))


@pytest.fixture
def checked(request):
    """Call `checked(n)` for n containment checks made; the end of the run shows the sum per test function."""

    def count(number=1):
        request.node.user_properties.append((CHECKS, number))

    return count


def pytest_terminal_summary(terminalreporter):
    counts = Counter()
    for report in itertools.chain.from_iterable(terminalreporter.stats.values()):
        if getattr(report, "when", None) == "call":
            for key, number in report.user_properties:
                if key == CHECKS:
                    counts[report.location[2].partition("[")[0]] += number
    for name, number in counts.items():
        terminalreporter.write_line(f"{name}: {number} {CHECKS}")
