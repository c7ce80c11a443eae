"""`make mutate`: change the program in one small way at a time; a test must notice each."""
