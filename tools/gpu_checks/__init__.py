"""Checks of tools.gpu_report, one file per check; each runs programs in processes of their own."""
