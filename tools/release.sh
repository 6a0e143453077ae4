#!/usr/bin/env bash
# Builds the program for Linux on x86-64 and aarch64, and packs each binary with the licences and the README:
# target/release-packages/widemargin-VERSION-TARGET.tar.gz, and SHA256SUMS.
#
#   tools/release.sh                                   both targets
#   tools/release.sh x86_64-unknown-linux-gnu          one of them
#
# Needs Rust with rustup. The x86-64 binary needs a C library as new as that of the machine that builds it, so build it on the oldest
# system that is to be supported. The aarch64 binary is linked statically with musl, which comes with Rust: no cross compiler is needed.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

readonly all=(x86_64-unknown-linux-gnu aarch64-unknown-linux-musl)
readonly target=${CARGO_TARGET_DIR:-target}
readonly packages=$target/release-packages
version=$(cargo metadata --no-deps --format-version 1 --locked |
    grep -o '"name":"widemargin-cli","version":"[^"]*"' | cut -d'"' -f8)
readonly version

if [ -n "$(git status --porcelain)" ]; then
    echo "release.sh: the working tree has changes that no commit has; commit them first" >&2
    exit 1
fi
mkdir -p "$packages"

for triple in "${@:-${all[@]}}"; do
    rustup target add "$triple"
    upper=${triple^^}
    environment=()
    case $triple in
    *-musl) environment=("CARGO_TARGET_${upper//-/_}_LINKER=rust-lld") ;;
    esac
    # The profile strips the symbols.
    env "${environment[@]}" cargo build --release --locked --target "$triple" -p widemargin-cli
    name=widemargin-$version-$triple
    rm -rf "${packages:?}/$name"
    mkdir "$packages/$name"
    cp "$target/$triple/release/widemargin" README.md CHANGELOG.md LICENSE-APACHE LICENSE-MIT "$packages/$name/"
    # The same commit gives the same archive.
    tar --sort=name --owner=0 --group=0 --numeric-owner --mtime="@$(git log -1 --format=%ct)" -C "$packages" -c "$name" |
        gzip -n9 >"$packages/$name.tar.gz"
    rm -r "${packages:?}/$name"
    ls -l "$packages/$name.tar.gz"
done
(cd "$packages" && sha256sum -- *.tar.gz >SHA256SUMS && cat SHA256SUMS)
