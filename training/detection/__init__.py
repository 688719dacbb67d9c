"""Objects in pictures: boxes read, moved and measured, and stock detectors made of a base."""

from __future__ import annotations
