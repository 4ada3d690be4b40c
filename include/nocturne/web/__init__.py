"""The web app: pages for listeners, the API, and what both stand on."""
