"""The plotting library in a page: whole, small, the same bytes each time, and all that the policy lets run."""

import base64
import hashlib
import re
from pathlib import Path

import pytest
from plotly.offline import get_plotlyjs

from kpbench.analysis.ablation.analysis import analyse
from kpbench.analysis.verify import read_verification
from kpbench.report.ablation.page import render_ablation
from kpbench.report.packing import packed
from kpbench.report.search.page import render
from kpbench.report.search.reader import read_sessions_and_readings
from kpbench.report.shell import _library
from kpbench.report.verify.page import render_verify
from tests.report.search.test_page import unpacked
from tests.study_rows import study, tuned_rows

REPORTS = Path(__file__).parents[2] / "reports"
VERIFICATION = REPORTS / "verify-facial_keypoints"
STUDIES = [*sorted(folder for folder in VERIFICATION.iterdir() if folder.is_dir()),
           *(REPORTS / name for name in ("dropout-norm", "family-norm", "norm-depth"))]  # fmt: skip


@pytest.mark.parametrize(
    "text", ["", "a", "</script><!-- é 日本 𝔘 \r\n\0", *("ab" * length for length in range(1, 30))]
)
def test_a_packed_text_is_printable_and_holds_the_whole_text(text):
    characters, size = packed(text)
    assert characters.isascii() and characters.isprintable() and not set(characters) & set("< ")
    assert unpacked(characters, size) == text
    assert packed(text) == (characters, size)


def test_a_page_holds_the_whole_library_and_its_policy_lets_only_that_text_run():
    html = render(study([]))
    size, text = re.search(r'<script type="text/plain" id="library" data-bytes="(\d+)">(.*?)</script>', html).groups()
    library = unpacked(text, int(size))
    assert library == get_plotlyjs()
    policy = re.search(r"script-src (.*?);", html.replace("&#39;", "'"))[1].split()
    program = re.findall(r"<script>(.*?)</script>", html, flags=re.S)
    hashes = [
        base64.b64encode(hashlib.sha256(script.encode()).digest()).decode() for script in (library, *reversed(program))
    ]
    assert policy == [f"'sha256-{digest}'" for digest in hashes]


def test_the_same_study_gives_the_same_bytes():
    first = render(study(tuned_rows(20)))
    _library.cache_clear()
    assert render(study(tuned_rows(20))) == first


@pytest.mark.parametrize("folder", STUDIES, ids=lambda folder: folder.name)
def test_the_page_of_a_published_study_has_at_most_two_megabytes(folder):
    html = render_ablation(analyse(folder), *read_sessions_and_readings(folder))
    assert len(html.encode()) <= 2_000_000


def test_the_page_of_a_published_verification_has_at_most_two_megabytes():
    assert len(render_verify(read_verification(VERIFICATION)).encode()) <= 2_000_000
