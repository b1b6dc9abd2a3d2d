"""Evaluation of runs and exports; uses the metrics of tfgan2.metrics."""
