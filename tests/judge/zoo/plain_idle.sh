# plain accept: closes a client that has said nothing for two seconds (socat -T).
exec socat -T2 -t30 "tcp-listen:$1,bind=127.0.0.1,fork,reuseaddr,backlog=100" exec:cat
