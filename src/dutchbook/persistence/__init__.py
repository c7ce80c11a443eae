"""Where a decision is kept: journals for the hot writes, and the rules of every table."""
