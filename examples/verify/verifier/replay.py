"""A whole ledger, checked from its first record on (spec/42 §7)."""

from verifier.checkpoints import Checkpoint
from verifier.encoding import Refused
from verifier.merkle import Tree, leaf_hash
from verifier.records import INCARNATION, LOST, Record, parse_record


class Replay:
    """Takes the records of a ledger in their order and remembers what checkpoints ask about."""

    def __init__(self, checkpoints: list[Checkpoint]) -> None:
        self.tree = Tree()
        self.incarnation = 0
        self.last_time = 0
        self._checkpoints = checkpoints
        self._lost: set[tuple[int, int, bytes]] = set()
        self._states: dict[int, tuple[int, bytes]] = {}
        self._remember()

    def push(self, data: bytes) -> Record:
        """The next record, or why it cannot be that."""
        index = self.tree.size
        try:
            record = parse_record(data)
        except Refused as why:
            raise Refused("record", f"record {index}: {why.detail}") from None
        if record.time < self.last_time:
            raise Refused("time", f"record {index} is older than the one before")
        self._follow(index, record)
        self.last_time = record.time
        self.tree.push(leaf_hash(data))
        self._remember()
        return record

    def end(self) -> None:
        """Holds every checkpoint against what was pushed."""
        size = self.tree.size
        for checkpoint in sorted(self._checkpoints, key=lambda known: known.size):
            if checkpoint.state in self._lost:
                continue
            if checkpoint.size > size:
                raise Refused("gap", f"records {size} to {checkpoint.size - 1} are missing")
            incarnation, root = self._states[checkpoint.size]
            if checkpoint.size and incarnation != checkpoint.incarnation:
                raise Refused(
                    "incarnation",
                    f"the checkpoint of {checkpoint.size} records is of incarnation"
                    f" {checkpoint.incarnation}, these are of incarnation {incarnation}",
                )
            if root != checkpoint.root:
                raise Refused(
                    "root", f"the first {checkpoint.size} records are not those of the checkpoint"
                )

    def _remember(self) -> None:
        size = self.tree.size
        if any(checkpoint.size == size for checkpoint in self._checkpoints):
            self._states[size] = (self.incarnation, self.tree.root())

    def _follow(self, index: int, record: Record) -> None:
        if record.kind == INCARNATION:
            number = record.fields["number"]
            before = (record.fields["size"], record.fields["root"])
            if number <= self.incarnation or before != (index, self.tree.root()):
                raise Refused(
                    "incarnation", f"record {index} does not go on from what stands before it"
                )
            self.incarnation = number
        elif index == 0:
            raise Refused("incarnation", "the first record begins no incarnation")
        elif record.kind == LOST:
            fields = record.fields
            if fields["incarnation"] >= self.incarnation:
                raise Refused("incarnation", f"record {index} names a loss of no earlier one")
            self._lost.add((fields["incarnation"], fields["size"], fields["root"]))
