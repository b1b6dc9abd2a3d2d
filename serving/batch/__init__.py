"""Offline generation with Apache Beam: captions in, pictures and a manifest out."""
