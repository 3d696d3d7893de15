#!/bin/sh
# The echo server of the course page, in shell: tests/peers/echo.sh [PORT]
# socat takes the double quotes off, so that the shell splits each answer at its blanks: text has become program.
if [ -z "$1" ]; then
    PORT=9090
else
    PORT=$1
fi

exec socat -dd tcp-listen:"$PORT",bind=127.0.0.1,fork,reuseaddr \
'system:

echo "Le serveur écoute."

while read CLIENT_MESSAGE; do
  echo "le serveur répond : $CLIENT_MESSAGE"
done
'
