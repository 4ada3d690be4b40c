"""What the DAGs read and write, as assets.

An asset keeps its name when a server moves, so the hosts here are roles, not addresses; the
schemes are those that OpenLineage turns into datasets.
"""

from airflow.sdk import Asset

LIBRARY = Asset("music_library", "file://nocturne/library")
CATALOGUE = Asset("catalogue", "file://nocturne/catalogue")
FEATURES = Asset("audio_features", "file://nocturne/features")
TRACKS_TOPIC = Asset("tracks.features", "kafka://kafka:9092/tracks.features")
TRACKS = Asset("tracks", "mongodb://mongo:27017/nocturne/tracks")
ACTIVITY_TOPIC = Asset("user_activity", "kafka://kafka:9092/user_activity")
LISTENS = Asset("listens", "mongodb://mongo:27017/nocturne/listens")
MODEL = Asset("cluster_model", "file://nocturne/models")
TASTE = Asset("taste_model", "file://nocturne/taste")
REPORT = Asset("version_report", "file://nocturne/reports")
SIMILAR_TRACKS = Asset("similar_tracks", "mongodb://mongo:27017/nocturne/similar_tracks")
FOR_YOU = Asset("for_you", "mongodb://mongo:27017/nocturne/for_you")
LIVE = Asset("live_version", "mongodb://mongo:27017/nocturne/live")
EXPORT = Asset("catalogue_export", "file://nocturne/exports/output.csv")

TRAINED = [TRACKS, LISTENS, MODEL, TASTE]
TABLES = [SIMILAR_TRACKS, FOR_YOU]
