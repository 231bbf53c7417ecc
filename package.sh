#!/bin/sh
# Builds the functions as static binaries and packs them: dist/ask.zip is the event function,
# dist/ask-web.zip the Web function. `./package.sh ask` builds one of them. The same commit gives
# the same bytes.
set -eu
cd "$(dirname "$0")"

target=x86_64-unknown-linux-musl
need() { command -v "$1" >/dev/null || { echo "package.sh: $1 not found ($2)" >&2; exit 1; }; }
need cargo "install Rust from https://rustup.rs"

# Without rustup, cargo must have the target already.
if command -v rustup >/dev/null; then
    rustup target list --installed | grep -qx "$target" || rustup target add "$target"
fi

# ring contains C and assembly, but needs no C library. So any gcc for x86-64 Linux compiles it;
# on other systems, zig is the cross compiler.
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

# The packer, built without the settings of the functions.
env -u CARGO_BUILD_TARGET cargo build --locked --target-dir "$target_dir" -p ask-pack

# Keep the folders of this machine out of the binary, so that its bytes are the same everywhere.
cargo_home=${CARGO_HOME:-$HOME/.cargo}
# Encoded, because a folder's name may have spaces.
CARGO_ENCODED_RUSTFLAGS=$(printf -- '--remap-path-prefix=%s\037' "$PWD=." "$cargo_home=cargo")
CARGO_ENCODED_RUSTFLAGS=$CARGO_ENCODED_RUSTFLAGS--remap-path-prefix=$target_dir=target
CFLAGS="-ffile-prefix-map=$cargo_home=cargo"
export CARGO_ENCODED_RUSTFLAGS CFLAGS

# pack PACKAGE BINARY START [OPTIONS]: builds the binary with these options of cargo, and packs it
# with its start file into dist/BINARY.zip.
pack() {
    package=$1 binary=$2 start=$3
    shift 3
    $build --release --locked --target "$target" --target-dir "$target_dir" \
        -p "$package" --bin "$binary" "$@"
    rm -rf "dist/$binary" "dist/$binary.zip"
    mkdir -p "dist/$binary"
    cp "$start" "$target_dir/$target/release/$binary" "dist/$binary/"
    chmod 755 "dist/$binary"/*
    "$target_dir/debug/ask-pack" "dist/$binary.zip" "dist/$binary/$start" "dist/$binary/$binary"
}

# The event function is built for size: it handles one event at a time, and a cold start downloads
# its package. At a fixed address, it needs no relocations at start. SHA-256 is for signed links
# alone. The subshell keeps these settings from the other function.
pack_ask() (
    flags='\037-Crelocation-model=static\037--cfg=sha2_backend_soft="compact"'
    CARGO_ENCODED_RUSTFLAGS=$CARGO_ENCODED_RUSTFLAGS$(printf "$flags")
    export CARGO_PROFILE_RELEASE_OPT_LEVEL=s
    # Without the command line, which no function runs.
    pack scf-ask ask bootstrap --no-default-features
)

case "${1:-all}" in
ask) pack_ask ;;
ask-web) pack ask-web ask-web scf_bootstrap ;;
all) pack_ask && pack ask-web ask-web scf_bootstrap ;;
*) echo "usage: ./package.sh [ask | ask-web]" >&2 && exit 1 ;;
esac
