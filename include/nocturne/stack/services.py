"""Where this home's servers are reached; knows their addresses, needs none of their clients."""

from nocturne.settings import Settings
from nocturne.stack.passwords import Passwords, read_passwords
from nocturne.stack.ports import HOST, Ports, read_ports

REPLICA_SET = "nocturne"
MONGO_USER = "nocturne"


def find_services(settings: Settings) -> Settings:
    """The settings with the addresses of this home's stack, as far as it has ever been up."""
    ports, passwords = read_ports(settings.stack_dir), read_passwords(settings.stack_dir)
    return locate_services(settings, ports, passwords) if ports and passwords else settings


def locate_services(settings: Settings, ports: Ports, passwords: Passwords) -> Settings:
    """The settings, with the embedded stack's addresses where none is set."""
    embedded = {
        "kafka_bootstrap": f"{HOST}:{ports.kafka}",
        "mongo_uri": mongo_uri(ports, passwords),
        "airflow_url": f"http://{HOST}:{ports.airflow}",
    }
    missing = {name: value for name, value in embedded.items() if not getattr(settings, name)}
    return settings.model_copy(update=missing)


def mongo_uri(ports: Ports, passwords: Passwords, how: str = f"replicaSet={REPLICA_SET}") -> str:
    return f"mongodb://{MONGO_USER}:{passwords.mongo}@{HOST}:{ports.mongo}/?{how}&authSource=admin"
