"""What Airflow needs to run Nocturne: assets, retry policies, connections, spark-submit."""

from nocturne.plain_text import clean_logs

clean_logs()
