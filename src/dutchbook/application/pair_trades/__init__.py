"""Every pair trade that can still change, and the booking of what becomes known of it."""
