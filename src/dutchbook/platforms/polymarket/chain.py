"""Polygon's chain id and the addresses of Polymarket's programs on it.

Sources: py-clob-client-v2 1.2.1, polymarket-client 0.14.0, and docs.polymarket.com page
contracts, copy of 2026-09; for the relayer polymarket-client 0.14.0.
"""

from __future__ import annotations

from dutchbook.platforms.polymarket.addresses import Address

POLYGON = 137

STANDARD_EXCHANGE = Address("0xE111180000d2663C0091e4f400237545B87B996B")
NEG_RISK_EXCHANGE = Address("0xe2222d279d744050d28e00520010520000310F59")
V3_EXCHANGE = Address("0xe3333700cA9d93003F00f0F71f8515005F6c00Aa")

PUSD = Address("0xC011a7E12a19f7B1f670d46F03B03f3342E82DFB")
STANDARD_ADAPTER = Address("0xAdA100Db00Ca00073811820692005400218FcE1f")
NEG_RISK_ADAPTER = Address("0xadA2005600Dec949baf300f4C6120000bDB6eAab")

DEPOSIT_WALLET_FACTORY = Address("0x00000000000Fb5C9ADea0298D729A0CB3823Cc07")
PROXY_FACTORY = Address("0xaB45c5A4B0c941a2F231C04C3f49182e1A254052")
RELAY_HUB = Address("0xD216153c06E857cD7f72665E0aF1d7D82172F494")
MULTISEND = Address("0xA238CBeb142c10Ef7Ad8442C6D1f9E89e07e7761")
