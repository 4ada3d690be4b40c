"""The page is parsed as a browser would, and what its tables and figures hold is compared."""

import json
from html.parser import HTMLParser

import numpy as np
import pytest
from plotly.offline import get_plotlyjs

from nocturne.models.figures import COLOURS, mark
from nocturne.models.projection import project_tracks
from nocturne.models.report import describe_gates_markdown, format_figure, write_report

NASTY = "</script><b>1|x</b>"


def clustering(k, **figures):
    usual = {"distortion": 900.0 / k, "silhouette": k / 10, "largest_share": 0.3}
    return {"k": k, **usual, "calinski_harabasz": 50.0 - k, "stability": 0.8, **figures}


def verdict(rule, passed=True, value=1.0, threshold=2.0, meaning="it is well"):
    return {
        **{"rule": rule, "value": value, "threshold": threshold},
        **{"passed": passed, "meaning": meaning},
    }


def describe_model(**changes):
    clusterings = [clustering(k) for k in (2, 3, 4)]
    return {
        "_id": "2026-11-18.abc",
        "data_date": "2026-11-18",
        "run_id": "scheduled__2026-11-19T02:00:00+00:00",
        "state": "checked",
        "inputs": {"sha256": "f" * 64, "tracks": 1234, "listens": 5, "recipe": {"k_min": 2}},
        "verdicts": [verdict("tracks", value=1234), verdict("clusters.silhouette", value=None)],
        "clustering": {
            "tracks": 1234,
            "sweep_tracks": 1000,
            "chosen": {"k": 3, "knee": 3, "reason": "the knee of the distortion"},
            "clusterings": clusterings,
            "final": clusterings[1] | {"largest_share": 0.3456},
            "explained_variance": [0.5, 0.25, 0.125],
        },
        **changes,
    }


RANKING = {
    "judged": 40,
    "models": [
        {"model": "popularity", "ndcg@10": 0.06, "coverage": 0.02, "ndcg@10_by_seed": [0.06]},
        {
            **{"model": "nocturne", "ndcg@10": 0.21, "coverage": 0.09, "ndcg@10_by_seed": [0.21]},
            "over_popularity": {"ndcg@10": {"difference": 0.15, "low": 0.14, "high": 0.161}},
        },
    ],
    "chosen": {"alpha": 2.0, "shares": {"als": 0.5}},
}


class Page(HTMLParser):
    """`tables` by id as lists of rows of texts; `ids`, `scripts` and `text` of the page."""

    def __init__(self, source):
        super().__init__()
        self.tables, self.ids, self.scripts, self.tags = {}, set(), [], []
        self.text, self.open, self.row = "", [], None
        self.feed(source)
        self.close()

    def handle_starttag(self, tag, attrs):
        attrs = dict(attrs)
        self.tags.append((tag, attrs))
        self.ids.add(attrs.get("id"))
        self.open.append(tag)
        if tag == "table":
            self.rows = self.tables[attrs["id"]] = []
        elif tag == "tr":
            self.rows.append([])
        elif tag in ("td", "th"):
            self.rows[-1].append("")
        elif tag == "script":
            self.scripts.append("")

    def handle_endtag(self, tag):
        if tag in self.open:
            while self.open.pop() != tag:
                pass

    def handle_data(self, data):
        if "script" in self.open:
            self.scripts[-1] += data
        elif "style" not in self.open:
            self.text += data
            if self.open[-1:] in (["td"], ["th"]):
                self.rows[-1][-1] += data

    def figure(self, name):
        """The traces and the layout that Plotly is given for the figure in this element."""
        call = next(
            script for script in self.scripts if "newPlot(" in script and f'"{name}"' in script
        )
        start = call.index("[", call.index("newPlot("))
        data, end = json.JSONDecoder().raw_decode(call, start)
        layout, _ = json.JSONDecoder().raw_decode(call, call.index("{", end))
        return data, layout


@pytest.fixture
def write(tmp_path):
    """Write the page of a model and parse it."""

    def write_and_read(model, projection=None):
        model_dir = tmp_path / "model"
        model_dir.mkdir(exist_ok=True)
        if projection is not None:
            projection.to_parquet(model_dir / "projection.parquet", index=False)
        return Page(write_report(tmp_path / "reports", "run", model, model_dir).read_text("utf-8"))

    return write_and_read


def project(track_ids=("a", "b", "c", "d"), labels=(0, 1, 1, 2)):
    points = np.arange(3.0 * len(track_ids)).reshape(-1, 3)
    return project_tracks(track_ids, points, None if labels is None else np.array(labels))


def test_the_page_says_what_the_state_means(write):
    page = write(describe_model())
    assert "Model 2026-11-18.abc" in page.text
    assert "every gate let it pass; readers get it once it is published" in page.text
    assert "1,234" in page.text
    assert "f" * 64 not in page.text


def test_refusals_come_first_and_are_marked_in_words(write):
    verdicts = [
        verdict("tracks", value=1234, threshold=2),
        verdict("clusters.largest_share", passed=False, value=0.98765, threshold=0.5),
        verdict("clusters.silhouette", value=0.3, threshold=None),
    ]
    page = write(describe_model(state="refused", verdicts=verdicts))
    assert page.tables["gate-table"] == [
        ["Rule", "Value", "Threshold", "Verdict", "What it means to pass"],
        ["clusters.largest_share", "0.9877", "0.5", "✗ refused", "it is well"],
        ["tracks", "1,234", "2", "✓ passed", "it is well"],
        ["clusters.silhouette", "0.3", "-", "✓ nothing to judge", "it is well"],
    ]
    assert "what was live before stays live" in page.text
    assert "1 of 3 rules refuse this version" in page.text


def test_rankings_are_ordered_and_have_their_intervals(write):
    page = write(describe_model(ranking=RANKING))
    assert page.tables["ranking-table"] == [
        ["Model", "ndcg@10", "coverage", "ndcg@10 over popularity"],
        ["nocturne", "0.21", "0.09", "+0.1500 (+0.1400 to +0.1610)"],
        ["popularity", "0.06", "0.02", "-"],
    ]
    assert "40 listeners judged" in page.text
    assert "alpha = 2.0, shares (als = 0.5)" in page.text


@pytest.mark.parametrize("ranking", [None, {}, {"judged": 0, "models": []}])
def test_without_listeners_the_page_says_so(write, ranking):
    page = write(describe_model(ranking=ranking))
    assert "ranking-table" not in page.tables
    assert "too few listeners have been heard" in page.text


def test_the_elbow_marks_the_knee_and_the_chosen_k(write):
    model = describe_model()
    model["clustering"]["chosen"] = {"k": 4, "knee": 3, "reason": "the best silhouette"}
    page = write(model)
    curve, knee, chosen = page.figure("elbow-figure")[0]
    assert (curve["x"], curve["y"]) == ([2, 3, 4], [450.0, 300.0, 225.0])
    assert (knee["x"], knee["y"], knee["name"]) == ([3], [300.0], "knee: k = 3")
    assert (chosen["x"], chosen["y"], chosen["name"]) == ([4], [225.0], "chosen: k = 4")
    assert "4 clusters: the best silhouette." in page.text


def test_without_a_knee_the_page_says_so(write):
    model = describe_model()
    reason = "the best silhouette, as the distortion has no knee"
    model["clustering"]["chosen"] = {"k": 2, "knee": None, "reason": reason}
    page = write(model)
    data, layout = page.figure("elbow-figure")
    assert [trace["name"] for trace in data[1:]] == ["chosen: k = 2"]
    assert layout["title"]["text"].startswith("No knee")
    assert reason in page.text


def test_the_scores_over_k_are_drawn_and_tabulated(write):
    page = write(describe_model())
    data, layout = page.figure("scores-figure")
    assert {trace["name"]: trace["y"] for trace in data} == {
        "silhouette": [0.2, 0.3, 0.4],
        "calinski_harabasz": [48.0, 47.0, 46.0],
        "stability": [0.8] * 3,
        "largest_share": [0.3] * 3,
    }
    assert len(layout["annotations"]) == 4
    rows = page.tables["clustering-table"]
    assert [row[0] for row in rows] == ["k", "2", "3 (chosen) (knee)", "4", "3 (all tracks)"]
    assert rows[2] == ["3 (chosen) (knee)", "300", "0.3", "47", "0.8", "0.3"]
    assert rows[4][-1] == "0.3456"


def test_tracks_are_drawn_by_cluster_in_two_and_three_dimensions(write):
    page = write(describe_model(), project())
    flat, layout = page.figure("projection-figure")
    assert [(trace["name"], trace["text"]) for trace in flat] == [
        *[("cluster 0", ["a"]), ("cluster 1", ["b", "c"]), ("cluster 2", ["d"])]
    ]
    assert (flat[1]["x"], flat[1]["y"]) == ([3.0, 6.0], [4.0, 7.0])
    assert layout["xaxis"]["title"]["text"] == "First component (50% of the variance)"
    solid, _ = page.figure("projection-3d-figure")
    assert solid[1]["type"] == "scatter3d"
    assert solid[1]["z"] == [5.0, 8.0]
    assert len({trace["marker"]["color"] for trace in flat}) == 3
    assert len({trace["marker"]["symbol"] for trace in flat}) == 3


def test_tracks_without_a_clustering_are_drawn_all_the_same(write):
    model = describe_model()
    model["clustering"]["chosen"]["k"] = None
    flat, _ = write(model, project(labels=None)).figure("projection-figure")
    assert [(trace["name"], len(trace["x"])) for trace in flat] == [("not clustered", 4)]


def test_a_library_that_is_too_small_has_no_figures(write):
    chosen = {"k": None, "knee": None, "reason": "the library is too small to be clustered"}
    small = {"tracks": 3, "chosen": chosen, "clusterings": [], "final": None}
    page = write(describe_model(clustering=small), project_tracks([], np.empty((0, 0)), None))
    assert "No clusters: the library is too small to be clustered." in page.text
    assert not page.ids & {"elbow", "scores", "projection", "projection-3d"}


def test_a_version_that_was_only_planned_has_a_page(write):
    model = describe_model(state="candidate")
    del model["verdicts"], model["clustering"]
    page = write(model)
    assert "have not judged this version yet" in page.text
    assert page.tables == {}


def test_figures_that_an_older_version_lacks_are_left_out(write):
    model = describe_model()
    for row in model["clustering"]["clusterings"]:
        del row["stability"]
    page = write(model)
    data, _ = page.figure("scores-figure")
    assert next(trace for trace in data if trace["name"] == "stability")["y"] == [None] * 3
    assert page.tables["clustering-table"][1][4] == "-"


def test_data_stays_data(write):
    model = describe_model(run_id=NASTY, verdicts=[verdict(NASTY, meaning=NASTY)])
    model["clustering"]["chosen"]["reason"] = NASTY
    page = write(model, project([NASTY, "b", "c", "d"]))
    assert page.tables["gate-table"][1][0] == NASTY
    assert page.text.count(NASTY) == 4
    texts = [text for trace in page.figure("projection-figure")[0] for text in trace["text"]]
    assert "&lt;/script&gt;&lt;b&gt;1|x&lt;/b&gt;" in texts
    assert "b" not in {tag for tag, _ in page.tags}


def test_the_page_is_accessible_and_needs_no_network(write):
    page = write(describe_model(ranking=RANKING), project())
    tags = {tag for tag, _ in page.tags}
    assert ("html", {"lang": "en"}) in page.tags
    assert {"title", "main", "caption", "figcaption"} <= tags
    assert page.tags.count(("caption", {})) == len(page.tables) == 3
    assert all(attrs["scope"] in ("row", "col") for tag, attrs in page.tags if tag == "th")
    addresses = [attrs[name] for _, attrs in page.tags for name in ("src", "href") if name in attrs]
    assert addresses == ["plotly.min.js"]


def test_one_script_serves_all_pages_and_nothing_is_left_half_written(tmp_path):
    folder = tmp_path / "reports"
    page = write_report(folder, "2026-11-18.abc", describe_model(), tmp_path)
    script = folder / "plotly.min.js"
    written = script.stat().st_mtime_ns
    assert page.name == "2026-11-18.abc.html"
    assert page.stat().st_size < 100_000
    first = page.read_bytes()
    write_report(folder, "other", describe_model(), tmp_path)
    assert script.stat().st_mtime_ns == written
    script.write_text("that of an older plotly")
    assert write_report(folder, page.stem, describe_model(), tmp_path).read_bytes() == first
    assert script.read_text("utf-8") == get_plotlyjs()
    left = {path.name for path in folder.iterdir()}
    assert left == {page.name, "other.html", script.name, ".lock"}


def test_what_a_killed_writer_left_goes_with_the_next(tmp_path):
    folder = tmp_path / "reports"
    folder.mkdir()
    (folder / "run.html.building").write_text("<html>half a pa")
    write_report(folder, "run", describe_model(), tmp_path)
    assert not list(folder.glob("*.building"))


def test_the_gates_as_markdown():
    verdicts = [verdict("tracks", value=1234), verdict("a_b|c", passed=False, meaning="x\n<y>")]
    lines = describe_gates_markdown(describe_model(state="refused", verdicts=verdicts)).split("\n")
    assert lines[0].startswith("**Model 2026-11-18.abc is refused**: a gate refused it")
    assert lines[2:] == [
        "| Rule | Value | Threshold | Verdict | Meaning |",
        "|---|---|---|---|---|",
        r"| a\_b\|c | 1 | 2 | ✗ refused | x \<y\> |",
        "| tracks | 1,234 | 2 | ✓ passed | it is well |",
    ]


def test_without_verdicts_markdown_says_so():
    assert "not judged it yet" in describe_gates_markdown(describe_model(verdicts=[]))


@pytest.mark.parametrize(
    ("value", "text"),
    [(None, "-"), (0.123456, "0.1235"), (5, "5"), (106574.0, "106,574"), (24757.3, "24,757")],
)
def test_figures_are_short(value, text):
    assert format_figure(value) == text


def test_fifty_clusters_can_be_told_apart():
    assert len({tuple(mark(cluster).values()) for cluster in range(5 * len(COLOURS))}) == 50
