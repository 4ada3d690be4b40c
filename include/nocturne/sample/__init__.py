"""A synthesised music library with listeners, for a first run without any data."""
