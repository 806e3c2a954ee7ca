"""Bytes to meaning and back. No IO."""
