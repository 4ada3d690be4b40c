"""Errors as RFC 9457 problem documents."""

import logging
from collections.abc import Mapping, Sequence
from http import HTTPStatus
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from pydantic import BaseModel, ConfigDict
from pymongo.errors import PyMongoError
from starlette.exceptions import HTTPException

from nocturne.errors import BadInput, NocturneError, ServiceUnavailable

log = logging.getLogger(__name__)
MEDIA_TYPE = "application/problem+json"
# What did not come in time is worth asking for again after this.
RETRY_SECONDS = 2
SHOWN_FAULTS = 20


class Fault(BaseModel):
    """What is wrong with one part of a request; `pointer` is its place, as in /body/0/track_id."""

    pointer: str
    detail: str


class ProblemDocument(BaseModel):
    """RFC 9457; `type` about:blank says that `title` is the status's own."""

    model_config = ConfigDict(extra="forbid")

    type: str = "about:blank"
    title: str
    status: int
    detail: str
    instance: str
    errors: list[Fault] = []


class Problem(Exception):
    """Ends a request with a problem document."""

    def __init__(self, status: int, detail: str, headers: Mapping[str, str] | None = None) -> None:
        super().__init__(detail)
        self.status = status
        self.detail = detail
        self.headers = dict(headers or {})


def describe_problem(
    status: int,
    detail: str,
    instance: str,
    errors: Sequence[Fault] = (),
    headers: Mapping[str, str] | None = None,
) -> JSONResponse:
    document = ProblemDocument(
        title=HTTPStatus(status).phrase,
        status=status,
        detail=detail,
        instance=instance,
        errors=list(errors),
    )
    return JSONResponse(document.model_dump(), status, headers, MEDIA_TYPE)


def responses(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """What OpenAPI says of these statuses."""
    schema = {"$ref": "#/components/schemas/ProblemDocument"}
    return {
        status: {
            "description": HTTPStatus(status).phrase,
            "model": ProblemDocument,
            "content": {MEDIA_TYPE: {"schema": schema}},
        }
        for status in statuses
    }


def answer_problem(request: Request, error: Exception) -> JSONResponse:
    status, detail, headers = judge(error)
    if status >= HTTPStatus.INTERNAL_SERVER_ERROR:
        log.warning("%s %s: %s", request.method, request.url.path, error)
    return describe_problem(status, detail, request.url.path, headers=headers)


def judge(error: Exception) -> tuple[int, str, Mapping[str, str] | None]:
    """Status, detail and headers that an error becomes."""
    if isinstance(error, Problem):
        return error.status, error.detail, error.headers
    if isinstance(error, HTTPException):
        return error.status_code, str(error.detail), error.headers
    if isinstance(error, BadInput):
        return HTTPStatus.NOT_FOUND, str(error), None
    again = {"Retry-After": str(RETRY_SECONDS)}
    if isinstance(error, ServiceUnavailable):
        return HTTPStatus.SERVICE_UNAVAILABLE, str(error), again
    if isinstance(error, PyMongoError):
        return HTTPStatus.SERVICE_UNAVAILABLE, "The database does not answer.", again
    return HTTPStatus.INTERNAL_SERVER_ERROR, str(error), None


def answer_invalid(request: Request, error: RequestValidationError) -> JSONResponse:
    """What the request says, not what it holds: it may be long, or somebody's token."""
    faults = [
        Fault(pointer="/" + "/".join(str(part) for part in fault["loc"]), detail=fault["msg"])
        for fault in error.errors()[:SHOWN_FAULTS]
    ]
    status = HTTPStatus.UNPROCESSABLE_ENTITY
    detail = f"{len(error.errors())} parts of the request are not what they must be."
    return describe_problem(status, detail, request.url.path, faults)


def answer_bug(request: Request, error: Exception) -> JSONResponse:
    """What nobody expected; the traceback goes into the log, not to the client."""
    log.error("%s %s failed", request.method, request.url.path, exc_info=error)
    detail = "Something failed that should not; the server's log says what."
    return describe_problem(HTTPStatus.INTERNAL_SERVER_ERROR, detail, request.url.path)


def handle_problems(app: FastAPI) -> None:
    for kind in (Problem, HTTPException, NocturneError, PyMongoError):
        app.add_exception_handler(kind, answer_problem)
    app.add_exception_handler(RequestValidationError, answer_invalid)  # type: ignore[arg-type]
    app.add_exception_handler(Exception, answer_bug)
