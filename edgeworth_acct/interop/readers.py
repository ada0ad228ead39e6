"""What the readers of events share: neighbouring relations, refusals, and the spending of a mechanism."""

import math

from dp_accounting import NeighboringRelation

from edgeworth_acct.interop.spent import Spent

ADJACENCY = {
    NeighboringRelation.ADD_OR_REMOVE_ONE: "add_or_remove",
    NeighboringRelation.REPLACE_SPECIAL: "add_or_remove",
    NeighboringRelation.REPLACE_ONE: "replace_one",
}


class Refused(Exception):
    """An event that cannot be accounted for.

    Attributes
    ----------
    event : DpEvent
        The innermost one.
    reason : str
        Why.
    """

    def __init__(self, event, reason):
        super().__init__(reason)
        self.event, self.reason = event, reason


def only(event, relation, *allowed):
    """Refuse other relations than those."""
    if relation not in allowed:
        names = " or ".join(f"`{one.name}`" for one in allowed)
        raise Refused(
            event, f"neighboring_relation must be {names} for `{type(event).__name__}`. Found {relation.name}."
        )


def of(mechanism, relation, pure=math.inf):
    """One mechanism, and its pure epsilon."""
    return Spent(ADJACENCY[relation], 1 * mechanism, pure=pure)


def nothing(relation):
    """A release without any privacy loss."""
    return Spent(ADJACENCY[relation])


def everything(relation):
    """A release without privacy."""
    return Spent(ADJACENCY[relation], pure=math.inf, log_finite=-math.inf, private=False)
