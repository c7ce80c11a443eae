"""The audit log: its hash chain, anchors, replay and verification."""
