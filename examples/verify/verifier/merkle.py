"""The Merkle tree and its proofs: RFC 9162 §2.1, with the additions of spec/40 §1."""

from verifier.encoding import Refused, sha256

Hash = bytes
EMPTY_ROOT = sha256(b"")


def leaf_hash(leaf: bytes) -> Hash:
    return sha256(b"\x00" + leaf)


def node_hash(left: Hash, right: Hash) -> Hash:
    return sha256(b"\x01" + left + right)


class Tree:
    """A tree that grows leaf by leaf and keeps the roots of its complete subtrees only."""

    def __init__(self) -> None:
        self.size = 0
        self._peaks: list[Hash] = []

    def push(self, hashed: Hash) -> None:
        size = self.size
        while size & 1:
            hashed = node_hash(self._peaks.pop(), hashed)
            size >>= 1
        self._peaks.append(hashed)
        self.size += 1

    def root(self) -> Hash:
        if not self._peaks:
            return EMPTY_ROOT
        root = self._peaks[-1]
        for peak in reversed(self._peaks[:-1]):
            root = node_hash(peak, root)
        return root


def verify_inclusion(leaf: Hash, index: int, size: int, proof: list[Hash], root: Hash) -> None:
    """RFC 9162 §2.1.3.2."""
    if index >= size:
        raise Refused("inclusion", f"number {index} in a tree of {size}")
    first, last, computed = index, size - 1, leaf
    for sibling in proof:
        if last == 0:
            raise Refused("inclusion", "the proof is too long")
        if first & 1 or first == last:
            computed = node_hash(sibling, computed)
            while not first & 1 and first:
                first, last = first >> 1, last >> 1
        else:
            computed = node_hash(computed, sibling)
        first, last = first >> 1, last >> 1
    if last != 0:
        raise Refused("inclusion", "the proof is too short")
    if computed != root:
        raise Refused("inclusion", f"number {index} is not in this tree")


def verify_consistency(
    old_size: int, old_root: Hash, size: int, root: Hash, proof: list[Hash]
) -> None:
    """RFC 9162 §2.1.4.2."""
    if old_size > size:
        raise Refused("consistency", f"from {old_size} back to {size}")
    if old_size in (0, size):
        if proof:
            raise Refused("consistency", "a proof where none belongs")
        if old_root != (EMPTY_ROOT if old_size == 0 else root):
            raise Refused("consistency", "another root of one size")
        if size == 0 and root != EMPTY_ROOT:
            raise Refused("consistency", "another root of the empty tree")
        return
    hashes = list(proof)
    if old_size & (old_size - 1) == 0:
        hashes.insert(0, old_root)
    first, last = old_size - 1, size - 1
    while first & 1:
        first, last = first >> 1, last >> 1
    if not hashes:
        raise Refused("consistency", "the proof is too short")
    old = new = hashes[0]
    for sibling in hashes[1:]:
        if last == 0:
            raise Refused("consistency", "the proof is too long")
        if first & 1 or first == last:
            old, new = node_hash(sibling, old), node_hash(sibling, new)
            while not first & 1 and first:
                first, last = first >> 1, last >> 1
        else:
            new = node_hash(new, sibling)
        first, last = first >> 1, last >> 1
    if last != 0:
        raise Refused("consistency", "the proof is too short")
    if (old, new) != (old_root, root):
        raise Refused("consistency", "the newer tree does not go on from the older")
