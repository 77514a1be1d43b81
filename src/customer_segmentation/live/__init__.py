"""Memberships of single customers, minutes after their orders and visits."""
