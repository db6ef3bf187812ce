"""The page on administration has the tables that the code has."""

import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "scripts"))
import reference  # noqa: E402 - the script lies beside the tests, not in a package


def test_the_page_is_the_one_that_the_code_writes() -> None:
    text = reference.ADMIN_PAGE.read_text(encoding="utf-8")
    assert reference.admin_page(text) == text
    assert text.count("<!-- end -->") == 3
    assert "| `keys:endless` | yes |  |" in text
