"""Memberships of single customers, between builds, from a stream of orders and events."""
