"""The processes that share every batch: torch.distributed's, or this one alone."""

import torch
from torch import distributed


class Ranks:
    """A process group, or no group.

    Attributes
    ----------
    rank, count : int
        This process among those of the group, and their number.
    """

    def __init__(self, group=None):
        self.group, self.rank, self.count = group, 0, 1
        if distributed.is_available() and distributed.is_initialized():
            self.rank, self.count = distributed.get_rank(group), distributed.get_world_size(group)

    def broadcast(self, tensors):
        """Rank 0's values in place."""
        if self.count > 1:
            source = distributed.get_global_rank(self.group or distributed.group.WORLD, 0)
            for tensor in tensors:
                distributed.broadcast(tensor, source, group=self.group)

    def sum(self, tensors):
        """Sums over all ranks in place, in one message."""
        if self.count > 1:
            flat = torch.cat([tensor.flatten() for tensor in tensors])
            distributed.all_reduce(flat, group=self.group)
            for tensor, part in zip(tensors, flat.split([tensor.numel() for tensor in tensors])):
                tensor.copy_(part.view_as(tensor))

    def wait(self):
        """Until all ranks are here."""
        if self.count > 1:
            distributed.barrier(self.group)
