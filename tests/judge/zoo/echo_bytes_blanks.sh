# echo bytes: takes the blanks off the start of a line (IFS, or read, in a shell; here sed).
if [ "$1" = client ]; then
    echo "Le serveur écoute."
    exec stdbuf -oL sed 's/^[ 	]*/le serveur répond : /'
fi
exec socat "tcp-listen:$1,bind=127.0.0.1,fork,reuseaddr,backlog=100" "exec:sh $0 client"
