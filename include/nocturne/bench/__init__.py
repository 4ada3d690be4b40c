"""Benches: each measures one part beside its peers, in one run, on servers of its own."""
