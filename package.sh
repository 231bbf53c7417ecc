#!/bin/sh
# Builds the functions as static binaries and packs them: dist/ask.zip, the event function, and dist/ask-web.zip, the Web
# function. Names one of them to build it alone: ./package.sh ask. The same commit gives the same bytes.
set -eu
cd "$(dirname "$0")"

target=x86_64-unknown-linux-musl
need() { command -v "$1" >/dev/null || { echo "package.sh: $1 is missing: $2" >&2; exit 1; }; }
need cargo "install Rust from https://rustup.rs"

# rustup adds the target; a cargo that came without rustup must have it already.
if command -v rustup >/dev/null; then
    rustup target list --installed | grep -qx "$target" || rustup target add "$target"
fi

# ring has some C and assembly in it. Any gcc for x86-64 Linux will do, as it needs nothing of the C library; elsewhere
# zig is the cross compiler.
build="cargo build"
if [ "$(uname -sm)" = "Linux x86_64" ]; then
    need "${CC_x86_64_unknown_linux_musl:-gcc}" "install a C compiler (apt install gcc)"
    export CC_x86_64_unknown_linux_musl="${CC_x86_64_unknown_linux_musl:-gcc}"
else
    need zig "brew install zig, or pip install ziglang"
    need cargo-zigbuild "cargo install cargo-zigbuild"
    build="cargo zigbuild"
fi

target_dir=${CARGO_TARGET_DIR:-target}
case $target_dir in /*) ;; *) target_dir=$PWD/$target_dir ;; esac

# What packs, before the settings of what is packed.
env -u CARGO_BUILD_TARGET cargo build --locked --target-dir "$target_dir" -p ask-pack

# The folders of this machine, that of the build included, stay out of the binary: with them, its bytes would differ from
# machine to machine.
cargo_home=${CARGO_HOME:-$HOME/.cargo}
# Encoded, so that a folder may have spaces in its name.
CARGO_ENCODED_RUSTFLAGS=$(printf -- '--remap-path-prefix=%s\037' "$PWD=." "$cargo_home=cargo")
CARGO_ENCODED_RUSTFLAGS=$CARGO_ENCODED_RUSTFLAGS--remap-path-prefix=$target_dir=target
CFLAGS="-ffile-prefix-map=$cargo_home=cargo"
export CARGO_ENCODED_RUSTFLAGS CFLAGS

# pack PACKAGE BINARY START: the binary and its start file, at the top of dist/BINARY.zip.
pack() {
    $build --release --locked --target "$target" --target-dir "$target_dir" -p "$1" --bin "$2"
    rm -rf "dist/$2" "dist/$2.zip"
    mkdir -p "dist/$2"
    cp "$3" "$target_dir/$target/release/$2" "dist/$2/"
    chmod 755 "dist/$2"/*
    "$target_dir/debug/ask-pack" "dist/$2.zip" "dist/$2/$3" "dist/$2/$2"
}

# The event function is made for size: it answers one question at a time, and its package is what a cold start fetches.
# At a fixed address, it needs no table of what to adjust at start. In a shell of its own, so that the other does not
# inherit that.
pack_ask() (
    CARGO_ENCODED_RUSTFLAGS=$CARGO_ENCODED_RUSTFLAGS$(printf '\037')-Crelocation-model=static
    export CARGO_PROFILE_RELEASE_OPT_LEVEL=s
    pack scf-ask ask bootstrap
)

case "${1:-all}" in
ask) pack_ask ;;
ask-web) pack ask-web ask-web scf_bootstrap ;;
all) pack_ask && pack ask-web ask-web scf_bootstrap ;;
*) echo "usage: ./package.sh [ask | ask-web]" >&2 && exit 1 ;;
esac
