#!/bin/sh
# Everyone hears everyone, in shell: tests/peers/broadcast.sh [PORT], and in several terminals
# nc 127.0.0.1 9090
#
# One log, many cursors, as in broadcast/server; but the log is a file, and a cursor a `tail -f`:
#
#     a client's shell  -- "say K3x" -->  FIFO wishes  -->  one writer  -->  log
#     a client's shell  <--------------- tail -f, from the line after its own coming
#
# One process writes, so no line is lost or mixed with another, and all see the same order. (The
# page's script, page/echo_a_tous.sh, lets each client write into each other's FIFO.) What is put
# into the FIFO wishes is short: a write of up to PIPE_BUF bytes is not mixed with others. The line
# itself waits in a file of its client's.
#
# What shell cannot do:
# - see a NUL in a line;
# - forget what all have seen: the log grows until the server ends, which it does at 1 GiB;
# - let those who speak wait for who is slow: one that reads nothing for 5 s is dropped, by the
#   kernel, and where there is no Linux it is kept, at no cost to the others;
# - give up a line at its 65,537th byte: it is read to its end, byte by byte, some 2 MB/s;
# - be quick: a client takes four processes and some 10 ms to come in, and from about the 120th on
#   `tail` looks for what is new only every second (Linux: fs.inotify.max_user_instances).

# TCP_USER_TIMEOUT, on Linux: the kernel resets a connection that has taken nothing for 5 s.
[ "$(uname)" != Linux ] || socket_options=,setsockopt-int=6:18:5000
wants_files=yes # in $PEER_FILES
most=250 # clients in the room

# ---- The writer: one for all -----------------------------------------------------------------------

append() { # LINE
    printf '%s\n' "$1" || exit
    size=$((size + ${#1} + 1))
}

write() {
    # shellcheck disable=SC3045  # in POSIX, this one
    ulimit -f 2097152 # blocks of 512 bytes
    # <> opens a FIFO without waiting for its other end, and never sees an end.
    exec 3<>"$PEER_FILES/wishes" >>"$PEER_FILES/log"
    size=0 present=0
    while read -r wish who <&3; do
        client=$PEER_FILES/clients/$who
        case $wish in
            enter)
                if [ "$present" -eq "$most" ]; then
                    echo full 1<>"$client/answer" && continue
                fi
                present=$((present + 1))
                append "$who est connecté"
                echo $((size + 1)) 1<>"$client/answer"
                ;;
            say)
                IFS= read -r line <"$client/line"
                append "Message de $who : $line"
                echo written 1<>"$client/answer"
                ;;
            leave)
                present=$((present - 1))
                append "$who est déconnecté"
                ;;
        esac
    done
}

before_clients() {
    mkdir "$PEER_FILES/clients" && mkfifo "$PEER_FILES/wishes" && : >"$PEER_FILES/log" || exit
    { (write); kill -s TERM 0; } & # without it there is no room
}

# ---- A client --------------------------------------------------------------------------------------

hear() { # up to our own leaving; no further when there is nobody to tell it to
    while IFS= read -r heard && [ "$heard" != "$me est déconnecté" ]; do
        printf '%s\n' "$heard" || break
    done
}

ask() { # WISH: and what the writer answers
    printf '%s %s\n' "$1" "$me" >&3
    read -r answer <&4
}

conversation() {
    trap '' PIPE # who does not listen any more still has to leave
    until
        me=$(tr -dc A-Za-z0-9 </dev/urandom | head -c 3)
        folder=$PEER_FILES/clients/$me
        mkdir "$folder"
    do
        [ -d "$PEER_FILES/clients" ] || return # else: somebody has this name
    done
    mkfifo "$folder/answer" "$folder/heard"
    exec 3<>"$PEER_FILES/wishes" 4<>"$folder/answer"
    ask enter
    if [ "$answer" = full ]; then
        echo 'serveur complet'
    else
        talk
    fi
    rm -rf -- "$folder"
}

speak() { # fails at a line that is too long
    while line='' && IFS= read -r line || [ -n "$line" ]; do
        [ ${#line} -le 65536 ] || exit 1
        printf '%s\n' "$line" >"$folder/line"
        ask say
    done
}

talk() {
    printf 'je suis : %s\n' "$me"
    tail -c "+$answer" -f "$PEER_FILES/log" >"$folder/heard" &
    cursor=$!
    hear <"$folder/heard" &
    ear=$!
    (speak) # in a shell of its own: a line that memory has no room for ends that one, and we go on
    too_long=$?
    printf 'leave %s\n' "$me" >&3
    wait "$ear"
    kill "$cursor"
    [ "$too_long" -eq 0 ] || echo 'erreur : ligne trop longue'
}

. "${0%/*}/listen.sh"
