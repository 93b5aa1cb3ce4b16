"""The page over several studies: every kind of study, damaged ones too, without the plotting library."""

import json
import re

from typer.testing import CliRunner

from kpbench.cli.main import app
from kpbench.report.index import Entry, entry_of, index_page
from tests.ablation_rows import study_folder
from tests.report.search.test_page import Page
from tests.verify_rows import verify_folder

EVIL = "</script><script>alert(1)</script>"


def run(*words):
    return CliRunner().invoke(app, ["report", *map(str, words)])


def test_a_page_over_a_folder_names_links_and_answers_every_study(tmp_path):
    study_folder(tmp_path / "norms")
    study_folder(tmp_path / "half", runs=14)
    verify_folder(tmp_path / "both")
    study_folder(tmp_path / "broken")
    (tmp_path / "broken" / "rows.jsonl").write_text("{}\n", encoding="utf-8")
    done = run("--index", tmp_path)
    assert done.exit_code == 0, done.output
    html = (tmp_path / "index.html").read_text(encoding="utf-8")
    page = Page(html)
    links = {attrs["href"] for tag, attrs in page.tags if tag == "a" and not attrs["href"].startswith("#")}
    assert {"norms/report.html", "half/report.html"} <= links and all((tmp_path / link).is_file() for link in links)
    names = re.findall(r'<th scope="row"><a href="#study-\d+">(.*?)</a>', html)
    assert {"norms", "half", "both", "broken"} < set(names) and len(names) == 6  # the two inside the verification
    assert "Norm gains score: −" in page.words and "is damaged" in page.words
    assert "14 of 32 runs" in page.words and "verification" in page.words
    assert "plotly" not in html.lower() and len(html) < 60_000
    pages = {path: path.read_bytes() for path in tmp_path.rglob("report.html")}
    assert run("--index", tmp_path).exit_code == 0
    assert pages == {path: path.read_bytes() for path in tmp_path.rglob("report.html")}  # written where there was none
    assert (tmp_path / "index.html").read_text(encoding="utf-8") == html


def test_several_studies_give_one_page_in_the_order_of_the_command(tmp_path):
    for name in ("b", "a"):
        study_folder(tmp_path / name)
    done = run("b", "a", "--out", tmp_path)
    assert done.exit_code == 0 and done.output.strip() == str(tmp_path / "b+a.html")
    assert re.findall(r"<h2>(\w)</h2>", (tmp_path / "b+a.html").read_text(encoding="utf-8")) == ["b", "a"]
    elsewhere = tmp_path / "pages"
    elsewhere.mkdir()
    assert run("a", "b", "--out", tmp_path, "--to", elsewhere / "x.html").exit_code == 0
    assert 'href="../a/report.html"' in (elsewhere / "x.html").read_text(encoding="utf-8")


def test_what_is_asked_wrongly_is_told():
    from kpbench.errors import UsageError

    for words, said in (
        ((), "name a study"),
        (("a", "--index", "b"), "name a study"),
        (("--index", "nowhere"), "no such folder"),
    ):
        error = run(*words).exception
        assert isinstance(error, UsageError) and said in str(error)


def test_hostile_names_stay_text_and_a_running_study_refreshes():
    page = index_page([Entry(EVIL, "a/report.html", EVIL, EVIL, EVIL, (EVIL,), progress=EVIL, running=True)], EVIL)
    assert page.count("<script") == page.count("</script") == 1
    assert '<meta http-equiv="refresh" content="30">' in page
    assert "refresh" not in index_page([], "nothing")


def test_an_entry_has_the_state_of_its_study(tmp_path):
    study_folder(tmp_path / "half", runs=14)
    one = entry_of(tmp_path / "half", "half", "")
    assert one.kind == "ablation" and not one.running and one.progress.startswith("Not complete: ")
    assert json.loads((tmp_path / "half" / "plan.json").read_text(encoding="utf-8"))["data_name"] in one.on
