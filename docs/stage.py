#!/usr/bin/env python3
"""Copies the chapters of docs/SUMMARY.md to a folder from which mdbook builds the site.

Chapters keep their places, so links among them lead where they lead in the repository. Any other file that a chapter
links to is copied too, and for a folder a page is written that lists what is in it.
"""

import html
import os
import re
import shutil
import sys

sys.dont_write_bytecode = True
import repository

ROOT = repository.ROOT
# An inline link or a picture, or a definition. A target without a scheme is a path.
INLINE = re.compile(r"(\]\()([^)\s]+)(\))")
DEFINITION = re.compile(r"^(\[[^\]]+\]:\s*)(\S+)($)", re.M)
CODE = re.compile(r"^(```|~~~).*?^\1\s*$|`[^`\n]+`", re.M | re.S)


def main(stage):
    shutil.rmtree(stage, ignore_errors=True)
    source = os.path.join(stage, "src")
    os.makedirs(source)
    shutil.copy(os.path.join(ROOT, "docs", "book.toml"), stage)

    with open(os.path.join(ROOT, "docs", "SUMMARY.md"), encoding="utf-8") as file:
        summary = file.read()
    chapters = [path_of("docs/SUMMARY.md", target) for _, target, _ in INLINE.findall(summary)]
    summary = INLINE.sub(lambda m: m[1] + path_of("docs/SUMMARY.md", m[2]) + m[3], summary)
    write(os.path.join(source, "SUMMARY.md"), summary)

    for chapter in chapters:
        with open(os.path.join(ROOT, chapter), encoding="utf-8") as file:
            text = file.read()
        write(os.path.join(source, chapter), outside_code(text, lambda part: relink(part, chapter, chapters, source)))


def path_of(page, target):
    """The path in the repository to which a link of a page leads."""
    return os.path.normpath(os.path.join(os.path.dirname(page), target))


def outside_code(text, change):
    parts, end = [], 0
    for code in CODE.finditer(text):
        parts += [change(text[end : code.start()]), code[0]]
        end = code.end()
    return "".join([*parts, change(text[end:])])


def relink(text, chapter, chapters, source):
    def one(match):
        target, mark, anchor = match[2].partition("#")
        if not target or ":" in target:
            return match[0]
        path = path_of(chapter, target)
        if path in chapters:
            # mdbook names the page of a README index.html, and does not say so to links.
            if os.path.basename(path) == "README.md":
                target = target.removesuffix("README.md") + "index.html"
        elif os.path.isdir(os.path.join(ROOT, path)):
            target = target.rstrip("/") + "/index.html"
            if os.path.join(path, "README.md") not in chapters:
                list_folder(path, source)
        elif os.path.isfile(os.path.join(ROOT, path)) and not path.endswith(".md"):
            copy(path, source)
        # Otherwise it stays, and the check of the links names it.
        return match[1] + target + mark + anchor + match[3]

    return DEFINITION.sub(one, INLINE.sub(one, text))


def list_folder(folder, source):
    items = []
    for path in repository.files(folder):
        # mdbook does not copy Markdown that is no chapter.
        shown = path + ".txt" if path.endswith(".md") else path
        copy(path, source, shown)
        name, link = (html.escape(os.path.relpath(p, folder)) for p in (path, shown))
        items.append(f'<li><a href="{link}">{name}</a></li>')
    title = html.escape(folder)
    page = f'<!DOCTYPE html>\n<html lang="en"><meta charset="utf-8"><title>{title}</title>\n<h1>{title}</h1>\n<ul>\n'
    write(os.path.join(source, folder, "index.html"), page + "\n".join(items) + "\n</ul>\n</html>\n")


def copy(path, source, to=None):
    target = os.path.join(source, to or path)
    os.makedirs(os.path.dirname(target), exist_ok=True)
    shutil.copy(os.path.join(ROOT, path), target)


def write(path, text):
    os.makedirs(os.path.dirname(path), exist_ok=True)
    with open(path, "w", encoding="utf-8") as file:
        file.write(text)


if __name__ == "__main__":
    main(sys.argv[1])
