#!/usr/bin/env python3
"""Fail if README.zh.md does not have the headings, code, numbers, names and links of README.md.

    check_translation.py [ORIGINAL TRANSLATION]    without arguments: run the self-test, then compare README.md and README.zh.md

Compared:

- code blocks, in order, without their comments, which are translated;
- the levels of the headings; and of each section the numbers of its text, the names in backticks, the targets of its links, and how
  many list items and table rows it has. Their order is free.

So numbers are digits in both languages or words in both. `10 万` equals 100,000, and 2-D is a word. Links between the two files and
to anchors of the same file may differ. Prints `file:line: problem` and exits 1. Uses Python's standard library only.
"""

import re
import sys
from collections import Counter
from itertools import zip_longest
from pathlib import Path

from check_markdown import CODE_SPAN, HEADING, LINK, blocks_and_prose

# A comment after white space or at the start of a line, for each language of a code block; none for other languages.
COMMENTS = {language: re.compile(r"(?:^|\s)#(?!\[|!).*$") for language in ("sh", "toml", "python")}
COMMENTS["rust"] = re.compile(r"(?:^|\s)//.*$")

NUMBER = re.compile(r"(?<![\d.])(\d+(?:,\d{3})*(?:\.\d+)?(?:e-?\d+)?)(?!-D\b)(?:\s*([万亿]))?")
UNITS = {None: 1, "万": 10**4, "亿": 10**8}


def code(block):
    """(line from 1, code) of each line of a code block that is not only a comment."""
    comment = COMMENTS.get(re.split(r"[,\s]", block.language)[0])
    for number, line in enumerate(block.lines, block.start + 1):
        kept = comment.sub("", line).rstrip() if comment else line.rstrip()
        if kept or not line.strip():
            yield number, kept


def numbers(text):
    found = []
    for digits, unit in NUMBER.findall(text):
        value = float(digits.replace(",", "")) * UNITS[unit or None]
        found.append(f"{value:g}" if "e" in digits else f"{value:,.10g}")
    return found


class Section:
    """A heading (none at the start of the file), its line and level, and what the text below it has."""

    def __init__(self, line, level, title, others):
        self.line, self.level, self.title, self.others, self.text = line, level, title, others, ""

    def contents(self):
        prose = f"{self.title}\n{self.text}"
        targets = [first or second for first, second in LINK.findall(CODE_SPAN.sub("", prose))]
        words = LINK.sub("]", prose)
        return {
            "number": Counter(numbers(words)),
            "name in backticks": Counter(set(span for _, span in CODE_SPAN.findall(words))),
            "link": Counter(target for target in targets if not target.startswith("#") and target not in self.others),
            "kind of line": Counter(
                "list item" if line.startswith("- ") else "table row" for line in self.text.splitlines() if line.startswith(("- ", "|"))
            ),
        }


def sections(text, others):
    found = [Section(1, 0, "", others)]
    for number, line in enumerate(blocks_and_prose(text)[1].splitlines(), 1):
        heading = HEADING.match(line)
        if heading:
            found.append(Section(number, len(heading[1]), heading[2] or "", others))
        else:
            found[-1].text += line + "\n"
    return found


def block_problems(names, texts):
    both = [blocks_and_prose(text)[0] for text in texts]
    for number, (original, translated) in enumerate(zip_longest(*both), 1):
        if original is None or translated is None:
            there, missing = names if translated is None else names[::-1]
            start = (original or translated).start
            yield f"{there}:{start}: {missing} has no code block {number}"
            continue
        if original.language != translated.language:
            yield f"{names[1]}:{translated.start}: code block {number} is `{translated.language}`, expected `{original.language}`"
        end = (None, "the end of the block")
        for (line, wanted), (other, found) in zip_longest(code(original), code(translated), fillvalue=end):
            if wanted != found:
                where = f"{names[1]}:{other or translated.start + len(translated.lines)}"
                yield f"{where}: code block {number} differs: found {found.strip()}, expected {wanted.strip()} ({names[0]}:{line or original.start})"
                break


def section_problems(names, texts):
    both = [sections(text, [Path(name).name for name in names]) for text in texts]
    levels = [[section.level for section in found] for found in both]
    if levels[0] != levels[1]:
        pairs = zip_longest(*both)
        original, translated = next((a, b) for a, b in pairs if (a and a.level) != (b and b.level))
        at, section = (0, original) if original else (1, translated)
        titles = [f"{'#' * section.level} {section.title}" if section else "no heading" for section in (original, translated)]
        yield f"{names[at]}:{section.line}: headings differ from here: {titles[0]} in {names[0]}, {titles[1]} in {names[1]}"
        return
    for original, translated in zip(*both):
        expected, found = original.contents(), translated.contents()
        for kind in expected:
            missing, extra = expected[kind] - found[kind], found[kind] - expected[kind]
            if missing or extra:
                title = translated.title or "the start"
                lists = [", ".join(map(str, sorted(counter.elements()))) or "none" for counter in (missing, extra)]
                yield (
                    f"{names[1]}:{translated.line}: section {title}: {kind}: missing {lists[0]}; not in the original {lists[1]} "
                    f"({names[0]}:{original.line})"
                )


def problems(names, texts):
    return list(block_problems(names, texts)) + list(section_problems(names, texts))


def self_test():
    original = (
        "# One\n[zh](b.md)\n## Two, 2-D\n- `train` takes 1,234.5 seconds for 100,000 classes ([more](c.md#d))\n"
        "```sh\n# first\nwidemargin train   # now\n```\n"
    )
    good = (
        "# 一\n[en](a.md)\n## 二，二维\n- 10 万个类别时，`train` 用时 1234.5 秒（[详情](c.md#d)）\n"
        "```sh\n# 首先\nwidemargin train   # 现在\n```\n"
    )
    names = ["a.md", "b.md"]
    assert problems(names, [original, good]) == [], problems(names, [original, good])
    for old, new, expected in [
        ("1234.5", "1234", "b.md:3: section 二，二维: number: missing 1,234.5; not in the original 1,234 (a.md:3)"),
        ("`train`", "`trian`", "b.md:3: section 二，二维: name in backticks: missing train; not in the original trian (a.md:3)"),
        ("c.md#d", "c.md", "b.md:3: section 二，二维: link: missing c.md#d; not in the original c.md (a.md:3)"),
        ("- 10", "10", "b.md:3: section 二，二维: kind of line: missing list item; not in the original none (a.md:3)"),
        ("train   #", "sweep   #", "b.md:7: code block 1 differs: found widemargin sweep, expected widemargin train (a.md:7)"),
        ("widemargin train   # 现在\n", "", "b.md:6: code block 1 differs: found the end of the block, expected widemargin train (a.md:7)"),
        ("```sh", "```toml", "b.md:5: code block 1 is `toml`, expected `sh`"),
        ("## 二", "### 二", "a.md:3: headings differ from here: ## Two, 2-D in a.md, ### 二，二维 in b.md"),
        ("", "```sh\n```\n", "b.md:9: a.md has no code block 2"),
    ]:
        translated = good.replace(old, new) if old else good + new
        found = problems(names, [original, translated])
        assert found == [expected], (found, expected)


def main():
    self_test()
    names = sys.argv[1:] or ["README.md", "README.zh.md"]
    if len(names) != 2:
        sys.exit(__doc__)
    found = problems(names, [Path(name).read_text(encoding="utf-8") for name in names])
    print("\n".join(found) if found else f"{names[1]} agrees with {names[0]}")
    sys.exit(1 if found else 0)


if __name__ == "__main__":
    main()
