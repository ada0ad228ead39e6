"""The noise that other accountants would choose for a run, and what it truly costs."""

import edgeworth_acct as ea
from edgeworth_acct import published
from edgeworth_acct.torch_adapter.plan import DPPlan

ACCOUNTANTS = ("certified", "rdp", "edgeworth")


def plan_by(accountant: str, *, epsilon: float, steps: int | None = None, epochs: float | None = None, **run) -> DPPlan:
    """A plan whose noise an accountant chose for a budget.

    Guarantee: the plan's own `epsilon` is certified whatever the accountant said; by "certified" and "rdp" it is at
    most the budget, by "edgeworth", an estimate, it is usually larger.

    Parameters
    ----------
    accountant : {"certified", "rdp", "edgeworth"}
        The last two as the `method` of `edgeworth_acct.noise_multiplier`, the last of order 1 as EW-Tune used it.
    epsilon, steps, epochs
        As in `DPPlan.calibrate`.
    **run
        The rest of what `DPPlan.calibrate` takes.

    Raises
    ------
    ValueError
        The accountant is unknown, or as `DPPlan.calibrate`.
    """
    if accountant not in ACCOUNTANTS:
        raise ValueError(f"accountant must be one of {', '.join(ACCOUNTANTS)}, got {accountant!r}")
    plan = DPPlan.calibrate(epsilon=epsilon, steps=steps, epochs=epochs, **run)
    if accountant == "certified":
        return plan
    options = {"method": "edgeworth", "order": 1} if accountant == "edgeworth" else {"method": "rdp"}
    sigma = ea.noise_multiplier(epsilon, plan.q, plan.steps, plan.delta, adjacency=plan.adjacency, **options)
    return DPPlan(**run, steps=plan.steps, sigma=sigma)


def comparison(plan: DPPlan, epsilon: float) -> list[dict]:
    """Noise by accountant for a plan's run and a budget.

    Returns
    -------
    list of dict
        "accountant", "sigma", "says" (what it claims that noise costs) and "epsilon" (the certified truth): certified;
        RDP with the best order and conversion; RDP with the orders and conversion of EW-Tune's code; the Edgeworth
        estimate of order 1.
    """
    run = (plan.q, plan.steps, plan.delta)

    def row(accountant, sigma, says):
        truth = ea.epsilon_bounds(sigma, *run, adjacency=plan.adjacency).upper
        return {"accountant": accountant, "sigma": sigma, "says": truth if says is None else says, "epsilon": truth}

    def by(**method):
        sigma = ea.noise_multiplier(epsilon, *run, adjacency=plan.adjacency, **method)
        return sigma, ea.epsilon(sigma, *run, adjacency=plan.adjacency, **method)

    rows = [row("certified", ea.noise_multiplier(epsilon, *run, adjacency=plan.adjacency), None)]
    rows.append(row("rdp", *by(method="rdp")))
    if plan.adjacency == "add_or_remove":
        rows.append(row("rdp, orders and conversion of EW-Tune", *_published_rdp(epsilon, run, rows[0]["sigma"])))
    rows.append(row("edgeworth (estimate)", *by(method="edgeworth", order=1)))
    return rows


def _published_rdp(epsilon, run, low):
    def says(sigma):
        return ea.rdp_epsilon(sigma, *run, orders=published.RDP_ORDERS, conversion="mironov")

    high = low
    while says(high) > epsilon:
        low, high = high, 2 * high
    while high - low > 1e-9 * high:
        middle = (low + high) / 2
        low, high = (middle, high) if says(middle) > epsilon else (low, middle)
    return high, says(high)


def table(rows) -> str:
    """`comparison` as text, epsilons and noise rounded up."""
    lines = [("accountant", "sigma", "says epsilon", "true epsilon <=")]
    up = lambda value: f"{value + 5e-7:.6f}"  # noqa: E731
    lines += [(row["accountant"], up(row["sigma"]), f"{row['says']:.6f}", up(row["epsilon"])) for row in rows]
    widths = [max(map(len, column)) for column in zip(*lines)]
    head = widths[0]
    return "\n".join(f"{line[0]:<{head}}  " + "  ".join(map(str.rjust, line[1:], widths[1:])) for line in lines)
