# shellcheck shell=sh
# What the servers in shell share. Each of them defines `conversation`, and ends with
#
#     . "${0%/*}/listen.sh"
#
#     tests/peers/NAME [-d DIR] [PORT]      reads its words, starts the listener; a signal ends all of it
#      └ the listener                       socat, which accepts
#         └ a client                        the same script once more; its 0 and 1 are the connection
#
# The script is a file, and socat only gets its name: text inside of `system:'...'` loses its quotes
# in socat, and is then split and expanded by the shell, as on the course page. Everything is for
# POSIX sh; `setsid` is of Linux.

export LC_ALL=C # a character is a byte, whatever the client thinks
default_port=${default_port-9090} options=${options-}

# What a server has to do before its first client comes, if it says nothing else.
command -v before_clients >/dev/null || before_clients() { :; }

# The end of a client's shell. To close while something is unread is a reset, which can overtake
# what was sent, so what has come is thrown away first. (No command ends one direction and leaves
# the other open, as shutdown(2) does.)
finish() {
    dd iflag=nonblock of=/dev/null bs=65536 2>/dev/null # GNU's: takes what is there, does not wait
    exit
}

# Down to what a server has to say: socat's log has several lines for each client, and says again
# and again that it listens.
log() {
    said=''
    while IFS= read -r line; do
        case $line in
            *' N listening on '*)
                [ "$said" ] || echo "listening on ${line##* }" >&2
                said=yes
                ;;
            *' E '*) printf '%s: %s\n' "${0##*/}" "${line#*' E '}" >&2 ;;
        esac
    done
}

usage() {
    [ -z "${1-}" ] || printf '%s: %s\n' "${0##*/}" "$1" >&2
    printf 'usage: %s%s [PORT]\n' "${0##*/}" "${options:+ [-d DIR]}"
}

case ${PEER_ROLE-} in
    client)
        # shellcheck disable=SC3045  # not in POSIX, and not in every shell
        ulimit -v 40000 2>/dev/null # KiB, for each of 300: a line without end ends its own client
        conversation
        finish
        ;;
    listener)
        # Even if the first of us is killed: then nobody has the other end of its pipe any more.
        { read -r _ <&9; rm -rf -- "$PEER_FILES"; kill -s KILL 0; } &
        exec 9<&-
        before_clients
        # What shell cannot do: ask those who say nothing to make room. After max-children have come
        # the next one waits until one of them goes.
        # nofork: what socat has forked for a client becomes our script, with the connection as 0
        # and 1, and no process copies bytes in between. (That one would end half a second after
        # either direction did, answered or not.)
        where=tcp-listen:$PORT,bind=127.0.0.1,reuseaddr,backlog=1024,fork,max-children=300
        where=$where,nodelay,keepalive${socket_options-}
        PEER_ROLE=client socat -dd "$where" "exec:${0##*/},nofork" 2>&1 | log
        exit 1 # it ends by itself only when something is wrong, and has said what
        ;;
esac

[ "${1-}" != --help ] || set -- -h
directory=${options:-.}
while getopts "${options:+d:}h" option; do
    case $option in
        d) directory=$OPTARG ;;
        h) usage && exit ;;
        *) usage >&2 && exit 2 ;;
    esac
done
shift $((OPTIND - 1))
PORT=${1-$default_port}
case $#,$PORT in
    [01],*[!0-9]* | [01], | [!01],*) usage "bad PORT: $*" >&2 && exit 2 ;;
esac
if ! command -v socat >/dev/null; then
    echo "${0##*/}: socat is missing: install the package socat" >&2
    exit 1
fi

# socat finds the script by its name, so that nothing in the path to it is read as socat's own
# language.
here=$(CDPATH='' cd -P -- "$(dirname -- "$0")" && pwd) || exit
PATH=$here:$PATH PEER_ROLE=listener
export PATH PORT PEER_ROLE
CDPATH='' cd -P -- "$directory" || exit

PEER_FILES='' listener=''
end() {
    trap '' HUP INT QUIT TERM
    # TERM can be lost: socat takes note of it, and then becomes our script.
    [ -z "$listener" ] || kill -s KILL -- "$listener" "-$listener" 2>/dev/null
    [ -z "$listener" ] || wait "$listener" 2>/dev/null
    [ -z "$PEER_FILES" ] || rm -rf -- "$PEER_FILES"
    exit "$1"
}
trap 'end 0' HUP INT QUIT TERM

PEER_FILES=$(mktemp -d "${TMPDIR:-/tmp}/${0##*/}.XXXXXX") || exit # for what it writes; gone in the end
export PEER_FILES
lifeline=$PEER_FILES/lifeline
mkfifo "$lifeline" || end 1
# shellcheck disable=SC2094  # a FIFO, both of its ends
exec 8<>"$lifeline" 9<"$lifeline"
rm -- "$lifeline"
[ "${wants_files-}" ] || rmdir -- "$PEER_FILES"

# A group of its own: one kill ends the listener, its clients, and what they run. A Mac has no
# setsid, and there sh can.
if command -v setsid >/dev/null; then own_group=setsid; else own_group='' && set -m; fi
# shellcheck disable=SC2086  # a word, or none
$own_group "$here/${0##*/}" 8>&- &
listener=$!
exec 9<&-
wait "$listener"
end $?
