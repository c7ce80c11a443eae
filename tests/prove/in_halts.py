"""Bugs in halts without the database, and in what is said of a halt."""

from __future__ import annotations

from prove.bug import Bug

FILES, COMMANDS = "tests/spec/test_halt_files.py", "application/operator/commands.py"
HALTED = "tests/integration/test_halted_databases.py"
CANCELLED = "tests/simulation/test_cancelled_commits.py"

IN_HALTS = (
    Bug(
        "a resumption that nobody waits for any more stays unknown to the cache",
        "application/capital/halts.py",
        "    @to_its_end\n    async def resume_trading(",
        "    async def resume_trading(",
        f"{CANCELLED} -k resumption",
    ),
    Bug(
        "a loss is booked before the halt that is under way for it",
        "application/capital/halts.py",
        "            if self._reached() is None:\n                yield {}, ()",
        "            if not self._halting_now():\n                yield {}, ()",
        f"{CANCELLED} -k booked_after",
    ),
    Bug(
        "cash whose depositor stops waiting is unknown to the cache",
        "application/capital/cash.py",
        "    @to_its_end\n    async def _book(",
        "    async def _book(",
        f"{CANCELLED} -k cash",
    ),
    Bug(
        "an engine removes the HALT file of another database",
        "runtime/halt_file.py",
        "return [] if set(named) & set(self.names) else named",
        "return []",
        f"{FILES} -k another",
    ),
    Bug(
        "what a killed engine left in the register is taken for an engine",
        "runtime/engine_register.py",
        "fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)",
        "raise BlockingIOError",
        f"{FILES} -k killed",
    ),
    Bug(
        "two servers on one machine share a HALT file",
        "persistence/endpoints.py",
        'f"{each}:{port}/{name}" for each in shown',
        'f"{each}/{name}" for each in shown',
        f"{FILES} -k share",
    ),
    Bug(
        "an older resumption lifts the halt of a file",
        COMMANDS,
        "        waiting = await self._waiting()\n        for number",
        "        waiting = await self._waiting()\n        await self._fold_file()\n"
        "        for number",
        "tests/simulation/test_commands.py -k older_resumption",
    ),
    Bug(
        "a halt that no engine has recorded yet is not told",
        "application/views/halts.py",
        'if reason := BY_COMMAND.get(row["name"]):',
        "if reason := BY_COMMAND.get(row['command_id']):",
        f"{HALTED} -k at_once",
    ),
    Bug(
        "the heads of a database that was deleted count for the next one",
        "persistence/log/anchors.py",
        "            if now == owner:\n",
        "            if now:\n",
        "tests/integration/test_audit.py -k recreated",
    ),
)
