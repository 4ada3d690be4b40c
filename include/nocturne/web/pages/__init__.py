"""The pages: what they show, and how they are drawn."""
