"""A whole ledger, checked from its first record on (spec/42 §7)."""

from verifier.checkpoints import Checkpoint
from verifier.encoding import Refused
from verifier.merkle import Tree, leaf_hash
from verifier.records import INCARNATION, LOST, Record, parse_record


class Replay:
    """Takes the records of a ledger one by one and holds them against checkpoints of it."""

    def __init__(self, checkpoints: list[Checkpoint]) -> None:
        self.tree = Tree()
        self.incarnation = 0
        self.last_time = 0
        self._ahead = sorted(checkpoints, key=lambda checkpoint: checkpoint.size)
        # Those of other incarnations than the records at their size: to be named as lost.
        self._passed: list[Checkpoint] = []
        self._reached()

    def push(self, index: int, data: bytes) -> Record:
        """The next record, or why it cannot be that."""
        size = self.tree.size
        if index > size:
            raise Refused("gap", f"records {size} to {index - 1} are missing")
        if index < size:
            raise Refused("repeated", f"record {index} was there before")
        try:
            record = parse_record(data)
        except Refused as why:
            raise Refused("record", f"record {index}: {why.detail}") from None
        if record.time < self.last_time:
            raise Refused("time", f"record {index} is older than the one before")
        self._follow(index, record)
        self.last_time = record.time
        self.tree.push(leaf_hash(data))
        self._reached()
        return record

    def end(self) -> None:
        size = self.tree.size
        for checkpoint in self._ahead:
            if checkpoint.incarnation >= self.incarnation:
                raise Refused("gap", f"records {size} to {checkpoint.size - 1} are missing")
        for checkpoint in self._passed + self._ahead:
            raise Refused(
                "unnamed",
                f"{checkpoint.size} records of incarnation {checkpoint.incarnation} are not here,"
                " and no record names them as lost",
            )

    def _reached(self) -> None:
        """Compares the tree with the checkpoints of its size."""
        while self._ahead and self._ahead[0].size == self.tree.size:
            checkpoint = self._ahead.pop(0)
            if checkpoint.size and checkpoint.incarnation != self.incarnation:
                self._passed.append(checkpoint)
            elif checkpoint.root != self.tree.root():
                raise Refused(
                    "fork", f"the first {checkpoint.size} records are not the checkpoint's"
                )

    def _follow(self, index: int, record: Record) -> None:
        if record.kind == INCARNATION:
            number = record.number("number")
            before = (record.fields["size"], record.fields["root"])
            if number <= self.incarnation or before != (index, self.tree.root()):
                raise Refused(
                    "incarnation", f"record {index} does not go on from what stands before it"
                )
            self.incarnation = number
        elif index == 0:
            raise Refused("incarnation", "the first record begins no incarnation")
        elif record.kind == LOST:
            named = tuple(record.fields.values())
            if record.number("incarnation") >= self.incarnation:
                raise Refused("incarnation", f"record {index} names a loss of no earlier one")
            self._ahead = [each for each in self._ahead if each.state != named]
            self._passed = [each for each in self._passed if each.state != named]
