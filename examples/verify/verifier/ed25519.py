"""Strict Ed25519 (spec/00 §4): canonical encodings, nothing of small order, s below the order.

The equation itself is the library's, which compares R byte for byte and refuses an s that is too
large. What it does not refuse by itself stands here.
"""

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

P = 2**255 - 19
_D = -121665 * pow(121666, P - 2, P) % P
_MASK = 2**255 - 1
# The y coordinates of the eight points of small order.
_ORDER_8 = 0x7A03AC9277FDC74EC6CC392CFA53202A0F67100D760B3CBA4FD84D3D706A17C7
SMALL_ORDER_Y = frozenset({0, 1, P - 1, _ORDER_8, P - _ORDER_8})


def is_point(encoded: bytes) -> bool:
    """Whether these 32 bytes are the canonical encoding of a point that is not of small order."""
    y = int.from_bytes(encoded, "little") & _MASK
    if y >= P or y in SMALL_ORDER_Y:
        return False
    numerator = (y * y - 1) % P
    denominator = (_D * y * y + 1) % P
    square = numerator * pow(denominator, P - 2, P) % P
    return pow(square, (P - 1) // 2, P) == 1


def u_coordinate(key: bytes) -> bytes:
    """The u-coordinate (RFC 7748) of a point, as an X25519 key has it."""
    y = int.from_bytes(key, "little") & _MASK
    return ((1 + y) * pow(1 - y, P - 2, P) % P).to_bytes(32, "little")


def verifies(key: bytes, message: bytes, signature: bytes) -> bool:
    if len(key) != 32 or len(signature) != 64:
        return False
    if not is_point(key) or not is_point(signature[:32]):
        return False
    try:
        Ed25519PublicKey.from_public_bytes(key).verify(signature, message)
    except InvalidSignature:
        return False
    return True
