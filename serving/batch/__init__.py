"""Offline generation as an Apache Beam pipeline: captions in, pictures and a manifest out."""
