"""The API: what it answers, and what it refuses."""

import json
from collections import Counter
from urllib.parse import quote

import pytest
from live_library import (
    TRACKS,
    VERSION,
    make_event,
    make_user,
    publish_library,
)
from streams import read_messages, wait_until
from web_app import ELSEWHERE, make_app, open_client

from nocturne.store.tokens import make_token, revoke_token
from nocturne.store.versions import note_version
from nocturne.stream.topics import USER_ACTIVITY
from nocturne.web import access, middleware

pytestmark = pytest.mark.integration
API = "/api/v1"


@pytest.fixture
def library(database, tmp_path):
    publish_library(database, listeners=["anna", "ben"])
    (tmp_path / "audio").mkdir()
    (tmp_path / "audio/000.mp3").write_bytes(bytes(range(200)))
    (tmp_path / "secret.mp3").write_bytes(b"secret")
    note_version(database, VERSION, {"audio_dir": str(tmp_path / "audio")})
    set_audio(database, "000", "000.mp3")
    return database


def set_audio(database, track_id, path):
    database["tracks"].update_one({"_id": track_id}, {"$set": {"metadata.audio_path": path}})


@pytest.fixture
def app(servers, kafka, library):
    return make_app(servers, kafka, library)


@pytest.fixture
def client(app):
    with open_client(app) as opened:
        yield opened


def problem_of(answer, status):
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    problem = answer.json()
    assert problem["status"] == status
    assert problem["detail"]
    assert problem["instance"]
    return problem


def shown(client, user_id, **query):
    answer = client.get(f"{API}/listeners/{user_id}/recommendations", params=query)
    assert answer.status_code == 200, answer.text
    return [track["track_id"] for track in answer.json()["tracks"]]


def test_every_listener_has_a_list_of_their_own(client):
    assert shown(client, "anna") == ["010", "012", "014"]
    assert shown(client, "ben") == ["011", "012", "014"]
    assert shown(client, "somebody else") == ["000", "002", "004"]
    assert shown(client, "anna") == ["010", "012", "014"]


def test_as_many_as_are_asked_for(client):
    assert len(shown(client, "anna", n=20)) == 20
    for wrong in ("51", "0", "three", ""):
        problem = problem_of(client.get(f"{API}/listeners/anna/recommendations?n={wrong}"), 422)
        assert [fault["pointer"] for fault in problem["errors"]] == ["/query/n"]
    problem_of(client.get(f"{API}/listeners/{'a' * 201}/recommendations"), 422)


def test_a_list_follows_the_live_version(client, library):
    assert shown(client, "anna")
    newer = publish_library(library, "2026-11-20.bbbbbbbbbbbb", TRACKS[20:])
    answer = f"{API}/listeners/anna/recommendations"
    wait_until(lambda: client.get(answer).json()["version"] == newer)
    assert not set(shown(client, "anna")) & set(TRACKS[:20])


def test_events_reach_the_topic_by_listener(client, kafka):
    anna = make_user()
    events = [make_event(anna, track_id) for track_id in TRACKS[:3]]
    answer = client.post(f"{API}/events", json=events)
    assert (answer.status_code, answer.json()) == (202, {"accepted": 3})
    sent = [m for m in read_messages(kafka, USER_ACTIVITY.name) if m.key() == anna.encode()]
    assert [json.loads(m.value())["event_id"] for m in sent] == [e["event_id"] for e in events]


@pytest.mark.parametrize(
    "events",
    [
        [],
        [make_event("anna", "000")] * 1001,
        [make_event("anna", "000"), make_event("anna", "000", "dance")],
        [make_event("", "000")],
        [make_event("anna", "000") | {"ms_played": -1}],
        [make_event("anna", "000") | {"at": "yesterday"}],
        [make_event("anna", "000") | {"at": "2026-11-20T08:00:00"}],
        [make_event("anna", "000") | {"more": 1}],
        {"event": 1},
        None,
    ],
)
def test_a_batch_is_taken_whole_or_not_at_all(client, kafka, events):
    before = len(read_messages(kafka, USER_ACTIVITY.name))
    problem = problem_of(client.post(f"{API}/events", json=events), 422)
    assert problem["errors"][0]["pointer"].startswith("/body")
    assert len(read_messages(kafka, USER_ACTIVITY.name)) == before


def test_what_is_no_json_and_what_is_too_large_is_refused(client):
    headers = {"content-type": "application/json"}
    problem_of(client.post(f"{API}/events", content=b"{", headers=headers), 422)
    large = b"[" + b" " * middleware.LARGEST_BODY_BYTES + b"]"
    problem_of(client.post(f"{API}/events", content=large, headers=headers), 413)
    pieces = (large[start : start + 100_000] for start in range(0, len(large), 100_000))
    problem_of(client.post(f"{API}/events", content=pieces, headers=headers), 413)


def test_a_track_and_what_is_like_it(client):
    track = client.get(f"{API}/tracks/000").json()
    assert (track["title"], track["artist"], track["cluster"]) == ("Title 000", "Artist 0", 0)
    assert {series["name"] for series in track["features"]} >= {"mfcc", "chroma_cqt", "tonnetz"}
    assert [len(one["mean"]) for one in track["features"] if one["name"] == "mfcc"] == [20]
    similar = client.get(f"{API}/tracks/000/similar?n=2").json()
    assert [one["track_id"] for one in similar["similar"]] == ["001", "002"]
    assert similar["similar"][1]["distance"] == 0.01
    problem_of(client.get(f"{API}/tracks/nope"), 404)
    problem_of(client.get(f"{API}/tracks/{'x' * 201}"), 422)
    problem_of(client.get(f"{API}/tracks/000/similar?n=0"), 422)


def test_search_while_typing(client):
    found = client.get(f"{API}/search", params={"q": "titl 03", "n": 3}).json()["tracks"]
    assert [track["track_id"] for track in found] == ["030", "031", "032"]
    assert client.get(f"{API}/search", params={"q": ""}).json() == {
        "tracks": [],
        "guessed": False,
    }
    misspelt = client.get(f"{API}/search", params={"q": "tilte 030"}).json()
    assert (misspelt["guessed"], misspelt["tracks"][0]["track_id"]) == (True, "030")


def test_songs_by_their_names(client):
    songs = [{"track_name": "Titel 007", "artists": ["Artist 3"]}, {"track_name": "Title"}]
    answer = client.post(f"{API}/recommend_songs", json=songs, params={"n": 4}).json()
    first, second = answer["matched"]
    assert (first["track"]["track_id"], first["guessed"]) == ("007", True)
    assert second["track"] is None
    assert len(second["candidates"]) == 5
    assert [one["track_id"] for one in answer["recommendations"]] == ["008", "009", "010", "011"]
    problem_of(client.post(f"{API}/recommend_songs", json=[]), 422)
    problem_of(client.post(f"{API}/recommend_songs", json=songs * 26), 422)


def test_audio_in_ranges(client):
    address = f"{API}/tracks/000/audio"
    whole = client.get(address)
    assert (whole.status_code, whole.content) == (200, bytes(range(200)))
    part = client.get(address, headers={"range": "bytes=10-19"})
    assert (part.status_code, part.content) == (206, bytes(range(10, 20)))
    assert part.headers["content-range"] == "bytes 10-19/200"
    assert client.get(address, headers={"range": "bytes=500-"}).status_code == 416


@pytest.mark.parametrize(
    "path",
    ["../secret.mp3", "/etc/hostname", "link.mp3", "000.txt", "", None, "nul\0.mp3", ".", "no.mp3"],
)
def test_audio_comes_from_the_library_only(client, library, tmp_path, path):
    (tmp_path / "audio/link.mp3").symlink_to(tmp_path / "secret.mp3")
    (tmp_path / "audio/000.txt").write_text("text")
    set_audio(library, "001", path)
    problem_of(client.get(f"{API}/tracks/001/audio"), 404)


@pytest.mark.parametrize("track_id", ["..%2F..%2Fsecret", "%2e%2e", "000%00", "..%5Csecret"])
def test_an_id_is_no_path(client, track_id):
    assert client.get(f"{API}/tracks/{track_id}/audio").status_code in (404, 422)


def test_versions_and_who_was_live_when(client, library):
    newer = publish_library(library, "2026-11-20.bbbbbbbbbbbb", TRACKS[20:])
    found = client.get(f"{API}/versions").json()
    assert found["live"] == newer
    assert [one["version"] for one in found["versions"]] == [newer, VERSION]
    current, before = found["history"]
    assert (current["version"], current["until"]) == (newer, None)
    assert before["until"] == current["since"]
    assert client.get(f"{API}/versions/{newer}").json()["live"] is True
    problem_of(client.get(f"{API}/versions/nope"), 404)
    problem_of(client.get(f"{API}/versions/{newer}/map"), 404)


def test_health_and_metrics(client):
    for prefix in ("", API):
        assert client.get(f"{prefix}/health/live").json()["status"] == "ok"
        assert client.get(f"{prefix}/health/ready").status_code == 200
    shown(client, "anna")
    told = client.get("/metrics").text
    route = "/listeners/{user_id}/recommendations"
    assert f'nocturne_requests_total{{method="GET",route="{API}{route}",status="200"}}' in told
    assert "nocturne_request_seconds_bucket" in told
    assert "nocturne_open_streams 0.0" in told
    before = read_metric(client, "nocturne_events_total")
    assert post(client, make_event("anna", "000")).status_code == 202
    assert read_metric(client, "nocturne_events_total") == before + 1


def read_metric(client, name):
    return next(
        float(line.split()[1])
        for line in client.get("/metrics").text.splitlines()
        if line.startswith(f"{name} ")
    )


def test_before_anything_was_published(servers, kafka, database):
    with open_client(make_app(servers, kafka, database)) as client:
        problem_of(client.get(f"{API}/listeners/anna/recommendations"), 404)
        problem_of(client.get(f"{API}/search?q=a"), 404)
        ready = client.get("/health/ready")
        assert (ready.status_code, ready.json()["checks"]["version"]) == (
            503, "nothing was published yet",
        )  # fmt: skip


def test_without_its_database_it_says_so_and_lives(servers, kafka, library, free_port):
    uri = f"mongodb://127.0.0.1:{free_port}/?serverSelectionTimeoutMS=200"
    with open_client(make_app(servers, kafka, library, mongo_uri=uri)) as client:
        answer = client.get(f"{API}/listeners/anna/recommendations")
        problem_of(answer, 503)
        assert answer.headers["retry-after"]
        assert client.get("/health/live").status_code == 200


def test_too_many_requests(servers, kafka, library):
    with open_client(make_app(servers, kafka, library, web_requests=3)) as client:
        left = [client.get(f"{API}/versions").headers["x-ratelimit-remaining"] for _ in range(3)]
        assert left == ["2", "1", "0"]
        refused = client.get(f"{API}/versions")
        problem_of(refused, 429)
        assert refused.headers["x-ratelimit-limit"] == "3"
        assert 0 < int(refused.headers["retry-after"]) <= 60
        assert client.get("/health/live").status_code == 200


def post(client, event, **headers):
    return client.post(f"{API}/events", json=[event], headers=headers)


def test_other_sites_pages_may_not_act(client):
    event = make_event("anna", "000")
    problem_of(post(client, event, origin="http://evil.example"), 403)
    problem_of(post(client, event, origin="null"), 403)
    assert post(client, event, origin="http://127.0.0.1:5000").status_code == 202


def test_names_that_others_chose_do_not_lead_here(app):
    with open_client(app, base_url="http://evil.example:5000") as client:
        problem_of(client.get(f"{API}/versions"), 421)


@pytest.fixture
def abroad(servers, kafka, library):
    """The app where others reach it."""
    app = make_app(servers, kafka, library, web_host="0.0.0.0")  # noqa: S104
    with open_client(app, ELSEWHERE, base_url="http://music.example") as client:
        yield client


def bearer(token):
    return {"authorization": f"Bearer {token}"}


def test_abroad_a_token_is_needed_for_what_is_personal(abroad, library):
    assert abroad.get(f"{API}/tracks/000").status_code == 200
    assert abroad.get(f"{API}/search?q=title").status_code == 200
    for headers in ({}, bearer("wrong"), {"authorization": "Basic abc"}):
        answer = abroad.get(f"{API}/listeners/anna/recommendations", headers=headers)
        problem_of(answer, 401)
        assert answer.headers["www-authenticate"].startswith("Bearer")
        problem_of(post(abroad, make_event("anna", "000"), **headers), 401)
        problem_of(abroad.get(f"{API}/listeners/anna/stream", headers=headers), 401)
        answer = abroad.put(f"{API}/simulation", json={"running": False}, headers=headers)
        problem_of(answer, 401)


def test_a_token_speaks_for_its_listener_only(abroad, library):
    mine = bearer(make_token(library, "phone", "anna"))
    address = f"{API}/listeners/{{}}/recommendations"
    assert abroad.get(address.format("anna"), headers=mine).status_code == 200
    problem_of(abroad.get(address.format("ben"), headers=mine), 403)
    assert post(abroad, make_event("anna", "000"), **mine).status_code == 202
    problem_of(post(abroad, make_event("ben", "000"), **mine), 403)
    problem_of(abroad.put(f"{API}/simulation", json={"running": False}, headers=mine), 403)
    anybodys = bearer(make_token(library, "operator", None))
    assert abroad.get(address.format("ben"), headers=anybodys).status_code == 200
    answer = abroad.put(f"{API}/simulation", json={"running": False}, headers=anybodys)
    assert answer.json()["running"] is False


def test_a_token_is_stored_as_a_hash_and_can_be_taken_back(abroad, library, monkeypatch):
    monkeypatch.setattr(access, "KNOWN_SECONDS", 0)
    token = make_token(library, "phone", None)
    assert token not in str(list(library["tokens"].find()))
    revoke_token(library, "phone")
    answer = abroad.get(f"{API}/listeners/anna/recommendations", headers=bearer(token))
    problem_of(answer, 401)


def count_events(kafka):
    """By listener."""
    return Counter(message.key() for message in read_messages(kafka, USER_ACTIVITY.name))


def test_simulated_listeners_come_and_go(client, kafka):
    before = count_events(kafka)
    order = {"running": True, "listeners": 5, "rate": 50}
    assert client.put(f"{API}/simulation", json=order).json()["running"] is True
    wait_until(lambda: client.get(f"{API}/simulation").json()["sent"] >= 20)
    assert client.put(f"{API}/simulation", json={"running": False}).json()["running"] is False
    sent = client.get(f"{API}/simulation").json()["sent"]
    new = count_events(kafka) - before
    assert new.total() == sent
    assert set(new) <= {b"simulated-%03d" % number for number in range(1, 6)}
    assert client.get(f"{API}/simulation").json()["sent"] == sent
    problem_of(client.put(f"{API}/simulation", json={"running": True, "rate": 0}), 422)


def test_answers_are_safe_in_a_browser(client):
    for address in ("/", f"{API}/versions", f"{API}/nope", "/metrics"):
        headers = client.get(address).headers
        assert "default-src 'self'" in headers["content-security-policy"]
        assert headers["x-content-type-options"] == "nosniff"


def test_openapi_describes_every_route(client):
    paths = client.get(f"{API}/openapi.json").json()["paths"]
    told = paths[f"{API}/listeners/{{user_id}}/recommendations"]["get"]["parameters"]
    assert [(one["name"], one["in"]) for one in told] == [("user_id", "path"), ("n", "query")]
    assert {path.removeprefix(API) for path in paths} == {
        "/events", "/health/live", "/health/ready", "/listeners/{user_id}/recommendations",
        "/listeners/{user_id}/stream", "/metrics", "/recommend_songs", "/search", "/simulation",
        "/tracks/{track_id}", "/tracks/{track_id}/audio", "/tracks/{track_id}/similar",
        "/versions", "/versions/{version}", "/versions/{version}/map",
    }  # fmt: skip


# What browsers and crawlers ask


def test_audio_that_is_there_already_is_not_sent_again(client):
    address = f"{API}/tracks/000/audio"
    first = client.get(address)
    assert first.headers["cache-control"] == "private, no-cache"
    for known in (
        {"if-none-match": first.headers["etag"]},
        {"if-none-match": f'"other", W/{first.headers["etag"]}'},
        {"if-modified-since": first.headers["last-modified"]},
    ):
        again = client.get(address, headers=known)
        assert (again.status_code, again.content) == (304, b"")
    other = {"if-none-match": '"other"', "if-modified-since": first.headers["last-modified"]}
    assert client.get(address, headers=other).content == first.content
    asked = client.head(address)
    assert (asked.status_code, asked.content) == (200, b"")
    assert asked.headers["content-length"] == str(len(first.content))


PATHS = ("/", "/models", "/tracks/000", "/explore", "/api", f"{API}/tracks/000", f"{API}/versions")


@pytest.mark.parametrize("path", PATHS)
def test_head_answers_as_get_does_without_a_body(client, path):
    got, asked = client.get(path), client.head(path)
    assert (asked.status_code, asked.content) == (got.status_code, b"")
    assert asked.headers["content-type"] == got.headers["content-type"]


@pytest.mark.parametrize("path", [*PATHS, f"{API}/listeners/anna/recommendations"])
def test_what_is_personal_is_kept_nowhere(client, path):
    assert client.get(path).headers["cache-control"] == "private, no-store"


@pytest.mark.parametrize("path", ["/no/such/page", "/tracks", "/models/1/2"])
def test_an_unknown_address_is_a_page_for_people(client, path):
    page = client.get(path, headers={"accept": "text/html,*/*"})
    assert (page.status_code, page.headers["content-type"]) == (404, "text/html; charset=utf-8")
    assert "<h1" in page.text
    problem_of(client.get(path), 404)
    problem_of(client.get(f"{API}{path}", headers={"accept": "text/html"}), 404)


@pytest.mark.parametrize("kind", [None, "text/plain", "application/x-www-form-urlencoded", "json"])
@pytest.mark.parametrize("path", ["/events", "/recommend_songs"])
def test_what_says_that_it_is_no_json_is_refused_as_that(client, path, kind):
    headers = {"content-type": kind} if kind else {}
    problem_of(client.post(f"{API}{path}", content=b"[]", headers=headers), 415)


@pytest.mark.parametrize("kind", ["application/json; charset=utf-8", "application/JSON"])
def test_json_is_known_with_its_parameters(client, kind):
    event = json.dumps([make_event("anna", "000")])
    answer = client.post(f"{API}/events", content=event, headers={"content-type": kind})
    assert answer.status_code == 202


def test_text_is_compressed_and_streams_and_sound_are_not(client):
    page = client.get("/explore", headers={"accept-encoding": "gzip"})
    assert page.headers["content-encoding"] == "gzip"
    plain = client.get("/explore", headers={"accept-encoding": "identity"})
    assert "content-encoding" not in plain.headers


def test_the_api_is_described_for_people(client):
    page = client.get("/api").text
    described = client.get(f"{API}/openapi.json").json()
    for path, methods in described["paths"].items():
        for method in methods:
            assert f"{method.upper()} {path}" in page


def test_times_that_cannot_be_are_told_with_their_place(client):
    for at in ("2099-01-01T00:00:00Z", "1970-01-01T00:00:00Z", 0, -1, "now"):
        problem_of(client.post(f"{API}/events", json=[make_event("anna", "000") | {"at": at}]), 422)


def test_a_listeners_name_is_one_however_it_is_spelt(client):
    composed, decomposed = "Ren\u00e9e", "Rene\u0301e"
    assert post(client, make_event(decomposed, "000", "hide")).status_code == 202
    for name in (composed, decomposed):
        shown = client.get(f"{API}/listeners/{name}/recommendations").json()
        assert shown["user_id"] == composed


@pytest.mark.parametrize("name", ["a/b", "a\0b", "a\nb", "", "x" * 201, "\x1b[31m"])
def test_a_name_that_nobody_can_have_is_refused_by_all_who_write_and_read(client, name):
    problem_of(post(client, make_event(name, "000")), 422)
    assert client.get("/", params={"listener": name}).status_code == 400
    if name and "/" not in name:
        asked = client.get(f"{API}/listeners/{quote(name, safe='')}/recommendations")
        problem_of(asked, 422)


def test_versions_come_in_pages(client, library):
    everything = client.get(f"{API}/versions").json()["versions"]
    model = library["models"].find_one()
    for day in ("2020-01-01", "2020-01-02", "2020-01-03"):
        library["models"].insert_one({**model, "_id": f"{day}.x", "data_date": day})
    page = client.get(f"{API}/versions", params={"first": len(everything), "n": 2}).json()
    assert [one["version"] for one in page["versions"]] == ["2020-01-03.x", "2020-01-02.x"]
    assert page["live"] == VERSION
    problem_of(client.get(f"{API}/versions", params={"n": 101}), 422)
