"""The pages in a real browser, over the real servers: what a listener sees and does."""

import signal
import time

import pytest
from made_library import ARABIC, COUNT, HOSTILE, SCRIPT, TRACKS, VERSION, name_track
from running_site import serving

from nocturne.store.collections import connect
from nocturne.store.tokens import make_token
from nocturne.web.pages.rendering import choose_hue

pytestmark = [pytest.mark.browser, pytest.mark.integration]
PLOTS = {"chroma_cqt", "mfcc", "spectral_contrast", "tonnetz"}
CARDS = "#recommendations .card"


def open_home(served, browse, listener, **options):
    """The listener's page, live."""
    page = browse(**options)
    page.goto(served.home(listener))
    page.wait_for_selector("#connection[data-state=live]")
    return page


def read_cards(page):
    return page.eval_on_selector_all(CARDS, "cards => cards.map(card => card.dataset.trackId)")


def read_seq(page):
    return int(page.get_attribute("#recommendations", "data-seq"))


def act(page, action, place=0):
    """Press a card's button; the track that it was about."""
    track_id = read_cards(page)[place]
    page.click(f'{CARDS}[data-track-id="{track_id}"] [data-action={action}]')
    return track_id


def wait_for_newer(page, seq):
    page.wait_for_function(
        "seq => Number(document.getElementById('recommendations').dataset.seq) > seq", arg=seq
    )
    return read_cards(page)


def test_a_like_changes_the_three_without_reload(served, browse):
    page = open_home(served, browse, "liker-of-songs")
    page.evaluate("window.neverReloaded = true")
    before, seq = read_cards(page), read_seq(page)
    assert before == TRACKS[4:7]
    liked = act(page, "like")
    after = wait_for_newer(page, seq)
    assert liked not in after
    assert after != before
    assert len(set(after)) == 3
    assert "because you liked" in page.inner_text("#recommendations")
    hues = page.eval_on_selector_all(
        f"{CARDS} .cover",
        "covers => covers.map(one => Number(one.style.getPropertyValue('--hue')))",
    )
    assert hues == [choose_hue(track_id) for track_id in after], "as the server chooses them"
    assert page.evaluate("window.neverReloaded")


def test_everybody_has_a_list_of_their_own(served, browse):
    ann = open_home(served, browse, served.ann)
    bob = open_home(served, browse, served.bob)
    anns, bobs = read_cards(ann), read_cards(bob)
    assert (anns, bobs) == (TRACKS[12:15], TRACKS[20:23])
    hidden = act(ann, "hide")
    assert hidden not in wait_for_newer(ann, 0)
    time.sleep(1)
    assert (read_cards(bob), read_seq(bob)) == (bobs, 0)
    bob.goto(served.address)
    assert read_cards(bob) == bobs, "the browser remembers who is listening"


def test_the_three_come_back_when_the_recommender_does(served, browse):
    page = open_home(served, browse, "patient")
    lists = [read_cards(page)]
    skipped = act(page, "skip")
    lists.append(wait_for_newer(page, 0))
    seq = read_seq(page)
    served.end_recommender(signal.SIGTERM)
    page.wait_for_selector("#connection[data-state=alone]")
    assert "no recommender" in page.inner_text("#connection")
    liked, hidden = act(page, "like"), act(page, "hide", 1)
    page.wait_for_function("() => document.getElementById('said').textContent.includes('kept')")
    assert (read_seq(page), read_cards(page)) == (seq, lists[-1])
    served.start_recommender()
    page.wait_for_selector("#connection[data-state=live]")
    lists.append(wait_for_newer(page, seq))
    page.wait_for_function(
        "gone => !document.querySelector(`#recommendations [data-track-id='${gone}']`)", arg=hidden
    )
    lists.append(read_cards(page))
    assert not {skipped, liked, hidden} & set(lists[-1])
    assert [len(set(shown)) for shown in lists] == [3] * len(lists)


def test_what_could_not_be_sent_is_sent_again_as_the_same_event(served, browse):
    page = open_home(served, browse, "offline-for-a-while")
    sent = []
    page.on("request", lambda asked: asked.method == "POST" and sent.append(asked.post_data_json))
    page.route("**/api/v1/events", lambda route: route.fulfill(status=503, json={"detail": "No."}))
    liked = act(page, "like")
    page.wait_for_selector("#unsent")
    assert "No." in page.inner_text("#unsent")
    page.unroute("**/api/v1/events")
    page.click("#send-again")
    assert liked not in wait_for_newer(page, 0)
    assert page.is_hidden("#unsent")
    assert sent[0] == sent[1]
    assert (sent[0][0]["action"], sent[0][0]["track_id"]) == ("like", liked)


def test_what_could_not_be_sent_waits_in_the_browser_and_goes_by_itself(served, browse):
    page = open_home(served, browse, "comes-back-later")
    page.route("**/api/v1/events", lambda route: route.abort())
    liked = act(page, "like")
    page.wait_for_selector("#unsent")
    page.reload()
    page.wait_for_selector("#unsent")
    assert "One thing" in page.inner_text("#unsent")
    page.unroute("**/api/v1/events")
    assert liked not in wait_for_newer(page, 0)
    page.wait_for_selector("#unsent", state="hidden")
    assert page.evaluate("Object.keys(localStorage).filter(key => key.includes('unsent'))") == []


def test_what_the_server_can_never_take_does_not_hold_up_the_rest(served, browse):
    page = open_home(served, browse, "with-a-wrong-clock")
    page.route("**/api/v1/events", lambda route: route.abort())
    liked, skipped = act(page, "like"), act(page, "skip", 1)
    page.wait_for_selector("#unsent")
    page.evaluate(
        """() => {
            const name = Object.keys(localStorage).find(key => key.includes('unsent'));
            const events = JSON.parse(localStorage.getItem(name));
            events[0].at = '2099-01-01T00:00:00Z';
            localStorage.setItem(name, JSON.stringify(events));
        }"""
    )
    page.unroute("**/api/v1/events")
    assert skipped not in wait_for_newer(page, 0)
    assert "not taken" in page.inner_text("#unsent")
    assert liked


def test_a_deed_is_the_deed_of_whom_the_page_is_for(served, browse):
    """Whoever another tab of the browser was opened for since."""
    page = open_home(served, browse, served.ann)
    other = page.context.new_page()
    other.goto(served.home(served.bob))
    page.click(f"{CARDS} .title")
    page.wait_for_selector("#track")
    sent = []
    page.on("request", lambda asked: asked.method == "POST" and sent.append(asked.post_data_json))
    page.click("[data-action=like]")
    page.wait_for_function("() => document.getElementById('said').textContent.includes('Liked')")
    assert [event["user_id"] for event in sent[0]] == [served.ann]
    page.click("nav a")
    page.wait_for_selector("#listener-name")
    assert page.inner_text("#listener-name") == served.ann


def test_an_arrow_key_moves_by_five_seconds(served, browse):
    page = open_home(served, browse, "seeks-by-keys")
    act(page, "play")
    page.wait_for_selector("#player:not([hidden])")
    assert seek(page, 60, "ArrowRight", "ArrowRight", "ArrowLeft") == [5, 10, 5]
    assert seek(page, 8, "ArrowUp", "ArrowUp", "ArrowDown", "ArrowDown") == [5, 8, 3, 0]
    assert seek(page, 100, "PageUp", "End", "PageDown") == [30, 100, 70]


def seek(page, length, *keys):
    """Where a song of so many seconds is after each key on its bar; the tests' own are shorter."""
    page.evaluate(
        """length => {
            let now = 0;
            const audio = document.getElementById('audio');
            audio.pause();
            Object.defineProperties(audio, {
                duration: { configurable: true, get: () => length },
                currentTime: { configurable: true, get: () => now, set: (to) => { now = to; } },
            });
        }""",
        length,
    )
    places = []
    for key in keys:
        page.press("#position", key)
        places.append(page.evaluate("document.getElementById('audio').currentTime"))
    return places


def test_search_by_keyboard_leads_to_a_song_that_plays(served, browse):
    page = browse()
    page.goto(served.address)
    page.keyboard.press("/")
    page.keyboard.type("song 1", delay=20)
    page.wait_for_selector("#search-found [role=option]")
    assert page.get_attribute("#search-text", "aria-expanded") == "true"
    page.keyboard.press("Escape")
    assert page.is_hidden("#search-found")
    page.keyboard.press("ArrowDown")
    page.wait_for_selector("#search-found [role=option]")
    page.keyboard.press("ArrowDown")
    active = page.get_attribute("#search-text", "aria-activedescendant")
    track_id = page.get_attribute(f"#{active}", "data-track-id")
    page.keyboard.press("Enter")
    page.wait_for_url(f"**/tracks/{track_id}?listener=*")
    assert page.inner_text("h1") == name_track(track_id)[0]
    drawn = page.eval_on_selector_all("[data-plot]", "plots => plots.map(one => one.dataset.plot)")
    assert set(drawn) == PLOTS
    rows = page.locator(".neighbours tbody tr")
    assert rows.count() == 9
    assert "close in timbre" in rows.first.inner_text()
    assert "0.000" in rows.first.inner_text()
    with page.expect_response("**/audio") as answered:
        page.click("[data-action=play]")
    assert answered.value.status == 206
    page.wait_for_function("() => document.getElementById('audio').currentTime > 0.3")


def test_a_song_that_ends_is_a_listen_and_the_next_one_plays(served, browse):
    page = open_home(served, browse, "listener-to-the-end")
    sent = []
    page.on("request", lambda asked: asked.method == "POST" and sent.append(asked.post_data_json))
    first = act(page, "play")
    page.wait_for_function("() => document.getElementById('audio').currentTime > 0.5")
    after = wait_for_newer(page, 0)
    assert first not in after
    assert [(event["action"], event["track_id"]) for event in sent[0]] == [("listen", first)]
    assert sent[0][0]["ms_played"] == pytest.approx(3000, abs=100)
    page.wait_for_selector(f'.card.is-playing[data-track-id="{after[0]}"]')


def test_titles_that_mean_harm_are_text(served, browse):
    page = open_home(served, browse, "careful")
    shown = page.inner_text("#recommendations")
    assert HOSTILE[SCRIPT][0] in shown
    assert HOSTILE[ARABIC][0] in shown
    act(page, "like", 1)
    wait_for_newer(page, 0)
    for track_id, (title, artist) in HOSTILE.items():
        page.goto(f"{served.address}/tracks/{track_id}")
        assert page.inner_text("h1") == title
        assert page.inner_text(".hero .artist") == artist
    page.goto(f"{served.address}/explore")
    page.hover(f'#scatter [data-track-id="{SCRIPT}"]')
    assert HOSTILE[SCRIPT][0] in page.inner_text("#tip")
    page.fill("#search-text", "script")
    page.keyboard.type(" ")
    page.wait_for_selector("#search-found [role=option]")
    assert HOSTILE[SCRIPT][0] in page.inner_text("#search-found")
    page.goto(f"{served.address}/search?q=%3Cscript%3Ealert(4)%3C/script%3E")
    assert "<script>alert(4)</script>" in page.inner_text("h1")


def test_a_dot_of_the_map_leads_to_its_song(served, browse):
    page = browse()
    page.goto(f"{served.address}/explore")
    assert page.locator("#scatter [data-track-id]").count() == COUNT
    page.click("#legend button >> nth=1")
    assert page.locator("#scatter .off").count() == COUNT // 3
    page.click("#legend button >> nth=1")
    page.click("#nearer")
    page.click("#whole")
    page.click('#scatter [data-track-id="017"]')
    page.wait_for_url("**/tracks/017")
    page.go_back()
    page.focus("#scatter")
    page.keyboard.press("ArrowRight")
    page.wait_for_selector("#tip")
    page.keyboard.press("Enter")
    page.wait_for_url("**/tracks/*")


def test_the_models_page_shows_gates_and_curves(served, browse):
    page = browse()
    page.goto(f"{served.address}/models")
    assert VERSION in page.inner_text("#versions + .scroll")
    assert page.locator("table.gates tbody tr").count() == 2
    assert "✓ nothing to judge" in page.inner_text("table.gates")
    for name in ("distortion", "silhouette"):
        figure = page.locator(f"[data-plot={name}]")
        assert figure.locator(".point").count() == 6
        assert figure.locator(".marked.chosen").count() == 1
    assert page.locator("[data-plot=distortion] .marked.knee").count() == 1
    assert "+0.4000 (+0.3000 to +0.5000)" in page.inner_text("#ranking")
    assert page.inner_text(".reigns li").startswith(VERSION)


@pytest.mark.parametrize("scheme", ["dark", "light"])
def test_a_small_screen_shows_everything_in_either_theme(served, browse, scheme):
    page = browse(viewport={"width": 360, "height": 740}, color_scheme=scheme)
    for path in ("/", f"/tracks/{SCRIPT}", "/explore", "/models", "/search?q=song", "/token"):
        page.goto(served.address + path)
        assert page.evaluate("document.documentElement.scrollWidth") == 360, path
    ground = page.evaluate("getComputedStyle(document.body).backgroundColor")
    brightness = sum(int(part) for part in ground[4:-1].split(","))
    assert (brightness < 200) == (scheme == "dark")


def test_the_theme_that_is_chosen_stays(served, browse):
    page = browse(color_scheme="light")
    page.goto(served.address)
    page.click("#theme")
    page.goto(f"{served.address}/explore")
    assert page.get_attribute("html", "data-theme") == "dark"


def test_everything_is_reached_by_keyboard(served, browse):
    page = open_home(served, browse, "keyboardist")
    reached = []
    for _ in range(20):
        page.keyboard.press("Tab")
        reached.append(page.evaluate("document.activeElement.dataset.action ?? ''"))
    assert [one for one in reached if one][:4] == ["play", "like", "skip", "hide"]
    page.focus("main")
    page.keyboard.press("2")
    second = read_cards(page)[1]
    page.keyboard.press("l")
    assert second not in wait_for_newer(page, 0)
    focus = "document.activeElement.closest('.card') !== null"
    assert page.evaluate(focus), "the keyboard stays where it was"


def test_simulated_listeners_come_and_go(served, browse):
    page = browse()
    page.goto(served.address)
    switch = page.locator("#simulation-switch")
    switch.click()
    page.wait_for_selector("#simulation-switch[aria-checked=true]")
    page.wait_for_function(
        "() => /sent [1-9]/.test(document.getElementById('simulation-said').innerText)"
    )
    switch.click()
    page.wait_for_selector("#simulation-switch[aria-checked=false]")


def test_where_others_can_come_in_a_token_says_who_is_listening(served, servers, chromium):
    name = served.variables["NOCTURNE_MONGO_DATABASE"]
    with connect(servers) as client:
        token = make_token(client[name], "ann's browser", served.ann)
    context = chromium.new_context()
    page = context.new_page()
    with serving(served.variables, "--host", "0.0.0.0") as address:  # noqa: S104
        page.goto(address.replace("0.0.0.0", "127.0.0.1"))  # noqa: S104
        assert page.url.endswith("/token")
        page.fill("#token", "nocturne_guessed")
        page.keyboard.press("Enter")
        page.wait_for_selector("[role=alert]")
        page.fill("#token", token)
        page.keyboard.press("Enter")
        page.wait_for_selector("#connection[data-state=live]")
        assert page.inner_text("#listener-name") == served.ann
        assert page.locator("#listeners option").count() == 0, "others' names are theirs"
        assert token not in page.evaluate("document.cookie")
        answer = page.goto(f"{page.url}?listener={served.bob}")
        assert answer.status == 403
    context.close()


def test_what_is_not_there_is_a_page_too(served, browse, chromium):
    page = chromium.new_page()
    for path, status in {"/tracks/none": 404, "/models/none": 404, "/?listener=a/b": 400}.items():
        answer = page.goto(served.address + path)
        assert answer.status == status, path
        assert page.locator("main h1").count() == 1
    page.close()
