"""Hashes of typed data (EIP-712) and of personal messages (EIP-191), from packed words.

A struct's hash is the Keccak-256 of its type's hash and one word of 32 bytes for each field
(eips.ethereum.org EIP-712, definition of hashStruct). Callers pack the words themselves:
reading type strings for every order would cost more than the signature.
"""

from __future__ import annotations

from dutchbook.errors import InvalidInput
from dutchbook.platforms.polymarket.addresses import Address, address_word
from dutchbook.platforms.polymarket.keccak import keccak

ZERO_WORD = bytes(32)

_DOMAIN = "EIP712Domain(string name,string version,uint256 chainId,address verifyingContract)"
_PERSONAL = b"\x19Ethereum Signed Message:\n32"


def text_hash(text: str) -> bytes:
    """Return the hash that stands for a text, or for a type by its text."""
    return keccak(text.encode())


def uint_word(number: int) -> bytes:
    """Return a checked number as a word of 32 bytes."""
    return number.to_bytes(32, "big")


def uint(number: int, field: str, most: int = 2**256 - 1, least: int = 0) -> int:
    """Check a number that is signed.

    Raises:
        InvalidInput: It is below `least` or above `most`.
    """
    if not least <= number <= most:
        raise InvalidInput(field, number, f"a whole number from {least} to {most}")
    return number


def struct_hash(*words: bytes) -> bytes:
    """Return the hash of a struct: its type's hash, then a word for each field."""
    return keccak(b"".join(words))


def domain_separator(name: str, version: str, chain_id: int, verifier: Address) -> bytes:
    """Return the hash of a domain with all four usual fields."""
    return struct_hash(
        text_hash(_DOMAIN),
        text_hash(name),
        text_hash(version),
        uint_word(chain_id),
        address_word(verifier),
    )


def typed_digest(separator: bytes, struct: bytes) -> bytes:
    """Return what is signed for a struct in a domain."""
    return keccak(b"\x19\x01" + separator + struct)


def personal_digest(digest: bytes) -> bytes:
    """Return what is signed for a personal message that is a digest of 32 bytes."""
    return keccak(_PERSONAL + digest)
