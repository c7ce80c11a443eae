"""``python -m dutchbook``."""

from dutchbook.cli.main import main

main()
