# The commands of everyday work. `just` lists them; each is one line that also works typed by hand.

_default:
    @just --list --unsorted

# Everything that must hold before a change goes in (also: what CI runs)
check:
    .ci/run

# The tests, doc tests included; `just test -p widemargin-objective` for one crate
test *ARGUMENTS='--workspace':
    cargo test {{ARGUMENTS}}

# Format the tree and lint it
tidy:
    cargo fmt --all
    cargo clippy --workspace --all-targets -- -D warnings

# The main job in about a minute: train on the embedded data set, write runs/quick
quick:
    rm -rf runs/quick
    cargo run --release -- train --quick --out runs/quick

# Time one part of the program; prints JSON: `just bench train --backbone small-cnn`
bench *ARGUMENTS='train':
    cargo run --release -- bench {{ARGUMENTS}} --json

# The training step beside the same one in PyTorch; prints a table and JSON
peers ROUNDS='3':
    benches/peers/compare_train.sh {{ROUNDS}}

# The book as pages under target/book, if mdBook is installed; it reads well as plain Markdown too
book:
    mdbook build docs

# Write the page of `widemargin explain` into the book; needed after a change to its texts, script or figures
explain:
    cargo run --release -- explain -o docs/src/explain

# Test that page in a browser, with screenshots under target/; needs Node.js, Chromium and `npm ci` in crates/explain/browser
browser:
    cargo run --release -- explain -o target/explain
    node crates/explain/browser/check.mjs --page target/explain --program target/release/widemargin --screenshots target/explain/screenshots

# The documentation of the crates
doc:
    RUSTDOCFLAGS="-D warnings" cargo doc --workspace --no-deps

# Known vulnerabilities in dependencies; needs cargo-deny and a network that reaches its advisory database
advisories:
    cargo deny check advisories
