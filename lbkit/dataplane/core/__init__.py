"""Decisions: calls that carry `now` in, commands out. No IO, no clock, no randomness of its own."""
