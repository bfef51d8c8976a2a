#!/usr/bin/env python3
"""Names each dead link and anchor: of the repository's Markdown, and of the site if its folder is given.

Only local links are followed; nothing is fetched.
"""

import os
import re
import sys
from html.parser import HTMLParser
from urllib.parse import unquote, urlsplit

sys.dont_write_bytecode = True
import repository

ROOT = repository.ROOT
CODE_BLOCK = re.compile(r"^ *(```|~~~).*?^ *\1\s*$", re.M | re.S)
CODE = re.compile(r"`[^`\n]+`")
LINK = re.compile(r"\]\(<?([^)\s>]+)>?(?:\s+\"[^\"]*\")?\)|^ {0,3}\[[^\]]+\]:\s*(\S+)|(?:src|href)=\"([^\"]+)\"", re.M)
REFERENCE = re.compile(r"\[[^\]]+\]\[([^\]]+)\]")
HEADING = re.compile(r"^#{1,6} +(.*?)(?: +#+)?$", re.M)


class Page(HTMLParser):
    def __init__(self, text):
        super().__init__()
        self.links, self.anchors = [], {"", "top"}
        self.feed(text)

    def handle_starttag(self, tag, attributes):
        for name, value in attributes:
            if name == "id" or (tag == "a" and name == "name"):
                self.anchors.add(value)
            elif name in ("href", "src") and value is not None:
                self.links.append(value)


class Markdown:
    def __init__(self, text):
        text = CODE_BLOCK.sub("", text)
        self.anchors = {""}
        for heading in HEADING.findall(text):
            # As code hosts name them: lower case, no punctuation, a number behind one that is there already.
            words = re.sub(r"!?\[([^\]]*)\](\([^)]*\)|\[[^\]]*\])", r"\1", heading).lower()
            slug = re.sub(r"[^\w\- ]", "", words).replace(" ", "-")
            name, count = slug, 0
            while name in self.anchors:
                count += 1
                name = f"{slug}-{count}"
            self.anchors.add(name)
        text = CODE.sub("", text)
        self.anchors.update(re.findall(r"<a (?:id|name)=\"([^\"]+)\"", text))
        self.links = [next(filter(None, groups)) for groups in LINK.findall(text)]
        defined = {name.lower() for name in re.findall(r"^ {0,3}\[([^\]]+)\]:", text, re.M)}
        # A reference that nothing defines is shown as brackets.
        self.undefined = [name for name in REFERENCE.findall(text) if name.lower() not in defined]


class Check:
    def __init__(self):
        self.pages, self.dead, self.count = {}, [], 0

    def page(self, path):
        if path not in self.pages:
            kind = {".md": Markdown, ".html": Page}.get(os.path.splitext(path)[1])
            if kind:
                with open(path, encoding="utf-8") as file:
                    self.pages[path] = kind(file.read())
            else:
                self.pages[path] = None
        return self.pages[path]

    def links_of(self, path, top):
        page = self.page(path)
        for link in page.links:
            url = urlsplit(link)
            # `crate::..` is a link for rustdoc, which checks it.
            if url.scheme or url.netloc or link.startswith("crate::"):
                continue
            self.count += 1
            why = self.why_dead(path, url, top)
            if why:
                self.dead.append(f"{os.path.relpath(path, top)}: {link} ({why})")
        for name in getattr(page, "undefined", []):
            self.dead.append(f"{os.path.relpath(path, top)}: [{name}] (not defined)")

    def why_dead(self, path, url, top):
        target = path
        if url.path:
            start = top if url.path.startswith("/") else os.path.dirname(path)
            target = os.path.normpath(os.path.join(start, unquote(url.path).lstrip("/")))
        if not target.startswith(top):
            return "it leads outside"
        if os.path.isdir(target) and path.endswith(".html"):
            target = os.path.join(target, "index.html")
        if not os.path.exists(target):
            return "no such file"
        if url.fragment:
            page = None if os.path.isdir(target) else self.page(target)
            if page is not None and unquote(url.fragment) not in page.anchors:
                return "no such anchor"
        return None


def main(site=None):
    check = Check()
    files = [path for path in repository.files() if path.endswith(".md")]
    for path in files:
        check.links_of(os.path.join(ROOT, path), ROOT)
    pages = 0
    if site:
        site = os.path.abspath(site)
        for folder, _, names in os.walk(site):
            for name in names:
                path = os.path.join(folder, name)
                # The page for wrong addresses knows no place of its own; a file of the repository is a copy.
                copied = os.path.exists(os.path.join(ROOT, os.path.relpath(path, site)))
                if name.endswith(".html") and name != "404.html" and not copied:
                    pages += 1
                    check.links_of(path, site)
        if not pages:
            check.dead.append(f"{site}: no pages")
    for dead in check.dead:
        print(f"dead link: {dead}")
    print(f"{check.count} local links of {len(files)} Markdown files and {pages} pages, {len(check.dead)} dead")
    return bool(check.dead)


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:2]))
