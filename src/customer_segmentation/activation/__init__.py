"""Delivers the messages of ``activation_outbox`` to the systems that use the segments."""
