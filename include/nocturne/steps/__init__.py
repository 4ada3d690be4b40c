"""The steps of a night, without Airflow: what its tasks do, and what the benches time and kill.

Each takes settings, servers and the night's values, and answers with a small summary, which later
steps read. What it needs is imported when it is called: a task pays for its own step only.
"""
