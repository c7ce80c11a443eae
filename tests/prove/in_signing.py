"""Bugs in signatures: each would be rejected by a platform, or show or misuse a key."""

from __future__ import annotations

from prove.bug import Bug

KALSHI = "platforms/kalshi/signing.py"
KALSHI_SEEN = "tests/spec/test_kalshi_signing.py"
HOME = "platforms/polymarket"
ORDERS, KEY = f"{HOME}/signing.py", f"{HOME}/private_key.py"
ORDERS_SEEN = "tests/spec/test_polymarket_signing.py"
HEADERS = f"{HOME}/authentication.py"
HEADERS_SEEN = "tests/spec/test_polymarket_authentication.py"
ADDRESSES, CALLS = f"{HOME}/addresses.py", f"{HOME}/calls.py"
ADDRESSES_SEEN = "tests/spec/test_addresses.py"
RELAYER = f"{HOME}/relayer_signing.py"
RELAYER_SEEN = "tests/spec/test_relayer_signing.py"
TRANSACTIONS = f"{HOME}/transactions.py"
TRANSACTIONS_SEEN = "tests/spec/test_signed_transactions.py"
AMOUNTS, AMOUNTS_SEEN = f"{HOME}/order_amounts.py", "tests/spec/test_polymarket_amounts.py"
SECRETS, SECRETS_SEEN = "platforms/confidential.py", "tests/spec/test_secrets_kept.py"

IN_SIGNING = (
    Bug(
        "Kalshi's salt is as long as it can be",
        KALSHI,
        "PSS(MGF1(digest), SALT_BYTES)",
        "PSS(MGF1(digest), PSS.MAX_LENGTH)",
        f"{KALSHI_SEEN} -k that_of_the_pages",
    ),
    Bug(
        "a query is signed on Kalshi",
        KALSHI,
        "{path.partition('?')[0]}",
        "{path}",
        f"{KALSHI_SEEN} -k query_is_not_signed",
    ),
    Bug(
        "a method is signed on Kalshi as it is given",
        KALSHI,
        "{method.upper()}",
        "{method}",
        f"{KALSHI_SEEN} -k upper_case",
    ),
    Bug(
        "a moment in seconds is signed on Kalshi",
        KALSHI,
        "LEAST_MS <= at_ms < MOST_MS",
        "at_ms < MOST_MS",
        f"{KALSHI_SEEN} -k moment_in_another_unit",
    ),
    Bug(
        "a short RSA key is accepted",
        KALSHI,
        "isinstance(key, RSAPrivateKey) and key.key_size >= LEAST_BITS",
        "isinstance(key, RSAPrivateKey)",
        f"{KALSHI_SEEN} -k bad_key_file",
    ),
    Bug(
        "a bad key file is explained by the library's error",
        KALSHI,
        "raise InvalidSecret(field, _found(pem, key), EXPECTED, source)",
        "raise InvalidSecret(field, repr(pem), EXPECTED, source)",
        f"{SECRETS_SEEN} -k error_about_a_secret",
    ),
    Bug(
        "maker and signer change places in an order's hash",
        ORDERS,
        "address_word(self._maker) + address_word(self._signer)",
        "address_word(self._signer) + address_word(self._maker)",
        f"{ORDERS_SEEN} -k second_reader_computes",
    ),
    Bug(
        "what an order gives and gets change places in its hash",
        ORDERS,
        "uint_word(terms.maker_amount),\n            uint_word(terms.taker_amount),\n",
        "uint_word(terms.taker_amount),\n            uint_word(terms.maker_amount),\n",
        f"{ORDERS_SEEN} -k official_client",
    ),
    Bug(
        "a buy is signed as a sale",
        ORDERS,
        "_SIDES = {Side.BUY: 0, Side.SELL: 1}",
        "_SIDES = {Side.BUY: 1, Side.SELL: 0}",
        f"{ORDERS_SEEN} -k second_reader_computes",
    ),
    Bug(
        "the note of an order is not signed",
        ORDERS,
        "            terms.metadata,\n            terms.builder,\n",
        "            ZERO_WORD,\n            terms.builder,\n",
        f"{ORDERS_SEEN} -k changing_any_field",
    ),
    Bug(
        "neg-risk orders are signed for the standard exchange",
        ORDERS,
        "return NEG_RISK if neg_risk else STANDARD",
        "return STANDARD",
        f"{ORDERS_SEEN} -k routed_by_its_id",
    ),
    Bug(
        "positions of protocol v2 are signed for an exchange of the first",
        ORDERS,
        "    if is_protocol_v2(token_id):\n        return V3\n",
        "",
        f"{ORDERS_SEEN} -k routed_by_its_id",
    ),
    Bug(
        "an asset is taken for one of protocol v2 by too few zeros",
        ORDERS,
        "token_id >> 40 & 0xFFFF_FFFF_FFFF_FFFF",
        "token_id >> 40 & 0xFFFF_FFFF_FFFF",
        f"{ORDERS_SEEN} -k 64_bits",
    ),
    Bug(
        "the third exchange has the domain of the others",
        ORDERS,
        '_exchange(V3_EXCHANGE, "3")',
        '_exchange(V3_EXCHANGE, "2")',
        f"{ORDERS_SEEN} -k third_exchange",
    ),
    Bug(
        "a deposit wallet's order is signed as a plain one",
        ORDERS,
        "signature = self._sign_nested(order, exchange)",
        "signature = self._key.sign(digest)",
        f"{ORDERS_SEEN} -k deposit_wallet_is_signed",
    ),
    Bug(
        "a deposit wallet checks the order in the exchange's name",
        ORDERS,
        'text_hash("DepositWallet")',
        'text_hash("Polymarket CTF Exchange")',
        f"{ORDERS_SEEN} -k what_the_wallet_checks",
    ),
    Bug(
        "the owner signs a deposit wallet's order in its own name",
        ORDERS,
        "wallet, wallet if nested else key.address",
        "wallet, key.address",
        f"{ORDERS_SEEN} -k official_client",
    ),
    Bug(
        "a deposit wallet is given a hash that is not the order's",
        ORDERS,
        "return made + exchange.separator + order + _TAIL",
        "return made + exchange.separator + nested + _TAIL",
        f"{ORDERS_SEEN} -k what_the_wallet_checks",
    ),
    Bug(
        "a salt that a double cannot hold is accepted",
        ORDERS,
        "MOST_SALT = 2**53 - 1",
        "MOST_SALT = 2**53",
        f"{ORDERS_SEEN} -k out_of_range_is_named",
    ),
    Bug(
        "an order that fills at once or not at all may be filled in part",
        ORDERS,
        'TimeInForce.FOK: "FOK"',
        'TimeInForce.FOK: "FAK"',
        f"{ORDERS_SEEN} -k polymarkets_word",
    ),
    Bug(
        "a wallet of another kind is signed for",
        ORDERS,
        "if (kind is SignatureType.EOA) != (wallet == key.address):",
        "if kind is SignatureType.EOA and wallet != key.address:",
        f"{ORDERS_SEEN} -k does_not_fit_its_kind",
    ),
    Bug(
        "v of a signature is 0 or 1",
        KEY,
        "_V = 27",
        "_V = 0",
        f"{ORDERS_SEEN} -k official_client",
    ),
    Bug(
        "an address is the hash of the public key with its first byte",
        KEY,
        "checksummed(keccak(point[1:])[-20:])",
        "checksummed(keccak(point)[-20:])",
        f"{ORDERS_SEEN} -k read_with_and_without",
    ),
    Bug(
        "the library's error stands behind that of a bad private key",
        KEY,
        "    except ValueError:\n        pass\n",
        "    except ValueError as error:\n"
        '        raise InvalidSecret(field, f"a number like {text}", EXPECTED) from error\n',
        f"{SECRETS_SEEN} -k error_about_a_secret",
    ),
    Bug(
        "the claim of a wallet names the moment as a number",
        HEADERS,
        "        text_hash(stamp),\n",
        "        uint_word(at_s),\n",
        f"{HEADERS_SEEN} -k wallet",
    ),
    Bug(
        "the body is not signed",
        HEADERS,
        ".encode() + body\n",
        ".encode()\n",
        f"{HEADERS_SEEN} -k bytes_of_the_body",
    ),
    Bug(
        "a query is signed on Polymarket",
        HEADERS,
        "{path.partition('?')[0]}",
        "{path}",
        f"{HEADERS_SEEN} -k query_is_not_signed",
    ),
    Bug(
        "a code is sent in the other alphabet",
        HEADERS,
        "base64.urlsafe_b64encode(code)",
        "base64.b64encode(code)",
        f"{HEADERS_SEEN} -k official_client",
    ),
    Bug(
        "a secret without its padding is rejected",
        HEADERS,
        'missing = "=" * (-len(secret) % 4)',
        'missing = ""',
        f"{HEADERS_SEEN} -k without_its_padding",
    ),
    Bug(
        "characters that do not belong into a secret are skipped",
        HEADERS,
        'altchars=b"-_", validate=True)',
        'altchars=b"-_")',
        f"{HEADERS_SEEN} -k not_base64",
    ),
    Bug(
        "a wrong checksum is corrected in silence",
        ADDRESSES,
        "if text not in (right, right.lower()):",
        "if text.lower() != right.lower():",
        f"{ADDRESSES_SEEN} -k wrong_case",
    ),
    Bug(
        "what stands in the place of an address is quoted",
        ADDRESSES,
        "raise InvalidSecret(field, described(text), EXPECTED, source)",
        "raise InvalidSecret(field, text, EXPECTED, source)",
        f"{SECRETS_SEEN} -k error_about_a_secret",
    ),
    Bug(
        "a checksum turns one digit too many into upper case",
        ADDRESSES,
        "_UPPER = 8",
        "_UPPER = 7",
        f"{ADDRESSES_SEEN} -k published",
    ),
    Bug(
        "neg-risk shares are merged through the standard adapter",
        CALLS,
        "NEG_RISK_ADAPTER if neg_risk else STANDARD_ADAPTER",
        "STANDARD_ADAPTER",
        f"{RELAYER_SEEN} -k chooses_the_adapter",
    ),
    Bug(
        "a merge is encoded as a split",
        CALLS,
        "return _call(_MERGE, condition_id",
        "return _call(_SPLIT, condition_id",
        f"{RELAYER_SEEN} -k merge",
    ),
    Bug(
        "a redemption looks for its outcomes where a merge has them",
        CALLS,
        "begins = (4 + len(amounts)) * WORD",
        "begins = 5 * WORD",
        f"{RELAYER_SEEN} -k redemption",
    ),
    Bug(
        "data that fills its words is followed by one more",
        CALLS,
        "bytes(-len(data) % WORD)",
        "bytes(WORD - len(data) % WORD)",
        f"{RELAYER_SEEN} -k filled_up_to_whole",
    ),
    Bug(
        "the calls of a batch are hashed as one text",
        RELAYER,
        'keccak(b"".join(hashes))',
        'b"".join(hashes)',
        f"{RELAYER_SEEN} -k batch",
    ),
    Bug(
        "the deadline of a batch is not signed",
        RELAYER,
        'uint_word(uint(deadline_s, "deadline_s"))',
        "ZERO_WORD",
        f"{RELAYER_SEEN} -k the_deadline",
    ),
    Bug(
        "a proxy wallet's list begins before its offsets",
        RELAYER,
        "begins, at = [], len(calls) * WORD",
        "begins, at = [], 0",
        f"{RELAYER_SEEN} -k by_their_offsets",
    ),
    Bug(
        "a proxy wallet's request is signed as typed data",
        RELAYER,
        "key.sign(personal_digest(signed))",
        "key.sign(signed)",
        f"{RELAYER_SEEN} -k proxy_wallet_is_signed",
    ),
    Bug(
        "a Safe's signature does not say that it is a personal message",
        RELAYER,
        "_RAISED = 4",
        "_RAISED = 0",
        f"{RELAYER_SEEN} -k safe_is_signed",
    ),
    Bug(
        "several calls of a Safe are a plain call",
        RELAYER,
        "operation = _DELEGATED if several else 0",
        "operation = 0",
        f"{RELAYER_SEEN} -k safe",
    ),
    Bug(
        "what a Safe's call sends along is left out",
        RELAYER,
        '**({"value": str(call.value)} if call.value else {}),',
        "",
        f"{RELAYER_SEEN} -k safe_signs_what",
    ),
    Bug(
        "a note too long for the relayer is sent",
        RELAYER,
        "len(metadata) > LONGEST_METADATA",
        "len(metadata) > LONGEST_METADATA + 1",
        f"{RELAYER_SEEN} -k long_note",
    ),
    Bug(
        "a transaction is valid on every chain",
        TRANSACTIONS,
        'rlp([*fields, _number(chain_id), b"", b""])',
        "rlp(fields)",
        f"{TRANSACTIONS_SEEN} -k byte_for_byte",
    ),
    Bug(
        "a number of a signature keeps its leading zeros",
        TRANSACTIONS,
        "rlp([*fields, _number(v), *map(_number, halves)])",
        "rlp([*fields, _number(v), made[:32], made[32:64]])",
        f"{TRANSACTIONS_SEEN} -k begins_with_zeros",
    ),
    Bug(
        "a text of 56 bytes has a short length",
        TRANSACTIONS,
        "SHORT = 55",
        "SHORT = 56",
        f"{TRANSACTIONS_SEEN} -k read_back",
    ),
    Bug(
        "the hash of a transaction is that of what was signed",
        TRANSACTIONS,
        '"0x" + keccak(raw).hex()',
        '"0x" + signed.hex()',
        f"{TRANSACTIONS_SEEN} -k byte_for_byte",
    ),
    Bug(
        "an order asks for a step more than its dollars buy",
        AMOUNTS,
        "to_e6(floor_to(got, step))",
        "to_e6(floor_to(got, step) + step)",
        f"{AMOUNTS_SEEN} -k official_client",
    ),
    Bug(
        "shares finer than a hundredth are asked for",
        AMOUNTS,
        "cut = floor_to(number, CENT)",
        "cut = number",
        f"{AMOUNTS_SEEN} -k on_its_step",
    ),
    Bug(
        "a price between two ticks is sent",
        AMOUNTS,
        "if not tick <= price <= 1 - tick or price % tick:",
        "if not tick <= price <= 1 - tick:",
        f"{AMOUNTS_SEEN} -k no_order_can_have",
    ),
    Bug(
        "a book is hashed with the hash that it came with",
        f"{HOME}/book_hash.py",
        ' | {"hash": ""}',
        "",
        f"{AMOUNTS_SEEN} -k book_has_the_hash",
    ),
    Bug(
        "what holds a secret can be pickled",
        SECRETS,
        "    def __reduce_ex__(self, protocol: object) -> NoReturn:\n"
        "        self.__getstate__()\n",
        "",
        SECRETS_SEEN,
        also=(
            (
                SECRETS,
                (
                    "    def __getstate__(self) -> NoReturn:\n"
                    '        raise TypeError(f"{self!r} holds a secret: it can be neither'
                    ' copied nor stored")\n'
                ),
                "",
            ),
        ),
    ),
    Bug(
        "a key shows itself",
        KEY,
        "    def sign(self, digest: bytes) -> bytes:\n",
        "    def __repr__(self) -> str:\n"
        '        return f"<WalletKey {self._key.to_hex()}>"\n\n'
        "    def sign(self, digest: bytes) -> bytes:\n",
        f"{SECRETS_SEEN} -k shows_none",
    ),
    Bug(
        "a line break is sent in a header",
        SECRETS,
        "if not _PRINTABLE.fullmatch(stripped):",
        "if not stripped:",
        f"{HEADERS_SEEN} {KALSHI_SEEN} -k break_a_header",
    ),
)
