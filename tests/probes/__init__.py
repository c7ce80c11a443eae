"""What shows that a setting reaches the place where it is judged: one probe for each.

A probe builds an engine as `bootstrap` does, with the settings that it is given and nothing
else set than its row says, and returns what that engine did: a time, a size, a price, a reason.
"""
