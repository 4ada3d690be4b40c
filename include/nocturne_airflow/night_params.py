"""What may be said of one run of the nightly DAG, in the trigger form or over the API.

Null: the settings decide, or the run's own day.
"""

from airflow.sdk import Param

from nocturne.settings import LONGEST_HOURS

NIGHT_PARAMS = {
    "audio_folder": Param(None, type=["null", "string"], title="Folder of audio files"),
    "metadata_folder": Param(None, type=["null", "string"], title="Folder of metadata CSV files"),
    "date": Param(None, type=["null", "string"], format="date", title="Day of data"),
    "k_min": Param(None, type=["null", "integer"], minimum=2, title="Smallest number of clusters"),
    "k_max": Param(None, type=["null", "integer"], minimum=2, title="Largest number of clusters"),
    "publish": Param(True, type="boolean", title="Publish the version if it passes the gates"),
    "replace_library": Param(
        False, type="boolean", title="May take the place of another library that is live"
    ),
    "approve": Param(None, type=["null", "boolean"], title="Ask a person before publishing"),
    "approve_hours": Param(
        None,
        type=["null", "number"],
        exclusiveMinimum=0,
        maximum=LONGEST_HOURS,
        title="Hours to wait for the person",
    ),
}
