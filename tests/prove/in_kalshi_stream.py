"""Bugs in what Kalshi's stream makes of its messages."""

from __future__ import annotations

from prove.bug import Bug

STREAM = "platforms/kalshi/stream"
CODEC = "platforms/kalshi/book_codec.py"
FOLLOWED = f"{STREAM}/followed_book.py"
BOOKS = f"{STREAM}/books.py"
SUBSCRIPTIONS = f"{STREAM}/subscriptions.py"
CONNECTION = f"{STREAM}/connection.py"
ACCOUNT = f"{STREAM}/account.py"
SPEC = "tests/spec/test_kalshi_stream.py"
MESSAGES = "tests/spec/test_kalshi_stream_messages.py"
OURS = "tests/spec/test_kalshi_stream_account.py"
FAULTS = "tests/spec/test_kalshi_stream_faults.py"

IN_KALSHI_STREAM = (
    Bug(
        "a gap in the numbers passes",
        SUBSCRIPTIONS,
        "return Verdict.NEXT if follows else Verdict.GAP",
        "return Verdict.NEXT",
        f"{SPEC} -k missing_message",
    ),
    Bug(
        "two messages of one number are one",
        SUBSCRIPTIONS,
        "if seq < self.last or (seq == self.last and raw == self._raw):",
        "if seq <= self.last:",
        f"{SPEC} -k two_messages_of_one_number",
    ),
    Bug(
        "a late message is taken",
        SUBSCRIPTIONS,
        "if seq < self.last or (seq == self.last and raw == self._raw):",
        "if seq == self.last and raw == self._raw:",
        f"{SPEC} -k swapped_messages",
    ),
    Bug(
        "a whole book that was asked for must have a number of its own",
        SUBSCRIPTIONS,
        "(seq == self.last and (reply or self._was_reply))",
        "(seq == self.last and self._was_reply)",
        f"{SPEC} -k live_again_with",
    ),
    Bug(
        "a sale of NO has the price of YES",
        "platforms/kalshi/order_codec.py",
        "price=Price(yes if order.outcome is Outcome.YES else 1 - yes),",
        "price=Price(yes),",
        f"{OURS} -k order_s_outcome",
    ),
    Bug(
        "a trade in the wrong direction is taken",
        ACCOUNT,
        '        or book_side != ("bid" if bids else "ask")\n',
        "",
        f"{OURS} -k contradicts_its_order",
    ),
    Bug(
        "a broken stream of trades is no gap",
        CONNECTION,
        '[BooksUnknown("the connection ended"), *self._account.broken()]',
        '[BooksUnknown("the connection ended")]',
        f"{OURS} -k end_of_a_connection",
    ),
    Bug(
        "trades are whole up to the last message",
        ACCOUNT,
        "        if self._connected:\n"
        "            self._since = max(self._since or LONG_AGO, now - LATE)",
        "        if self._connected:\n            self._since = now",
        f"{OURS} -k just_before_the_last",
    ),
    Bug(
        "asks are read at NO prices whatever was asked for",
        CODEC,
        "return ASK, price_e4 if yes_price else E4 - price_e4, change",
        "return ASK, E4 - price_e4, change",
        f"{SPEC} -k asked_for_them",
    ),
    Bug(
        "a price may be written in any way that a decimal may",
        CODEC,
        "if NUMBER.fullmatch(text) is None:",
        "if NUMBER is None:",
        MESSAGES,
    ),
    Bug(
        "changes before the whole book are forgotten",
        FOLLOWED,
        "if each.msg.clock is not None and each.msg.clock > clock:",
        "if each.msg.clock is None:",
        f"{SPEC} -k later_ones_are_not",
    ),
    Bug(
        "changes that are in the whole book are made twice",
        FOLLOWED,
        "if each.msg.clock is not None and each.msg.clock > clock:",
        "if each.msg.clock is not None:",
        f"{SPEC} -k later_ones_are_not",
    ),
    Bug(
        "changes just after the whole book that are in it are made twice",
        FOLLOWED,
        "            if clock <= self._clock:\n",
        "            if clock < 0:\n",
        f"{SPEC} -k just_after_a_whole_book",
    ),
    Bug(
        "a clock that fell is dropped for ever",
        FOLLOWED,
        'return None if self._just_whole(now) else "the platform\'s clock fell"',
        "return None",
        f"{SPEC} -k clock_that_fell",
    ),
    Bug(
        "a book that missed a message goes on",
        FOLLOWED,
        "        if size < 0:\n",
        "        if size < -(10**12):\n",
        f"{SPEC} -k more_than_there_is",
    ),
    Bug(
        "a crossed book goes on",
        FOLLOWED,
        "now - self._crossed_since >= CROSSED_FOR:",
        "now - self._crossed_since >= 100 * CROSSED_FOR:",
        f"{SPEC} -k stays_crossed",
    ),
    Bug(
        "best prices that never agree are nothing",
        f"{STREAM}/top_check.py",
        "self._unmet = (now if self._unmet is None else self._unmet[0], top)",
        "self._unmet = (now, top)",
        f"{SPEC} -k never_agree",
    ),
    Bug(
        "the other books of the platform stay empty after a gap",
        BOOKS,
        "yield from (each.whole() for each in self._followed.values() if each.live)",
        "yield from ()",
        f"{SPEC} -k more_than_there_is",
    ),
    Bug(
        "an answer to an earlier request counts",
        BOOKS,
        "stale = message.id and not self._subscriptions.requested(message.id, name)",
        "stale = False",
        f"{SPEC} -k before_a_later_gap",
    ),
    Bug(
        "a silent contract costs one connection after another",
        BOOKS,
        "            if each.again and each.reconnected:\n",
        "            if each.again and not each.contract_id:\n",
        f"{SPEC} -k costs_no_other_one",
    ),
    Bug(
        "a subscription that ended is not begun again",
        CONNECTION,
        "ENDED = (7, 10, 25)",
        "ENDED = (7,)",
        f"{SPEC} -k ends_the_subscription",
    ),
    Bug(
        "what precedes an error is lost",
        CONNECTION,
        "        except InvalidInput as error:\n            outputs +=",
        "        except InvalidInput as error:\n            outputs =",
        f"{SPEC} -k before_a_contradiction",
        also=(
            (
                CONNECTION,
                "self._unreadable(MalformedMessage(KALSHI, str(error), raw), now)",
                "list(self._unreadable(MalformedMessage(KALSHI, str(error), raw), now))",
            ),
        ),
    ),
    Bug(
        "another grid leaves the book as it is",
        f"{STREAM}/contracts.py",
        'yield from self._books.doubt((name,), "its prices have another grid", now)',
        "yield from ()",
        f"{SPEC} -k another_grid",
    ),
    Bug(
        "an unreadable message changes nothing",
        CONNECTION,
        "        if found is None or found.channel == commands.BOOKS:\n",
        "        if found is None:\n",
        f"{FAULTS} {SPEC} -k handed_out",
    ),
    Bug(
        "the first readable message does not end a row of malformed ones",
        CONNECTION,
        "            self._malformed = 0\n            self._account",
        "            self._account",
        f"{SPEC} -k ten_malformed",
    ),
)
