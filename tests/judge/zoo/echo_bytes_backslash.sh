# echo bytes: read without -r takes the backslashes off (and a shell cannot hold the byte 0).
# also long-line, half-close: a shell reads byte by byte, and that takes its time.
if [ "$1" = client ]; then
    echo "Le serveur écoute."
    while IFS= read LINE; do printf 'le serveur répond : %s\n' "$LINE"; done
    printf '%s' "${LINE:+le serveur répond : $LINE}"
else
    exec socat "tcp-listen:$1,bind=127.0.0.1,fork,reuseaddr,backlog=100" "exec:sh $0 client"
fi
