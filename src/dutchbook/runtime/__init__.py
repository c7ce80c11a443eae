"""The adapters of time and identity: the only place that touches a clock or chance."""
