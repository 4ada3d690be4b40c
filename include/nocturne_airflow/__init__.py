"""What Airflow needs to run Nocturne: assets, retry policies, connections, spark-submit."""
