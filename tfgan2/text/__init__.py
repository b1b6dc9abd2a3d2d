"""Tokenizers and text encoders: caption strings to sentence embeddings."""
