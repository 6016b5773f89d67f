"""docs/sources.md is what the declarations say."""

from __future__ import annotations

from pathlib import Path

from scrapers import catalogue, registry

PAGE = Path(__file__).resolve().parent.parent.parent / "docs" / "sources.md"


def test_the_page_is_current() -> None:
    assert PAGE.read_text() == catalogue.markdown(), "run: python -m scrapers.catalogue > docs/sources.md"


def test_every_reader_and_every_parameter_is_on_it() -> None:
    page = catalogue.markdown()
    for scraper in registry.all():
        assert f'<a id="{scraper.meta.name}"></a>' in page
        assert scraper.meta.terms in page
        for name in scraper.params_type.model_fields:
            assert f"| `{name}` |" in page
        for credential in scraper.meta.credentials:
            assert f"needs `{credential.name}`" in page


def test_no_reader_shows_a_secret() -> None:
    assert "SecretStr" not in catalogue.markdown()
