"""``python -m dutchbook``."""

from dutchbook.cli import main

main()
