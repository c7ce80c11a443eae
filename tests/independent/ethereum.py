"""A second reader of Ethereum's hashes and signatures, slow and by the letter.

Keccak-256 as in FIPS 202 with the padding of the original submission; typed data as in EIP-712,
from the text of its types; the public key of a signature as in SEC 1, 4.1.6, on secp256k1;
recursive length prefix as in the yellow paper, appendix B. None of it packs by hand.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

Types = Mapping[str, tuple[tuple[str, str], ...]]
"""Each struct's fields: type and name."""

# Keccak --------------------------------------------------------------------------------------

_RATE, _MASK = 136, 2**64 - 1


def _round_constants() -> Iterator[int]:
    """Yield the constant of each round, from the shift register of FIPS 202, 3.2.5."""
    register = 1
    for _ in range(24):
        constant = 0
        for power in range(7):
            constant |= (register & 1) << (2**power - 1)
            register = (register << 1) ^ (0x171 if register & 0x80 else 0)
        yield constant


def _turned(lane: int, by: int) -> int:
    return (lane << by | lane >> (64 - by)) & _MASK if by else lane


def _permuted(a: list[list[int]]) -> list[list[int]]:
    """Return the state, lanes by column and row, after the 24 rounds."""
    for constant in _round_constants():
        sums = [c[0] ^ c[1] ^ c[2] ^ c[3] ^ c[4] for c in a]
        mixed = [sums[(x - 1) % 5] ^ _turned(sums[(x + 1) % 5], 1) for x in range(5)]
        a = [[lane ^ mixed[x] for lane in a[x]] for x in range(5)]
        moved = [[0] * 5 for _ in range(5)]
        x, y = 1, 0
        moved[0][0] = a[0][0]
        for step in range(24):
            moved[y][(2 * x + 3 * y) % 5] = _turned(a[x][y], (step + 1) * (step + 2) // 2 % 64)
            x, y = y, (2 * x + 3 * y) % 5
        a = [
            [moved[x][y] ^ (~moved[(x + 1) % 5][y] & moved[(x + 2) % 5][y]) for y in range(5)]
            for x in range(5)
        ]
        a[0][0] ^= constant
    return a


def keccak(data: bytes) -> bytes:
    """Return the Keccak-256 of `data`."""
    block = bytearray(data) + bytes(_RATE - len(data) % _RATE)
    block[len(data)] ^= 0x01
    block[-1] ^= 0x80
    a = [[0] * 5 for _ in range(5)]
    for start in range(0, len(block), _RATE):
        for lane in range(_RATE // 8):
            at = start + 8 * lane
            a[lane % 5][lane // 5] ^= int.from_bytes(block[at : at + 8], "little")
        a = _permuted(a)
    return b"".join(a[x][0].to_bytes(8, "little") for x in range(4))


# Typed data ----------------------------------------------------------------------------------


def types_of(text: str) -> Types:
    """Read the structs of a type's text: `A(uint256 x,B y)B(address z)`."""
    return {
        name: tuple(tuple(field.split(" ")) for field in fields.split(","))
        for name, fields in re.findall(r"(\w+)\(([^)]*)\)", text)
    }


def _needed(name: str, types: Types) -> set[str]:
    """Return a struct and every struct that it consists of."""
    found = {name}
    for kind, _ in types[name]:
        base = kind.split("[", maxsplit=1)[0]
        if base in types:
            found |= _needed(base, types)
    return found


def type_text(name: str, types: Types) -> str:
    """Return the text of a type: the struct, then those it needs, by name."""
    order = [name, *sorted(_needed(name, types) - {name})]
    return "".join(
        f"{each}({','.join(f'{kind} {field}' for kind, field in types[each])})"
        for each in order
    )


def _encoded(kind: str, value: Any, types: Types) -> bytes:
    if kind.endswith("[]"):
        return keccak(b"".join(_encoded(kind[:-2], each, types) for each in value))
    if kind in types:
        return hash_struct(kind, value, types)
    if kind == "string":
        return keccak(value.encode("utf-8"))
    if kind == "bytes":
        return keccak(bytes.fromhex(value.removeprefix("0x")))
    if kind == "address":
        return int(value, 16).to_bytes(32, "big")
    if kind.startswith("uint"):
        assert int(value) < 2 ** int(kind[4:]), "the number does not fit its type"
        return int(value).to_bytes(32, "big")
    assert kind == "bytes32", kind
    raw = bytes.fromhex(value.removeprefix("0x"))
    assert len(raw) == 32
    return raw


def hash_struct(name: str, value: Mapping[str, Any], types: Types) -> bytes:
    """Return the hash of a struct's value; it must have the fields of its type, no others."""
    assert set(value) == {field for _, field in types[name]}
    encoded = [_encoded(kind, value[field], types) for kind, field in types[name]]
    return keccak(keccak(type_text(name, types).encode()) + b"".join(encoded))


_DOMAIN_FIELDS = (
    ("string", "name"),
    ("string", "version"),
    ("uint256", "chainId"),
    ("address", "verifyingContract"),
)


def domain_hash(domain: Mapping[str, Any]) -> bytes:
    """Return the separator of a domain; its type has the fields that the domain has."""
    fields = tuple(each for each in _DOMAIN_FIELDS if each[1] in domain)
    return hash_struct("EIP712Domain", domain, {"EIP712Domain": fields})


def typed_hash(
    domain: Mapping[str, Any], text: str, name: str, value: Mapping[str, Any]
) -> bytes:
    """Return the digest of a value of the struct `name` in a domain.

    Args:
        domain: Its fields.
        text: Texts of the types, in any order.
        name: The struct that is signed.
        value: Its fields, structs within as mappings.
    """
    return keccak(b"\x19\x01" + domain_hash(domain) + hash_struct(name, value, types_of(text)))


def personal_hash(message: bytes) -> bytes:
    """Return what is signed for a personal message (EIP-191, version 0x45)."""
    return keccak(b"\x19Ethereum Signed Message:\n" + str(len(message)).encode() + message)


# Signatures ----------------------------------------------------------------------------------

P = 2**256 - 2**32 - 977
N = 0xFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFEBAAEDCE6AF48A03BBFD25E8CD0364141
_G = (
    0x79BE667EF9DCBBAC55A06295CE870B07029BFCDB2DCE28D959F2815B16F81798,
    0x483ADA7726A3C4655DA4FBFC0E1108A8FD17B448A68554199C47D08FFB10D4B8,
)
Point = tuple[int, int] | None


def _sum(a: Point, b: Point) -> Point:
    if a is None or b is None:
        return a or b
    if a[0] == b[0] and (a[1] + b[1]) % P == 0:
        return None
    if a == b:
        slope = 3 * a[0] * a[0] * pow(2 * a[1], -1, P)
    else:
        slope = (b[1] - a[1]) * pow(b[0] - a[0], -1, P)
    x = (slope * slope - a[0] - b[0]) % P
    return x, (slope * (a[0] - x) - a[1]) % P


def _times(point: Point, by: int) -> Point:
    total: Point = None
    while by:
        if by & 1:
            total = _sum(total, point)
        point = _sum(point, point)
        by >>= 1
    return total


def _account(point: Point) -> str:
    assert point is not None
    raw = keccak(point[0].to_bytes(32, "big") + point[1].to_bytes(32, "big"))
    return "0x" + raw[-20:].hex()


def account_of(private_key: str) -> str:
    """Return the address of a private key, in lower case."""
    return _account(_times(_G, int(private_key, 16)))


def signer_of(digest: bytes, signature: bytes) -> str:
    """Return the address, in lower case, whose key made a signature of 65 bytes.

    A signature whose s is the higher of its two values is refused, as on chain (EIP-2).
    """
    assert len(signature) == 65
    r, s = (int.from_bytes(half, "big") for half in (signature[:32], signature[32:64]))
    assert 0 < r < N
    assert 0 < s <= N // 2
    assert signature[64] in (27, 28)
    y = pow(r**3 + 7, (P + 1) // 4, P)
    if y % 2 != signature[64] - 27:
        y = P - y
    z, inverse = int.from_bytes(digest, "big"), pow(r, -1, N)
    return _account(_sum(_times((r, y), s * inverse % N), _times(_G, -z * inverse % N)))


# Recursive length prefix ---------------------------------------------------------------------


def fields_of(raw: bytes) -> list[bytes]:
    """Read a list of texts; nothing may follow it, and no length may be longer than needed."""
    body, rest = _item(raw, 0xC0)
    assert rest == b""
    found = []
    while body:
        one = body[0] < 0x80
        text, body = (body[:1], body[1:]) if one else _item(body, 0x80)
        found.append(text)
    return found


def _item(raw: bytes, base: int) -> tuple[bytes, bytes]:
    size, at = raw[0] - base, 1
    assert 0 <= size < 64
    if size > 55:
        at = 1 + size - 55
        assert raw[1] != 0
        size = int.from_bytes(raw[1:at], "big")
        assert size > 55
    assert len(raw) >= at + size
    return raw[at : at + size], raw[at + size :]
