"""A hook of mkdocs: what pages link to outside of docs/, `../X`, becomes part of the site as `X`.

So a link works on the site, from disk and where the repository is browsed. A target that is not there stays as it is,
and the strict build refuses it.
"""

import re
from pathlib import Path
from typing import Any

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files

ROOT = Path(__file__).parents[1]
LINK = re.compile(r"(?<=\]\()\.\./([\w./-]+)")


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Adds every file outside that a page links to."""
    pages = [file.content_string for file in files.documentation_pages()]
    for path in sorted({path for page in pages for path in LINK.findall(page)}):
        if (ROOT / path).is_file():
            files.append(File.generated(config, path, abs_src_path=str(ROOT / path)))
    return files


def on_page_markdown(markdown: str, *, page: Any, files: Files, **_: Any) -> str:
    """Points the links there."""
    if page.file.generated_by:
        return markdown
    return LINK.sub(lambda found: found[1] if files.get_file_from_path(found[1]) else found[0], markdown)
