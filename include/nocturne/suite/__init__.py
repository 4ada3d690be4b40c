"""The whole suite of tests at once, in shards that share nothing but the project's folder."""
