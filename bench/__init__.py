"""What is measured: ratios in one run, since a machine's own speed drifts."""
