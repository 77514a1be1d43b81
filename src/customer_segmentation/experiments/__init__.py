"""Experiments: how large, who gets which variant, and what came of it."""
