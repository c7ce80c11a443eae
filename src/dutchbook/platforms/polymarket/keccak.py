"""Keccak-256 as Ethereum uses it: before SHA-3 changed the padding."""

from __future__ import annotations

from Crypto.Hash import keccak as library


def keccak(data: bytes) -> bytes:
    """Return the Keccak-256 of `data`, 32 bytes."""
    return library.new(digest_bits=256, data=data).digest()
