#!/usr/bin/env python3
"""Fail if files of a crate import each other in a cycle.

    check_cycles.py [CRATE_FOLDER ...]    without arguments: every crate of the workspace, and its own self-test

Reads `use` declarations and paths that begin with `crate::`, `super::` or `self::` as text, follows `pub use` to the file that
defines a name, and leaves out tests. A module's own file (`mod.rs`, `lib.rs`) that only declares and re-exports its parts
imports nothing. Uses Python's standard library only. Prints each cycle with the imported names, and exits 1.
"""

import re
import sys
from pathlib import Path


def strip(text):
    """The code without comments, string contents and test modules."""
    text = re.sub(r"//[^\n]*", "", text)
    text = re.sub(r"/\*.*?\*/", "", text, flags=re.S)
    text = re.sub(r'r(#*)".*?"\1', '""', text, flags=re.S)
    text = re.sub(r'"(?:\\.|[^"\\])*"', '""', text, flags=re.S)
    while True:
        found = re.search(r"#\[cfg\(test\)\]\s*(?:#\[[^\]]*\]\s*)*(?:pub(?:\([^)]*\))?\s+)?(?:mod|fn|impl|use|const|struct)\b[^{;]*", text)
        if not found:
            return text
        end = found.end()
        if text[end : end + 1] == "{":
            depth = 0
            while end < len(text):
                depth += {"{": 1, "}": -1}.get(text[end], 0)
                end += 1
                if depth == 0:
                    break
        text = text[: found.start()] + text[end + 1 :]


def leaves(tree, prefix=()):
    """(path, local name) of each leaf of a use tree such as `a::{b, c::{self, d as e}}`."""
    tree = tree.strip()
    if not tree:
        return
    brace = tree.find("{")
    if brace >= 0 and tree.endswith("}"):
        base = tuple(part for part in tree[:brace].strip().split("::") if part)
        depth, start, inner = 0, 0, tree[brace + 1 : -1]
        for at, char in enumerate(inner + ","):
            depth += {"{": 1, "}": -1}.get(char, 0)
            if char == "," and depth == 0:
                yield from leaves(inner[start:at], prefix + base)
                start = at + 1
        return
    tree, _, alias = tree.partition(" as ")
    path = prefix + tuple(part.strip() for part in tree.split("::"))
    if path[-1] == "self":
        path = path[:-1]
    yield path, (alias.strip() or path[-1])


class Crate:
    def __init__(self, source):
        self.files = {}
        for file in sorted(source.rglob("*.rs")):
            parts = list(file.relative_to(source).with_suffix("").parts)
            if parts == ["main"] and (source / "lib.rs").exists():
                continue
            if parts[-1] in ("mod", "lib", "main"):
                parts.pop()
            if "tests" in parts:
                continue
            self.files[tuple(parts)] = (file, strip(file.read_text(encoding="utf-8")))
        self.uses = {module: self.use_declarations(module) for module in self.files}

    def use_declarations(self, module):
        text = self.files[module][1]
        found = re.finditer(r"^[ \t]*(pub(?:\([^)]*\))?\s+)?use\s+([^;]+);", text, flags=re.M)
        return [(bool(m[1]), path, name) for m in found for path, name in leaves(re.sub(r"\s+", " ", m[2]))]

    def absolute(self, module, path):
        """The path from the crate root, or None if it is in another crate."""
        if path[0] == "crate":
            return path[1:]
        if path[0] == "self":
            return module + path[1:]
        if path[0] == "super":
            up = list(module)
            while path and path[0] == "super":
                if not up:
                    return None
                up.pop()
                path = path[1:]
            return tuple(up) + path
        child = module + path[:1]
        return module + path if child in self.files else None

    def owner(self, path, seen=()):
        """The module that defines `path`, following re-exports."""
        for length in range(len(path), -1, -1):
            if path[:length] in self.files:
                break
        module, rest = path[:length], path[length:]
        if not rest or (module, rest) in seen:
            return module
        for public, target, name in self.uses[module]:
            if public and name == rest[0]:
                absolute = self.absolute(module, target)
                if absolute is None:
                    return None
                return self.owner(absolute + rest[1:], seen + ((module, rest),))
        return module

    def imports(self):
        """module -> {module: names}, from declarations and paths in the code."""
        edges = {}
        for module, (_, text) in self.files.items():
            paths = [path for public, path, _ in self.uses[module] if not public]
            body = re.sub(r"^[ \t]*(?:pub(?:\([^)]*\))?\s+)?use\s+[^;]+;", "", text, flags=re.M)
            paths += [tuple(m[0].split("::")) for m in re.finditer(r"\b(?:crate|super|self)(?:::\w+)+", body)]
            children = [child[-1] for child in self.files if len(child) == len(module) + 1 and child[:-1] == module]
            for child in children:
                paths += [tuple(m[0].split("::")) for m in re.finditer(rf"(?<![\w:]){child}(?:::\w+)+", body)]
            known = {name: path for _, path, name in self.uses[module]}
            for path in paths:
                if path[0] in known and path[0] not in ("crate", "super", "self"):
                    path = known[path[0]] + path[1:]
                absolute = self.absolute(module, path)
                owner = self.owner(absolute) if absolute is not None else None
                if owner is not None and owner != module:
                    edges.setdefault(module, {}).setdefault(owner, set()).add(path[-1])
        return edges


def cycles(edges):
    """Strongly connected components of more than one module (Tarjan)."""
    index, low, stack, out = {}, {}, [], []

    def visit(node):
        index[node] = low[node] = len(index)
        stack.append(node)
        for other in edges.get(node, ()):
            if other not in index:
                visit(other)
                low[node] = min(low[node], low[other])
            elif other in stack:
                low[node] = min(low[node], index[other])
        if low[node] == index[node]:
            group = [stack.pop()]
            while group[-1] != node:
                group.append(stack.pop())
            if len(group) > 1:
                out.append(sorted(group))

    for node in list(edges):
        if node not in index:
            visit(node)
    return out


def self_test():
    import tempfile

    with tempfile.TemporaryDirectory() as folder:
        source = Path(folder)
        (source / "lib.rs").write_text("mod a;\nmod b;\npub use b::B;\n")
        (source / "a.rs").write_text("use crate::B;\npub struct A(B);\n")
        (source / "b.rs").write_text("pub struct B;\n#[cfg(test)]\nmod tests { use crate::a::A; }\n")
        assert cycles(Crate(source).imports()) == [], "a test's import is no cycle"
        (source / "b.rs").write_text("pub struct B;\nfn f() { super::a::g() }\n")
        assert cycles(Crate(source).imports()) == [[("a",), ("b",)]], "a cycle through a re-export"


def main():
    sys.setrecursionlimit(10_000)
    root = Path(__file__).resolve().parent.parent
    crates = [Path(name) for name in sys.argv[1:]]
    if not crates:
        self_test()
        crates = sorted(path.parent for path in root.glob("crates/*/Cargo.toml"))
    bad = 0
    for folder in crates:
        crate = Crate(folder / "src")
        edges = crate.imports()
        for group in cycles(edges):
            bad += 1
            print(f"cycle {bad}: {len(group)} files of {folder.name}")
            for module in group:
                for other, names in sorted(edges.get(module, {}).items()):
                    if other in group:
                        files = [crate.files[m][0].relative_to(folder / "src") for m in (module, other)]
                        print(f"  {files[0]} -> {files[1]}: {', '.join(sorted(names))}")
    if bad:
        sys.exit(f"{bad} import cycles; move shared items into a file that imports neither")
    print(f"no import cycles in {len(crates)} crates")


if __name__ == "__main__":
    main()
