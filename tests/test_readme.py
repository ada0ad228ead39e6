"""The README tells the truth: every output it shows is what its command prints, every Python example runs."""

import doctest
import itertools
import re
import shlex
from pathlib import Path

import pytest

from edgeworth_acct.cli import main

README = Path(__file__).resolve().parents[1] / "README.md"
BLOCKS = re.findall(r"^```(\w+)\n(.*?)^```$", README.read_text(encoding="utf-8"), flags=re.DOTALL | re.MULTILINE)
SHOWN = [
    (command.rpartition("edgeworth-acct ")[2], output)
    for (kind, command), (following, output) in itertools.pairwise(BLOCKS)
    if (kind, following) == ("sh", "text")
]


@pytest.mark.parametrize(("command", "output"), SHOWN, ids=[command.strip() for command, _ in SHOWN])
def test_shown_output_is_what_the_command_prints(command, output, capsys):
    assert main(shlex.split(command)) == 0
    assert capsys.readouterr().out == output


def test_python_examples_run():
    failed, attempted = doctest.testfile(str(README), module_relative=False, encoding="utf-8")
    assert attempted >= 4
    assert failed == 0


def test_the_two_commands_come_first():
    setup = [text for kind, text in BLOCKS if kind == "sh"][:2]
    assert all(text.startswith("python3 -m venv .venv && .venv/bin/pip install ") for text in setup)
    assert "edgeworth-acct epsilon" in setup[0]
    assert setup[1].endswith(".venv/bin/pytest\n")
