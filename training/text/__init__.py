"""Texts and lists of tokens for transformers' encoders: reading, tokenising, batching, the nets."""
