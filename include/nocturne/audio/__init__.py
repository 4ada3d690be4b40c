"""Audio: files decoded, 518 features extracted, bad files set aside, everything kept once."""
