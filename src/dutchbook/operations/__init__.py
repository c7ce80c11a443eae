"""Operations of a shell on a database, without an engine."""
