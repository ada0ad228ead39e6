"""Instructions that one call of the C core executes, counted by callgrind.

Unlike times, counts do not depend on what else the machine does.  Each is the difference between two runs of the same
program, with few and with more calls, over the difference in calls: starting up cancels.
"""

import argparse
import json
import os
import re
import shutil
import subprocess
import tempfile
from pathlib import Path

from suites.settings import FINE_TUNING, TARGET

_HERE = Path(__file__).resolve().parent
# As in setup.py.
_FLAGS = ("-std=c11", "-O3", "-ffp-contract=off", "-fno-math-errno", "-fno-trapping-math", "-fopenmp-simd")
_FEW, _MORE = 2, 6

_EPILOG = """\
examples:
  python benchmarks/instructions.py
  CC=clang python benchmarks/instructions.py --json

It needs valgrind and a C compiler ($CC, else cc), but neither Python extension nor installation.
"""


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, epilog=_EPILOG, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--quick", action="store_true", help="ew_epsilon only, not ew_noise_multiplier")
    parser.add_argument("--json", action="store_true", help="print one JSON object instead of text")
    options = parser.parse_args()
    if shutil.which("valgrind") is None:
        parser.exit(1, "instructions.py: valgrind is not installed\n")
    with tempfile.TemporaryDirectory() as folder:
        program = build(Path(folder) / "instructions")
        rows = {}
        for setting in FINE_TUNING:
            sigma, q, steps, delta = setting.arguments
            rows[setting.name] = {"ew_epsilon": per_call(program, "epsilon", sigma, q, steps, delta)}
            if not options.quick:
                rows[setting.name]["ew_noise_multiplier"] = per_call(program, "sigma", TARGET, q, steps, delta)
    print(json.dumps(rows, indent=2) if options.json else text(rows))


def build(program):
    """Compile the driver with the core into `program`."""
    sources = [_HERE / "instructions.c", *sorted((_HERE.parent / "csrc").glob("*.c"))]
    compiler = os.environ.get("CC", "cc").split()
    subprocess.run([*compiler, *_FLAGS, f"-I{_HERE.parent / 'csrc'}", *sources, "-lm", "-o", program], check=True)
    return program


def per_call(program, function, first, q, steps, delta):
    """Instructions of one call, rounded."""
    arguments = first.hex(), q.hex(), str(steps), delta.hex()
    few, more = (_count(program, function, str(calls), *arguments) for calls in (_FEW, _MORE))
    return round((more - few) / (_MORE - _FEW))


def _count(program, *arguments):
    run = subprocess.run(
        ["valgrind", "--tool=callgrind", "--callgrind-out-file=/dev/null", program, *arguments],
        capture_output=True,
        text=True,
    )
    if run.returncode:
        raise RuntimeError(f"{' '.join(arguments)}: status {run.returncode}\n{run.stderr}")
    return int(re.search(r"Collected\s*:\s*(\d+)", run.stderr)[1])


def text(rows):
    """`rows` for people."""
    names = list(next(iter(rows.values())))
    lines = ["instructions per call", f"{'':12}" + "".join(f"{name:>22}" for name in names)]
    for setting, counts in rows.items():
        lines.append(f"{setting:12}" + "".join(f"{count:22,}" for count in counts.values()))
    return "\n".join(lines)


if __name__ == "__main__":
    main()
