"""Studies of settings: which made more on recorded tapes, and whether that is more than luck.

Pure functions over what runs came to, but for `files`; `dutchbook.bootstrap.paper_study` makes
the runs.
"""
