"""`kpbench leaderboard`."""

import json

from tests.leaderboard_files import hand_in, search_folder

TWO = {3: [(110.0, 100.0), (112.0, 144.0)]}


def content(folder):
    return {path: path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}


def test_lines_page_csv_and_json_of_one_folder(kpbench, tmp_path):
    search_folder(tmp_path / "reports" / "one", TWO)
    hand_in(tmp_path / "reports" / "in" / "alice.json", model="alice.pt")
    before = content(tmp_path / "reports")
    code, out, err = kpbench("leaderboard", "--to", "x.html", "--to", "x.csv")
    assert (code, err) == (0, "")
    assert out.index("  1  alice.pt") < out.index("  2~ one") < out.index("100.0 pass mark")
    assert out.splitlines()[-2:] == ["written  x.html", "written  x.csv"]
    assert content(tmp_path / "reports") == before  # it only reads
    assert any(
        line.startswith("Under the course's rules") and line.endswith(".") for line in out.splitlines()
    )  # unbroken
    written = [(tmp_path / name).read_bytes() for name in ("x.html", "x.csv")]
    code, plain, _ = kpbench("leaderboard", "reports", "--json", "--to", "x.html", "--to", "x.csv")
    assert [(tmp_path / name).read_bytes() for name in ("x.html", "x.csv")] == written
    (table,) = json.loads(plain)["tables"]
    assert [line["name"] for line in table["lines"] if line["rank"]] == ["alice.pt", "one"]
    assert kpbench("leaderboard", "--json")[1] == plain


def test_anonymous_names_nobody_anywhere(kpbench, tmp_path):
    hand_in(tmp_path / "in" / "alice.json", model="alice.pt", notes=["by alice"])
    hand_in(tmp_path / "in" / "alice2.json", model="alice.pt", notes=["by alice"])
    _, out, err = kpbench("leaderboard", "in", "--anonymous", "--to", "x.html", "--to", "x.csv")
    _, plain, _ = kpbench("leaderboard", "in", "--anonymous", "--json")
    for text in (out, err, plain, *((tmp_path / name).read_text() for name in ("x.html", "x.csv"))):
        assert "alice" not in text
    for text in (out, plain, *((tmp_path / name).read_text() for name in ("x.html", "x.csv"))):
        assert "hand-in " in text


def test_a_damaged_file_is_one_line_on_stderr(kpbench, tmp_path):
    search_folder(tmp_path / "reports" / "one", TWO)
    hand_in(tmp_path / "reports" / "bob.json", mse=1.0)
    code, out, err = kpbench("leaderboard")
    assert code == 0
    assert "bob" not in out
    assert err.count("\n") == 1
    assert err.startswith("passed over: reports/bob.json is a damaged hand-in: it says score 200, its MSE gives 0.5")


def test_what_cannot_be_done_is_refused(refused, tmp_path):
    assert "there is no reports" in refused("leaderboard")
    (tmp_path / "reports").mkdir()
    assert "ends in .html" in refused("leaderboard", "--to", "x.txt")
    assert "no such folder" in refused("leaderboard", "--to", "nowhere/x.html")
    (tmp_path / "x.json").write_text("{}")
    assert "is no hand-in" in refused("leaderboard", "x.json")


def test_an_empty_folder_says_so(kpbench, tmp_path):
    (tmp_path / "reports").mkdir()
    code, out, err = kpbench("leaderboard", "--to", "x.html")
    assert (code, out) == (0, "written  x.html\n")
    assert err.startswith("no score to rank")
