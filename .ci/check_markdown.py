#!/usr/bin/env python3
"""Fail if a Markdown file has a broken link, a directive of mdBook, or a copy that differs from its source.

    check_markdown.py            run the self-test, then check every Markdown file of the repository
    check_markdown.py --write    first bring the copies of source files up to date

Checked in every file:

- A relative link names a file or folder of the repository, and an anchor that GitHub gives to a heading of that file.
- There is no directive of mdBook, such as an include: a code host would show it as it is.
- The code block after a comment `<!-- copy of PATH -->` equals that file (PATH from the root of the repository).

Checked in the book (docs/src): SUMMARY.md lists every page once, and pages link only to files of the book, because the HTML book
has no others. Headings are those that begin with `#`. Prints `file:line: problem` and exits 1. Uses Python's standard library only.
"""

import html
import posixpath
import re
import subprocess
import sys
import unicodedata
from collections import Counter
from pathlib import Path
from urllib.parse import unquote

BOOK = "docs/src"
SUMMARY = f"{BOOK}/SUMMARY.md"

FENCE = re.compile(r" {0,3}(?:> ?)*\s*(`{3,}|~{3,})([^`]*)$")
HEADING = re.compile(r" {0,3}(#{1,6})(?:[ \t]+(.*?))?(?:[ \t]+#+)?[ \t]*$")
COPY = re.compile(r"<!-- copy of (\S+) -->")
DIRECTIVE = re.compile(r"\{\{#")
CODE_SPAN = re.compile(r"(?<!`)(`+)(?!`)(.+?)(?<!`)\1(?!`)", re.S)
LINK = re.compile(r"""\]\(\s*(?:<([^<>\n]*)>|((?:[^\s()\\]|\\.|\([^\s()]*\))*))(?:\s+(?:"[^"]*"|'[^']*'))?\s*\)""")
DEFINITION = re.compile(r"^ {0,3}\[[^\]]+\]:\s*<?([^\s>]+)>?", re.M)
ATTRIBUTE = re.compile(r"""<[a-z][^<>]*?\s(?:href|src)\s*=\s*["']([^"']*)["']""", re.I)
IDENTIFIER = re.compile(r"""<[a-z][^<>]*?\s(?:id|name)\s*=\s*["']([^"']*)["']""", re.I)


class Block:
    """A fenced code block: its language, the lines of the text it is on (from 0, without the fences) and its text."""

    def __init__(self, language, start, lines):
        self.language, self.start, self.lines = language, start, lines
        self.text = "\n".join(lines)


def blocks_and_prose(text):
    """The code blocks, and the text in which each line of a code block is empty, so that line numbers stay."""
    blocks, prose, fence, inside, language = [], [], None, [], ""
    for number, line in enumerate(text.splitlines()):
        opening = FENCE.match(line)
        if fence is None:
            if opening:
                fence, language, inside, start = opening[1], opening[2].strip(), [], number + 1
                line = ""
        else:
            closes = opening and opening[1][0] == fence[0] and len(opening[1]) >= len(fence) and not opening[2].strip()
            if closes:
                blocks.append(Block(language, start, inside))
                fence = None
            else:
                inside.append(line)
            line = ""
        prose.append(line)
    if fence is not None:
        blocks.append(Block(language, start, inside))
    return blocks, "\n".join(prose)


def blank(match):
    """White space as long as the match, with its line breaks."""
    return re.sub(r"[^\n]", " ", match[0])


def without_code(prose):
    return CODE_SPAN.sub(blank, re.sub(r"<!--.*?-->", blank, prose, flags=re.S))


def rendered(heading):
    """The text of a heading as a reader sees it."""
    spans = []

    def keep(match):
        spans.append(match[2])
        return f"\0{len(spans) - 1}\0"

    text = CODE_SPAN.sub(keep, heading)
    text = re.sub(r"!?\[([^\]]*)\]\([^)]*\)", r"\1", text)
    text = re.sub(r"</?[a-z][^<>]*>", "", text, flags=re.I)
    text = re.sub(r"(?<![\w\\])(\*+|_+)(?=\S)(.+?)(?<=\S)\1(?!\w)", r"\2", text)
    text = html.unescape(re.sub(r"\\([!-/:-@\[-`{-~])", r"\1", text))
    return re.sub(r"\0(\d+)\0", lambda match: spans[int(match[1])], text)


def slug(text):
    """GitHub's name of an anchor: letters, marks, digits, `_` and `-` in lower case, with `-` for each space."""
    kept = (c for c in text.strip().lower() if c in " -" or unicodedata.category(c)[0] in "LM" or unicodedata.category(c) in ("Nd", "Nl", "Pc"))
    return "".join(kept).replace(" ", "-")


def anchors(text):
    _, prose = blocks_and_prose(text)
    found, used = set(IDENTIFIER.findall(without_code(prose))), Counter()
    for line in prose.splitlines():
        heading = HEADING.match(line)
        if not heading:
            continue
        name = original = slug(rendered(heading[2] or ""))
        while name in used:  # repeated headings are numbered from 1
            used[original] += 1
            name = f"{original}-{used[original]}"
        used[name] = 0
        found.add(name)
    return found


def links(text):
    """(line, target) of each link."""
    prose = without_code(blocks_and_prose(text)[1])
    found = []
    for pattern in (LINK, DEFINITION, ATTRIBUTE):
        for match in pattern.finditer(prose):
            target = next(group for group in match.groups() if group is not None)
            found.append((prose.count("\n", 0, match.end()) + 1, html.unescape(target)))
    return sorted(found)


def link_problems(name, text, files):
    """Problems of the links of one file. `files` has the text of each Markdown file, and None for each other file."""
    folders = {str(parent) for file in files for parent in Path(file).parents}
    for line, target in links(text):
        if re.match(r"[a-z][a-z0-9+.-]*:", target, re.I) or target.startswith("//"):
            continue
        path, _, anchor = target.partition("#")
        path, anchor = unquote(path.partition("?")[0]), unquote(anchor)
        where = f"{name}:{line}: link to {target}"
        if path.startswith("/"):
            yield f"{where}: give a path relative to this file"
            continue
        file = posixpath.normpath(posixpath.join(posixpath.dirname(name), path)) if path else name
        if file not in files and file not in folders:
            yield f"{where}: the repository has no {file}"
        elif name.startswith(f"{BOOK}/") and not file.startswith(f"{BOOK}/"):
            yield f"{where}: {file} is outside {BOOK}, so the HTML book does not have it"
        elif "#" in target and not anchor:
            yield f"{where}: the anchor is empty"
        elif anchor:
            if files.get(file) is None:
                yield f"{where}: {file} is not Markdown, so it has no anchors"
            elif anchor not in anchors(files[file]):
                yield f"{where}: no heading of {file} has this anchor; it has {', '.join(sorted(anchors(files[file])))}"


def directive_problems(name, text):
    for number, line in enumerate(text.splitlines(), 1):
        if DIRECTIVE.search(line):
            yield f"{name}:{number}: mdBook directive: {line.strip()}; write the text itself (an included file: <!-- copy of PATH -->)"


def copies(text):
    """(line from 0, path, code block or None) of each comment `<!-- copy of PATH -->`."""
    blocks, prose = blocks_and_prose(text)
    lines = text.splitlines()
    for number, line in enumerate(prose.splitlines()):
        marker = COPY.search(CODE_SPAN.sub(blank, line))
        if marker:
            at = number + 1
            while at < len(lines) and not lines[at].strip():
                at += 1
            yield number, marker[1], next((block for block in blocks if block.start == at + 1), None)


def copy_problems(name, text, read):
    for number, path, block in copies(text):
        where = f"{name}:{number + 1}: copy of {path}"
        source = read(path)
        if source is None:
            yield f"{where}: the repository has no such file"
        elif block is None:
            yield f"{where}: no code block follows this comment"
        else:
            source = source.splitlines()
            if block.lines != source:
                pairs = enumerate(zip(block.lines, source))
                first = next((at for at, (copy, original) in pairs if copy != original), min(len(block.lines), len(source)))
                yield f"{where}: differs from line {first + 1} on; run python3 .ci/check_markdown.py --write"


def updated(text, read):
    """The text with each copy replaced by its source."""
    lines = text.splitlines()
    for _, path, block in reversed(list(copies(text))):
        source = read(path)
        if source is not None and block is not None:
            lines[block.start : block.start + len(block.lines)] = source.splitlines()
    return "\n".join(lines) + "\n"


def summary_problems(files):
    if SUMMARY not in files:
        return
    listed = Counter(posixpath.normpath(posixpath.join(BOOK, target.partition("#")[0])) for _, target in links(files[SUMMARY]))
    for page in sorted(file for file in files if file.startswith(f"{BOOK}/") and file.endswith(".md") and file != SUMMARY):
        if listed[page] != 1:
            yield f"{SUMMARY}: lists {page} {listed[page]} times instead of once"


def problems(files, read):
    found = []
    for name, text in sorted(files.items()):
        if text is not None:
            found += directive_problems(name, text)
            found += copy_problems(name, text, read)
            found += link_problems(name, text, files)
    return found + list(summary_problems(files))


def self_test():
    page = (
        "# The `a_b` page: *what* it has!\n## Twice\n## Twice\n## 度量学习 & more\n### [Link](x.md)\n<a id=\"own\"></a>\n"
        "```sh\n# no heading\n[no](link.md)\n```\n`[no](code.md)`\n"
    )
    expected = {"the-a_b-page-what-it-has", "twice", "twice-1", "度量学习--more", "link", "own"}
    assert anchors(page) == expected, anchors(page)
    sources = {"src/a.py": "one\ntwo\n"}
    index = f"{BOOK}/index.md"

    def found(text, **more):
        files = {SUMMARY: "- [Index](index.md)\n", index: text, f"{BOOK}/image.svg": None, "src/a.py": None, **more}
        return [problem.removeprefix(f"{index}:") for problem in problems(files, sources.get)]

    good = (
        "# Index\n[a](#index) [b\nc](<index.md#index> \"title\") ![d](image.svg) [e](https://example.org/x#y)\n"
        "<!-- copy of src/a.py -->\n```python\none\ntwo\n```\n"
    )
    assert found(good) == [], found(good)
    bad = {
        "[a](none.md)": "1: link to none.md: the repository has no docs/src/none.md",
        "\n[a\nb](#none)": "3: link to #none: no heading of docs/src/index.md has this anchor; it has ",
        "[`a`](image.svg#x)": "1: link to image.svg#x: docs/src/image.svg is not Markdown, so it has no anchors",
        "[a](../../src/a.py)": "1: link to ../../src/a.py: src/a.py is outside docs/src, so the HTML book does not have it",
        "[a](/index.md)": "1: link to /index.md: give a path relative to this file",
        "[a]: none.md": "1: link to none.md: the repository has no docs/src/none.md",
        '<img alt="a" src="none.svg">': "1: link to none.svg: the repository has no docs/src/none.svg",
        "```\n{{#include a.py}}\n```": "2: mdBook directive: {{#include a.py}}; write the text itself (an included file: <!-- copy of PATH -->)",
        "<!-- copy of src/b.py -->\n```\n```": "1: copy of src/b.py: the repository has no such file",
        "<!-- copy of src/a.py -->\ntext": "1: copy of src/a.py: no code block follows this comment",
        "<!-- copy of src/a.py -->\n```\none\n```": "1: copy of src/a.py: differs from line 2 on; run python3 .ci/check_markdown.py --write",
    }
    for text, problem in bad.items():
        assert found(text) == [problem], (text, found(text))
    unlisted = found("", **{f"{BOOK}/more.md": ""})
    assert unlisted == [f"{SUMMARY}: lists {BOOK}/more.md 0 times instead of once"], unlisted
    stale = "a\n<!-- copy of src/a.py -->\n\n```python\nold\n```\nb\n"
    assert updated(stale, sources.get) == "a\n<!-- copy of src/a.py -->\n\n```python\none\ntwo\n```\nb\n"


def main():
    self_test()
    # Also files that are not committed yet, so that the check can run before a commit.
    command = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    listed = subprocess.run(command, check=True, capture_output=True, text=True).stdout.split("\0")
    names = {name for name in listed if name and Path(name).is_file()}

    def read(name):
        return Path(name).read_text(encoding="utf-8") if name in names else None

    pages = sorted(name for name in names if name.endswith(".md"))
    if sys.argv[1:] == ["--write"]:
        for name in pages:
            text = read(name)
            if updated(text, read) != text and any(copies(text)):
                Path(name).write_text(updated(text, read), encoding="utf-8")
                print(f"updated {name}")
    elif sys.argv[1:]:
        sys.exit(__doc__)
    found = problems({name: read(name) if name.endswith(".md") else None for name in names}, read)
    print("\n".join(found) if found else f"{len(pages)} Markdown files: no problem")
    sys.exit(1 if found else 0)


if __name__ == "__main__":
    main()
