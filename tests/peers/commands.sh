#!/bin/sh
# A server for a simple protocol, in shell: tests/peers/commands.sh [-d DIR] [PORT], and then  nc -N
# 127.0.0.1 9090
#
#     hello           hello
#     heure           2026-11-22T11:37:12+01:00
#     fichier NOM     NOM SIZE, then SIZE bytes; or  erreur : NOM : fichier introuvable
#     quitter         the end
#
# What shell cannot do: see a NUL in a line (`read` passes over it: fichier a\0b is fichier ab);
# open a file only if it is no link (between the look and the open somebody of this machine could
# put one there, which no client can); send a file in the order of one open (size and bytes are read
# by two commands). A line is as long as memory allows.

options=. # -d DIR, and its default

. "${0%/*}/inside.sh"

fichier() ( # NOM; a subshell, as it walks
    if enter "$1" && measure "$file"; then
        printf '%s %d\n' "$1" "$size"
        send "$file" "$size"
    else
        printf 'erreur : %s : fichier introuvable\n' "$1"
    fi
)

heure() { # date(1) has no colon in the offset
    now=$(date +%Y-%m-%dT%H:%M:%S%z)
    printf '%s:%s\n' "${now%??}" "${now#"${now%??}"}"
}

conversation() {
    # A last line may have no newline; and `read` may fail, for want of memory, and leave $line as it
    # was.
    while line='' && IFS= read -r line || [ -n "$line" ]; do
        case $line in
            hello) echo hello ;;
            heure) heure ;;
            'fichier '*) fichier "${line#fichier }" || break ;;
            quitter) break ;;
            *) printf 'erreur : commande inconnue : %s\n' "$line" ;;
        esac
    done
}

. "${0%/*}/listen.sh"
