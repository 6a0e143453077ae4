# Everyday commands. `just` lists them; you can also type each one by hand.

_default:
    @just --list --unsorted

# Run every check that a change must pass, as CI does
check:
    .ci/run

# Run the tests, including doc tests; `just test -p widemargin-objective` for one crate
test *ARGUMENTS='--workspace':
    cargo test {{ARGUMENTS}}

# Format and lint the code
tidy:
    cargo fmt --all
    cargo clippy --workspace --all-targets -- -D warnings

# Train for three epochs on the built-in data set; write runs/quick
quick:
    rm -rf runs/quick
    cargo run --release -- train --quick --out runs/quick

# Benchmark one part of the program, with JSON output: `just bench train --backbone small-cnn`
bench *ARGUMENTS='train':
    cargo run --release -- bench {{ARGUMENTS}} --json

# Compare the training step with PyTorch; print a table and JSON
peers ROUNDS='3':
    benches/peers/compare_train.sh {{ROUNDS}}

# Build the book as HTML in target/book; needs mdBook
book:
    mdbook build docs

# Update the page of `widemargin explain` in the book after a change to its text, script or figures
explain:
    cargo run --release -- explain -o docs/src/explain

# Test that page in a real browser, with screenshots in target/; needs Node.js, Chromium and `npm ci` in crates/explain/browser
browser:
    cargo run --release -- explain -o target/explain
    node crates/explain/browser/check.mjs --page target/explain --program target/release/widemargin --screenshots target/explain/screenshots

# Test the report of `just quick` in a real browser, with screenshots in target/; needs what `just browser` needs
report: quick
    node crates/report/browser/check.mjs runs/quick/report.html --screenshots target/report

# Build the documentation of the crates
doc:
    RUSTDOCFLAGS="-D warnings" cargo doc --workspace --no-deps

# Check dependencies for known vulnerabilities; needs cargo-deny and network access to its advisory database
advisories:
    cargo deny check advisories
