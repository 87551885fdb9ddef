"""HTML pages, as the tests look at them."""

from __future__ import annotations

import re
from html.parser import HTMLParser


class Page(HTMLParser):
    """Tags with their attributes, and the text."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""
        self.html = html
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        if self.tags[-1:] != [("style", {})]:
            self.text += data

    def check_access(self) -> None:
        """What people need who see little, print, or use the keyboard alone."""
        assert self.all("html")[0]["lang"]
        assert self.all("title")
        assert all(image["alt"] for image in self.all("img"))
        assert all(cell["scope"] for cell in self.all("th"))
        assert not re.search(r"<th[^>]*>\s*</th>", self.html)
        for kind, attributes in self.tags:
            if kind == "div" and "scroll" in (attributes.get("class") or "").split():
                assert attributes["tabindex"] == "0"
                assert attributes["role"] == "region"
                assert attributes.get("aria-label") or self.names(attributes["aria-labelledby"])
        assert "@media screen and (prefers-color-scheme: dark)" in self.html, "or light letters on white paper"
        assert "print-color-adjust: exact" in self.html, "or the bars are left out"

    def names(self, anchor: str | None) -> bool:
        """Whether there is something of that id."""
        return any(attributes.get("id") == anchor for _, attributes in self.tags)

    def all(self, tag: str) -> list[dict[str, str | None]]:
        return [attributes for name, attributes in self.tags if name == tag]
