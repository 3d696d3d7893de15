#!/bin/sh
# The echo server in shell: tests/peers/echo.sh [PORT], and then  nc 127.0.0.1 9090
#
# The page's script (page/echo.sh) with its traps mended: `read -r` keeps backslashes, `IFS=` the
# blanks around a line, `printf` a line that is -n, and "$line" in quotes is not split or expanded.
#
# What shell cannot do: keep a NUL (`read` passes over it); answer a line before all of it has come,
# so that a line is as long as memory allows; read faster than a byte at a time, some 2 MB/s.

conversation() {
    echo 'Le serveur écoute.'
    while line='' && IFS= read -r line; do # '': `read` may fail without having touched it
        printf 'le serveur répond : %s\n' "$line"
    done
    [ -z "$line" ] || printf 'le serveur répond : %s' "$line" # the last one, without its newline
}

. "${0%/*}/listen.sh"
