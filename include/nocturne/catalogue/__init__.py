"""Metadata and audio files found, checked and merged."""
