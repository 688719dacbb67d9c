"""Language models: reading conversations, encoding them, loading and adapting a causal model, answering."""

from __future__ import annotations
