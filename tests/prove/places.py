"""Files of the source in which several bugs are planted, below `src/dutchbook`."""

from __future__ import annotations

SEND, CARRY = "application/orders/send.py", "application/pair_trades/adjustments.py"
DECIDE = "domain/execution/decide.py"
LEDGER, FOLD = "domain/capital/ledger.py", "domain/positions/fold.py"
BUS, ASK = "application/records/committer.py", "application/recovery/order_inquiry.py"
APPLY, ENDING = "domain/pair_trades/apply.py", "domain/pair_trades/ending.py"
TRADE, CAPITAL = "domain/pair_trades/trade.py", "domain/pair_trades/capital.py"
STORE, LOAD = "application/pair_trades/store.py", "application/pair_trades/loading.py"
CHANGES = "application/records/changes.py"
