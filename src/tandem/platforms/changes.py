"""Says what a command has changed so far, if it is interrupted or fails."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass
class ChangesSoFar:
    """The changes of one command to one job so far.

    Each attribute but the last is a part of the message. It is empty as long as the command has changed nothing there.
    Set it before a change to what is true if the change is interrupted or fails. Set it after the change to the result.

    Attributes:
        job: the job, and the one that it replaces.
        batch: its reconciliation or replay.
        cluster: its cluster.
        data: topics, collections, uploads and checkpoint.
        services: the stand-ins of a rehearsal.
        billed: whether the changes may cost money; see ``Settings.billed``.
    """

    job: str = ""
    batch: str = ""
    cluster: str = ""
    data: str = ""
    services: str = ""
    billed: bool = True

    def __bool__(self) -> bool:
        return bool(self.running or self.data)

    @property
    def running(self) -> bool:
        """Whether what was changed may run."""
        return bool(self.job or self.batch or self.cluster or self.services)

    def with_costs(self, what: str) -> str:
        """Returns a part of the message, and that it costs money if it does."""
        return f"{what}, which costs money" if self.billed else what

    def __str__(self) -> str:
        parts = [self.job, self.batch, self.cluster, self.data, self.services]
        if not (self.job or self.batch) and (self.cluster or self.data):
            parts.insert(0, "no job was stopped or submitted")
        return "; ".join(filter(None, parts)) or "nothing was changed"
