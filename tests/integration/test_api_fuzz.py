"""The API under whatever its OpenAPI document allows, and what it does not: no 500, and no answer
that the document does not describe.
"""

import pytest
import schemathesis
from hypothesis import HealthCheck, given, settings
from hypothesis.errors import Unsatisfiable
from live_library import publish_library
from schemathesis import GenerationMode
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
)
from web_app import make_app

from nocturne.store.collections import connect
from nocturne.web.access import OpenAccess

pytestmark = pytest.mark.integration
CHECKS = [
    not_a_server_error, status_code_conformance, content_type_conformance,
    response_schema_conformance,
]  # fmt: skip
EXAMPLES = 25


@pytest.fixture(scope="module")
def document(servers):
    """The API of an app on a small published library; its streams never end, so without them."""
    kafka = {"bootstrap.servers": servers.kafka_bootstrap}
    with connect(servers) as client:
        database = client["test_fuzzed"]
        publish_library(database, listeners=["anna"])
        app = make_app(servers, kafka, database, lambda _: OpenAccess(), hosted=True)
        found = schemathesis.openapi.from_asgi("/api/v1/openapi.json", app)
        yield found.exclude(path_regex="/stream$")
        app.state.entrance.close()
        client.drop_database(database.name)


@pytest.mark.parametrize("mode", [GenerationMode.POSITIVE, GenerationMode.NEGATIVE])
def test_no_request_makes_it_fail(document, mode):
    tried = []
    for operation in (result.ok() for result in document.get_all_operations()):
        tried.append(f"{operation.method.upper()} {operation.path}")
        fuzz(operation, mode)
    assert len(tried) == 15  # and the streams


def fuzz(operation, mode):
    """Requests as the document describes them, or as it does not allow them."""

    @settings(
        max_examples=EXAMPLES,
        deadline=None,
        derandomize=True,
        suppress_health_check=list(HealthCheck),
    )
    @given(case=operation.as_strategy(generation_mode=mode))
    def ask(case):
        case.call_and_validate(checks=CHECKS)

    try:
        ask()
    except Unsatisfiable:
        assert mode is GenerationMode.NEGATIVE, operation.path
