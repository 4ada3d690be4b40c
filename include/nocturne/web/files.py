"""Files that are sent as they are: parts of them, or word that the browser has them already."""

from collections.abc import Mapping
from pathlib import Path

from fastapi import Request, Response
from fastapi.responses import FileResponse
from starlette.datastructures import Headers
from starlette.staticfiles import NotModifiedResponse

KEEP = "private, no-cache"
"""Browsers keep the file, and ask each time whether it is still the same."""


def send_file(
    request: Request, file: Path, media_type: str | None = None, headers: Mapping[str, str] = {}
) -> Response:
    """The file, in ranges if that is asked; 304 if who asks has it already."""
    told = {"Cache-Control": KEEP, **headers}
    answer = FileResponse(file, headers=told, media_type=media_type, stat_result=file.stat())
    if is_known(request, answer):
        return NotModifiedResponse(Headers(raw=answer.raw_headers))
    return answer


def is_known(request: Request, answer: Response) -> bool:
    """Does the request say that it has this very file?"""
    tags = request.headers.get("if-none-match")
    if tags is None:
        return request.headers.get("if-modified-since") == answer.headers["last-modified"]
    known = {tag.strip().removeprefix("W/") for tag in tags.split(",")}
    return bool(known & {"*", answer.headers["etag"]})
