"""The commands, by what they are about; what they do lives in the rooms."""
