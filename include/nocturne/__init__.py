"""Nocturne recommends music."""
