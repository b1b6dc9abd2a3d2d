"""Imports published weights of other frameworks."""
