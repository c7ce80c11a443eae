"""Every pair trade that can still change, and the booking of facts about it."""
