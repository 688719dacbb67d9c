"""Runs under fire: real processes killed and cut off at random, and the proof that nothing was lost."""
