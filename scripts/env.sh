# Sourced by the scripts and by whoever builds by hand: one target directory outside the checkout,
# and the faster linker when it is there.
export CARGO_TARGET_DIR="${CARGO_TARGET_DIR:-$HOME/.cache/coppice-target}"
if [ -z "${RUSTFLAGS:-}" ] && command -v mold >/dev/null 2>&1; then
    export RUSTFLAGS="-C link-arg=-fuse-ld=mold"
fi
