"""The live recommender: what listeners do now, and the three tracks that each is shown for it."""
