"""Tables: columns in, numbers and vocabularies out, and nets made for them."""

from __future__ import annotations
