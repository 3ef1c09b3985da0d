"""Signatures that some verifiers of Ed25519 take and others do not (spec/00 §4): both of ours refuse
them."""

import hashlib
import unittest

from tests import demo
from verifier import checkpoints, ed25519, notes
from verifier.encoding import Refused
from verifier.merkle import EMPTY_ROOT

P, D = ed25519.P, ed25519._D
ORDER = 2**252 + 27742317777372353535851937790883648493
Point = tuple[int, int]


def add(a: Point, b: Point) -> Point:
    product = D * a[0] * b[0] * a[1] * b[1] % P
    x = (a[0] * b[1] + a[1] * b[0]) * pow(1 + product, P - 2, P)
    y = (a[1] * b[1] + a[0] * b[0]) * pow(1 - product, P - 2, P)
    return x % P, y % P


def times(number: int, point: Point) -> Point:
    result = (0, 1)
    while number:
        if number & 1:
            result = add(result, point)
        number, point = number >> 1, add(point, point)
    return result


def x_of(y: int) -> int:
    square = (y * y - 1) * pow(D * y * y + 1, P - 2, P) % P
    root = pow(square, (P + 3) // 8, P)
    return root if root * root % P == square else root * pow(2, (P - 1) // 4, P) % P


def encode(point: Point) -> bytes:
    return (point[1] | (point[0] & 1) << 255).to_bytes(32, "little")


_Y = 4 * pow(5, P - 2, P) % P
BASE = (min(x_of(_Y), P - x_of(_Y), key=lambda x: x & 1), _Y)
OF_ORDER_8 = (x_of(ed25519._ORDER_8), ed25519._ORDER_8)
SECRET = 7**70 % ORDER


def sign(message: bytes, key: Point, nonce: Point, secret_nonce: int) -> tuple[bytes, int]:
    """With SECRET, whatever the points are said to be; the signature, and the hash in it."""
    hashed = hashlib.sha512(encode(nonce) + encode(key) + message).digest()
    challenge = int.from_bytes(hashed, "little") % ORDER
    s = (secret_nonce + challenge * SECRET) % ORDER
    return encode(nonce) + s.to_bytes(32, "little"), challenge


class Strict(unittest.TestCase):
    def setUp(self) -> None:
        root = demo.encoded(EMPTY_ROOT)
        self.text = f"blindmatch/c/alpha/ledger/1\n0\n{root}\n"
        self.key = times(SECRET, BASE)

    def test_plain(self) -> None:
        signature, _ = sign(self.text.encode(), self.key, times(5, BASE), 5)
        self._both(self.key, signature, True)

    def test_larger_s(self) -> None:
        signature, _ = sign(self.text.encode(), self.key, times(5, BASE), 5)
        s = int.from_bytes(signature[32:], "little") + ORDER
        self._both(self.key, signature[:32] + s.to_bytes(32, "little"), False)

    def test_nonce_with_a_part_of_small_order(self) -> None:
        """With the cofactor it would hold."""
        nonce = add(times(5, BASE), OF_ORDER_8)
        signature, _ = sign(self.text.encode(), self.key, nonce, 5)
        self._both(self.key, signature, False)

    def test_key_with_a_part_of_small_order(self) -> None:
        """With the cofactor it would hold always, without it where 8 divides the hash."""
        key = add(self.key, OF_ORDER_8)
        seen = set()
        for secret_nonce in range(5, 60):
            nonce = times(secret_nonce, BASE)
            signature, challenge = sign(self.text.encode(), key, nonce, secret_nonce)
            holds = challenge % 8 == 0
            if holds not in seen:
                self._both(key, signature, holds)
            seen.add(holds)
        self.assertEqual(seen, {True, False})

    def test_nonce_of_small_order(self) -> None:
        signature, _ = sign(self.text.encode(), self.key, (0, 1), 0)
        self._both(self.key, signature, False)

    def _both(self, point: Point, signature: bytes, holds: bool) -> None:
        name = "blindmatch/c/alpha/ledger/1"
        key = notes.Key(name, notes.ED25519, encode(point))
        line = f"\u2014 {name} {demo.encoded(key.hash + signature)}\n"
        note = (self.text + "\n" + line).encode()
        checkpoint = checkpoints.parse_checkpoint(note)
        try:
            checkpoints.verify_signature(checkpoint, checkpoints.ledger_keys([key]))
            self.assertTrue(holds)
        except Refused as refused:
            self.assertEqual((refused.reason, holds), ("signature", False))
        if demo.is_made():
            judge = demo.Judge()
            self.addCleanup(judge.close)
            material = demo.encoded(bytes([notes.ED25519]) + key.public)
            text = f"{name}+{key.hash.hex()}+{material}"
            theirs, _ = judge.refused({"what": "checkpoint", "keys": [text]}, note)
            self.assertEqual(theirs, None if holds else "signature")


if __name__ == "__main__":
    unittest.main()
