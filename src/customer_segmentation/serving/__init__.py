"""Answers questions about customers and segments over HTTP, from the published file."""
