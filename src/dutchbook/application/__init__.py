"""The imperative shell: loads, asks the domain, saves, performs. Knows ports, not adapters."""
