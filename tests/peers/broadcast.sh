#!/bin/sh
# Everyone hears everyone, in shell: tests/peers/broadcast.sh [PORT], and then  nc 127.0.0.1 9090
# in several terminals
#
# One log, many cursors, as broadcast/server has it; here the log is a file, and a cursor is a `tail
# -f`:
#
#     a client's shell  -- "say K3x" -->  FIFO wishes  -->  one writer  -->  log
#     a client's shell  <--------------- tail -f, from the line after its own coming
#
# One process writes, so no line is lost or mixed with another, and all see the same order. (The
# page's script, page/echo_a_tous.sh, lets each client write into each other's FIFO.) What is put
# into the FIFO wishes is short: a write of up to PIPE_BUF bytes is not mixed with others. The line
# itself waits in a file of its client's.
#
# What shell cannot do: see a NUL in a line; forget what all have seen, so that the log grows until
# the server ends (at 1 GiB the server ends); notice who does not read, who is kept, at no cost to
# the others, until the client itself goes; read 65,536 bytes of a line and no more. A client costs
# three processes, and from about the 120th on `tail` looks for what is new only every second
# (Linux: fs.inotify.max_user_instances).

wants_room=yes # a directory of its own, $ROOM
most=250       # clients in it

# ---- The writer: one for all -----------------------------------------------------------------------

append() { # LINE
    printf '%s\n' "$1" || exit
    size=$((size + ${#1} + 1))
}

write() {
    # shellcheck disable=SC3045  # in POSIX, this one
    ulimit -f 2097152 # blocks of 512 bytes
    # <> opens a FIFO without waiting for its other end, and never sees an end.
    exec 3<>"$ROOM/wishes" >>"$ROOM/log"
    size=0 present=0
    while read -r wish who <&3; do
        client=$ROOM/clients/$who
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
    mkdir "$ROOM/clients" && mkfifo "$ROOM/wishes" && : >"$ROOM/log" || exit
    { (write); kill -s TERM 0; } & # without it there is no room
}

# ---- A client --------------------------------------------------------------------------------------

hear() { # up to our own leaving
    while IFS= read -r heard && [ "$heard" != "$me est déconnecté" ]; do
        printf '%s\n' "$heard"
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
        folder=$ROOM/clients/$me
        mkdir "$folder"
    do
        [ -d "$ROOM/clients" ] || return # else: somebody has this name
    done
    mkfifo "$folder/answer" "$folder/heard"
    exec 3<>"$ROOM/wishes" 4<>"$folder/answer"
    ask enter
    if [ "$answer" = full ]; then
        echo 'serveur complet'
    else
        talk
    fi
    rm -rf -- "$folder"
}

talk() {
    last_word=''
    printf 'je suis : %s\n' "$me"
    tail -c "+$answer" -f "$ROOM/log" >"$folder/heard" &
    cursor=$!
    hear <"$folder/heard" &
    ear=$!
    while IFS= read -r line || [ -n "$line" ]; do
        if [ ${#line} -gt 65536 ]; then
            last_word='erreur : ligne trop longue'
            break
        fi
        printf '%s\n' "$line" >"$folder/line"
        ask say
    done
    printf 'leave %s\n' "$me" >&3
    wait "$ear"
    kill "$cursor"
    [ -z "$last_word" ] || printf '%s\n' "$last_word"
}

. "${0%/*}/listen.sh"
