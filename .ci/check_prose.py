#!/usr/bin/env python3
"""Fail on phrases that the project's plain English never uses.

    check_prose.py [FILE ...]    without arguments: run the self-test, then check every tracked text file

CONTRIBUTING.md describes the style. This script finds only phrases that are wrong in every context, so it is no substitute for
reading a sentence. Prints `file:line: "phrase": write "..."` for each match and exits 1. A phrase is also found if it is broken
across two lines. Uses Python's standard library only.
"""

import re
import subprocess
import sys
from pathlib import Path

THING = "(?:class|sample|image|picture|row|file|step|batch|second|epoch|channel|shard)"

# Regular expression, and what to write. Case is ignored. A space matches any white space, including a line break with the comment
# marker of the next line. A match begins and ends at a word boundary.
PHRASES = [
    ("numbers (?:in|of) an embedding|number of numbers", "dimension"),
    ("equal (?:pictures|images)", "duplicate images"),
    ("what judges|to judge by|judged (?:on|by)|judging on", "evaluation set, evaluated on"),
    ("(?:is|are) let through", "accepted"),
    ("(?:lies?|stands?) beside", "is next to"),
    ("(?:made|written|drawn) anew|(?:draws?|makes?|writes?|begins?|starts?) anew", "again; rebuilt; starts over"),
    ("exists already", "already exists"),
    ("by lot", "at random"),
    ("the own (?:class|centre)(?:'s)?", "the target class; the centre of its class"),
    ("quiet machine|machine (?:is|was) quiet", "idle machine"),
    ("(?:is|are|be|was|were) caught up", "deferred updates are applied"),
    ("behind (?:step|row|epoch)", "after step N; resuming at step N"),
    (f"(?:one|a|two|three|several) (?:\\w+ )?(?:folder|label|line|number|slope|centre|margin)s? a {THING}(?! (?:has|gives|needs))", "per"),
    # Not before another word: "a second time", "the rows a step updates".
    (f"(?:images|pictures|samples|seconds|bytes|rows|centres|numbers) a {THING}(?! \\w)", "per"),
    ("(?:is|are) told by|(?:unless|if not) told otherwise|if nothing is said", "by default; say what is read or set"),
    ("(?:numbers|products|scores) of seven bits|in seven bits", "7-bit codes"),
    ("(?:is|are) passed over|(?:is|are) left alone", "ignored; skipped; unchanged"),
    ("derivatives? by (?:z|the scores?)", "derivative with respect to"),
    ("strangers", "unknown identities; impostors"),
    ("whoever", "name the thing or person"),
    ("has no use for", "does not have; does not use"),
    ("what is (?:asked for|wanted)|is wanted of", "what is required; the goal"),
    ("to be had", "available"),
    ("reckoned", "computed"),
    ("what has none", "say it directly"),
]

SUFFIXES = {".md", ".rs", ".py", ".toml", ".sh", ".js", ".mjs", ".css", ".html", ".txt"}
NAMES = {".ci/run", "justfile"}
# Generated pages, other languages, test data, and this list of phrases.
SKIPPED = re.compile(r"docs/src/explain/|\.ci/check_prose\.py|.*[./]zh\b|.*/fixtures/(?!.*\.py$)|.*/snapshots/.*\.snap$|LICENSE")

GAP = r"(?:[ \t]+|[ \t]*\n[ \t]*(?:(?://[/!]?|#+|\*|>)[ \t]*)?)"
RULES = [(re.compile(rf"(?<!\w)(?:{pattern.replace(' ', GAP)})(?!\w)", re.IGNORECASE), advice) for pattern, advice in PHRASES]


def problems(name, text):
    found = []
    for rule, advice in RULES:
        for match in rule.finditer(text):
            line = text.count("\n", 0, match.start()) + 1
            phrase = re.sub(GAP, " ", match.group())
            found.append((line, f'{name}:{line}: "{phrase}": write "{advice}"'))
    return [message for _, message in sorted(found)]


def self_test():
    good = "20 images per class; the file already exists; the run is evaluated on unseen classes.\n"
    bad = "fine\n/// Left out: equal\n/// images. The file exists already.\n"
    assert problems("good", good) == [], problems("good", good)
    expected = ['bad:2: "equal images": write "duplicate images"', 'bad:3: "exists already": write "already exists"']
    assert problems("bad", bad) == expected, problems("bad", bad)


def tracked():
    listed = subprocess.run(["git", "ls-files", "-z"], check=True, capture_output=True, text=True).stdout.split("\0")
    return [name for name in listed if (Path(name).suffix in SUFFIXES or name in NAMES) and not SKIPPED.match(name)]


def main():
    names = sys.argv[1:]
    if not names:
        self_test()
        names = [name for name in tracked() if Path(name).is_file()]
    messages = [message for name in names for message in problems(name, Path(name).read_text(encoding="utf-8"))]
    print("\n".join(messages) if messages else f"{len(names)} files: no match")
    sys.exit(1 if messages else 0)


if __name__ == "__main__":
    main()
