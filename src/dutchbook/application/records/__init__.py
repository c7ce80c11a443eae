"""How decisions become durable: commits, delivery, the lease, and rows."""
