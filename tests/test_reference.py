"""Known epsilons, given as decimals.  Kinds of truth: other algorithm with more digits (ball arithmetic), closed form.

The decimal arguments become doubles here, which moves epsilon by a few units of 1e-16: SLACK allows for it.
"""

import json
from pathlib import Path

import pytest

import edgeworth_acct as ea

REFERENCE = Path(__file__).resolve().parents[2] / "shared" / "reference"
SLACK = 4e-15  # relative, of epsilon
WIDTH = 1e-9


def digits_of(text):
    """(value, half a unit of its last digit) of a decimal: the interval that the written digits leave."""
    mantissa, _, exponent = text.partition("e")
    places = len(mantissa.partition(".")[2])
    return float(text), 0.5 * 10.0 ** (int(exponent or 0) - places)


def agree(bounds, text, width=WIDTH, slack=SLACK):
    """Whether the interval meets the written digits and is narrow."""
    value, half = digits_of(text)
    lower, upper = bounds
    meets = lower <= value * (1 + slack) + half and value * (1 - slack) - half <= upper
    return meets and upper - lower <= width * upper


# Four entries of epsilon.json, all for "remove", are wrong by far more than their digits claim (one is "nan"): the law
# has a far tail that counts.  Ball arithmetic on the vertical line (oracles/inversion, rigorous, 35 digits) gives what
# is used instead; for the third, oracles/composition proves an upper bound of 4.0206954 without any contour.  An entry
# that changes in the file is used as the file has it.
ERRATA = {
    "2.297104814257869859791595": "2.2971048141332491335",
    "8.517036506917676391033799": "8.5170359389162558053",
    "4.021204578004668553188745": "4.0204857800766029265",
    "nan": "4.4512070613588539975",
}


def load(name):
    """[(sigma, q, steps, delta, {direction: digits})] of a reference file; one skipped row where it is missing."""
    path = REFERENCE / name
    if not path.is_file():
        return [pytest.param(*[None] * 5, marks=pytest.mark.skip(reason=f"{name} is not beside the checkout"))]
    cases = json.loads(path.read_text())["cases"]
    for row in cases:
        row.update({way: ERRATA.get(row[way], row[way]) for way in ("remove", "add") if way in row})
    return [
        pytest.param(*[row.pop(key) for key in ("sigma", "q", "steps", "delta")], row, id=f"{name.split('.')[0]}-{k}")
        for k, row in enumerate(cases)
    ]


ROWS = [*load("epsilon.json"), *load("few_steps.json")]
every_row = pytest.mark.parametrize(("sigma", "q", "steps", "delta", "truth"), ROWS)


@pytest.mark.parametrize(("name", "rows", "directions"), [("epsilon.json", 70, 140), ("few_steps.json", 8, 8)])
def test_all_rows_are_used(name, rows, directions):
    cases = load(name)
    if cases[0].marks:
        pytest.skip(f"{name} is not beside the checkout")
    assert len(cases) == rows
    assert sum(len(case.values[-1]) for case in cases) == directions


@every_row
def test_epsilon_of_the_reference(sigma, q, steps, delta, truth):
    for adjacency, text in truth.items():
        assert agree(ea.epsilon_bounds(sigma, q, steps, delta, adjacency=adjacency), text), (adjacency, text)
    if len(truth) == 2:
        larger = max(truth.values(), key=float)
        assert agree(ea.epsilon_bounds(sigma, q, steps, delta), larger)


@every_row
def test_delta_of_the_reference(sigma, q, steps, delta, truth):
    """The inverse: delta at the known epsilon is the row's delta, up to how far one unit of epsilon moves it."""
    for adjacency, text in truth.items():
        eps = float(text)
        lower, upper = ea.delta_bounds(sigma, q, steps, eps, adjacency=adjacency)
        nearby = ea.delta_bounds(sigma, q, steps, eps * (1 + 1e-6), adjacency=adjacency)
        slack = 2 * abs(1 - nearby.lower / upper) * SLACK / 1e-6 + SLACK
        assert lower <= delta * (1 + slack), (adjacency, lower)
        assert delta * (1 - slack) <= upper, (adjacency, upper)
        assert upper - lower <= WIDTH * upper, (adjacency, lower, upper)


# What other accountants return there is in the comments: measured beside a 30-digit evaluation.
DEFECTS = [
    (0.3, 0.01, 1000, 1e-5, "remove", "69.81571071"),  # prv_accountant 0.2.0: [69.8229, 69.8503]
    (1.0, 0.01, 1000, 1e-12, "remove", "3.914298156"),  # PLD, grid 1e-3, "pessimistic": 3.9103
    (1.0, 0.01, 1000, 1e-13, "remove", "4.229811359"),  # PLD, grid 1e-3, "pessimistic": 4.2018
    (1.0, 0.01, 1000, 1e-14, "remove", "4.543701988"),  # PLD, default grid: 8.586
    (1.0, 1e-5, 10**5, 1e-8, "remove", "0.0178438141"),  # PLD, default grid: 0.0391
    (100.0, 0.01, 10**4, 1e-6, "remove", "0.03368"),  # PLD, default grid: 0.03660
    (1.0, 1.0, 10, 1e-5, "replace_one", "46.21"),  # RDP accountant: 19.05, forgets the factor 2
    (1.0, 0.01, 1000, 1e-5, "remove", "1.828236667"),  # CLT 1.618; RDP 15 % high; Edgeworth 1.895, its "bound" 0.473
    (1.0, 0.02, 10**4, 1e-6, "remove", "15.641746063"),  # fourier_accountant: 15.641357
]

TRUTHS = [
    (2.0, 0.01, 10**4, 1e-6, "remove", "2.446733944"),
    (2.0, 0.01, 10**4, 1e-6, "add", "2.377821"),
    (1.0, 0.01, 10**4, 1e-6, "remove", "6.907384495"),
    (3.0, 0.1, 512, 1e-6, "remove", "3.769683805"),
    (3.0, 0.1, 512, 1e-6, "add", "3.505378"),
    (1.5, 0.04, 2249, 1e-5, "remove", "6.767044106"),
    (10.0, 0.01, 10**6, 1e-6, "remove", "4.901428126"),
    (0.8, 0.05, 20000, 1e-6, "remove", "140.64233709"),
    (1.0, 0.001, 10**5, 1e-10, "remove", "2.590248304"),
]


@pytest.mark.parametrize(("sigma", "q", "steps", "delta", "adjacency", "truth"), DEFECTS + TRUTHS)
def test_published_epsilons(sigma, q, steps, delta, adjacency, truth):
    """Other algorithm, more digits; good to about 1e-8."""
    value, half = digits_of(truth)
    lower, upper = ea.epsilon_bounds(sigma, q, steps, delta, adjacency=adjacency)
    error = max(2 * half, 2e-8)
    assert lower - error <= value <= upper + error
    assert upper - lower <= WIDTH * upper


@pytest.mark.parametrize("steps", [10, 1000])
def test_a_delta_at_which_others_return_infinity(steps):
    lower, upper = ea.epsilon_bounds(1.0, 0.01, steps, 1e-15)  # PLD, default grid: inf
    assert 1.0 < lower <= upper <= lower * (1 + WIDTH) < 7.0


# One step, closed forms: sigma, q, eps, adjacency, delta.
SINGLE_STEP = [
    (1.0, 1.0, -2.0, "remove", ".86749642"),
    (1.0, 1.0, -1.0, "remove", ".67881797"),
    (1.0, 1.0, 0.0, "remove", ".38292492"),
    (1.0, 1.0, 1.0, "remove", ".12693674"),
    (1.0, 1.0, 2.0, "remove", ".020923636"),
    (1.0, 0.8, 1.0, "add", ".0231362104090899"),
    (1.0, 0.8, 1.0, "remove", ".0816951786585355"),
    (2.0, 0.8, 1.0, "replace_one", ".05808665654484252"),
    (2.0, 0.3, 2.0, "replace_one", "2.4770380148941894e-9"),
    (1.0, 0.3, 2.0, "remove", ".0003341102928869332"),
]


@pytest.mark.parametrize(("sigma", "q", "epsilon", "adjacency", "truth"), SINGLE_STEP)
def test_single_step_deltas(sigma, q, epsilon, adjacency, truth):
    assert agree(ea.delta_bounds(sigma, q, 1, epsilon, adjacency=adjacency), truth, slack=1e-13)


SIZES = {"MNLI": 392702, "QQP": 363849, "QNLI": 104743, "SST-2": 67349}

# Batch 2000, 20 epochs: task, delta, the noise published for epsilon 8 (from an Edgeworth estimate, from an FFT
# accountant, from RDP), the true epsilon of the first, and the smallest noise that truly gives epsilon 8.
FINE_TUNING = [
    ("MNLI", 1e-5, 0.5570, 0.5810, 0.6255, "9.1401", "0.578560"),
    ("MNLI", 1e-6, 0.5730, 0.6070, 0.6500, "9.5998", "0.604481"),
    ("QQP", 1e-5, 0.5635, 0.5870, 0.6325, "9.0950", "0.584752"),
    ("QQP", 1e-6, 0.5800, 0.6135, 0.6575, "9.5398", "0.611128"),
    ("QNLI", 1e-5, 0.7110, 0.7295, 0.7930, "8.4587", "0.725917"),
    ("QNLI", 1e-6, 0.7395, 0.7680, 0.8290, "8.7116", "0.764149"),
    ("SST-2", 1e-5, 0.7865, 0.8170, 0.8775, "8.2891", "0.798198"),
    ("SST-2", 1e-4, 0.7470, 0.7605, 0.8300, "8.0240", "0.747888"),
]


@pytest.mark.parametrize(("task", "delta", "edgeworth", "fft", "rdp", "epsilon", "honest"), FINE_TUNING)
def test_published_noise_multipliers(task, delta, edgeworth, fft, rdp, epsilon, honest):
    """Other algorithm, more digits.  The Edgeworth noise misses epsilon 8, the other two overshoot it."""
    q, steps = 2000 / SIZES[task], 20 * (SIZES[task] // 2000)
    assert agree(ea.epsilon_bounds(edgeworth, q, steps, delta), epsilon)
    assert f"{ea.noise_multiplier(8.0, q, steps, delta):.6f}" == honest
    assert ea.epsilon(fft, q, steps, delta) < 8.0
    assert ea.epsilon(rdp, q, steps, delta) < 8.0
    assert ea.epsilon_bounds(edgeworth, q, steps, delta).lower > 8.0


@pytest.mark.parametrize(
    ("sigma", "delta", "truth"),
    [
        (0.7865, 1e-5, "8.2891179057434013778"),  # Edgeworth estimates of order 1, 2, 3: 7.9929, 8.3702, 8.6294
        (0.8170, 1e-5, "7.57"),  # FFT accountant at eps_error 0.1, upper end: 7.6706
        (0.7605, 1e-4, "7.67"),  # FFT accountant at eps_error 0.1, upper end: 7.7727
    ],
)
def test_sst2(sigma, delta, truth):
    bounds = ea.epsilon_bounds(sigma, 2000 / 67349, 660, delta)
    assert agree(bounds, truth)
