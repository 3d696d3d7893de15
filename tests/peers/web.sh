#!/bin/sh
# The web server in shell: tests/peers/web.sh [-d DIR] [PORT], and then  curl -iL
# http://127.0.0.1:8080/
#
#     /  /index.html     302, /static/index.html
#     /static/NAME       the file NAME of DIR
#     /api/calcul        the sum of a and b, by awk (url.awk)
#
# What shell cannot do: see a NUL in a head (`read` passes over it); wait no more than so long for a
# line, so that there is no 408; read a date without giving a stranger's words to date(1), so that
# 304 is for the very Last-Modified that was sent, and no later one; and what commands.sh cannot. A
# request costs a process or two, one of a file six.

default_port=8080 options=tcp/www # -d DIR, and its default

. "${0%/*}/inside.sh"

# POSIX sh has no escapes for these. The sets are for the bracket of a pattern.
cr=$(printf '\r') tab=$(printf '\t')
controls=$(printf '\1\2\3\4\5\6\7\10\12\13\14\15\16\17\20\21\22\23\24\25\26\27')$(
    printf '\30\31\32\33\34\35\36\37\177'
)
token="!#$%&'*+.^_\`|~0-9A-Za-z-"             # RFC 9110, 5.6.2
authority="]0-9A-Za-z._~%!\$&'()*+,;=:[-"      # HOST or HOST:PORT (RFC 3986, 3.2)

# ---- Answers ---------------------------------------------------------------------------------------

head_of() { # STATUS TYPE LENGTH [FIELD]: all but the body
    [ "$keep_alive" ] || set -- "$@" 'Connection: close'
    [ -z "$keep_alive" ] || [ "$version" = HTTP/1.1 ] || set -- "$@" 'Connection: keep-alive'
    printf 'HTTP/1.1 %s\r\nDate: %s\r\n' "$1" "$(date -u '+%a, %d %b %Y %H:%M:%S GMT')"
    [ -z "$2" ] || printf 'Content-Type: %s\r\nContent-Length: %d\r\n' "$2" "$3"
    shift 3
    [ $# -eq 0 ] || printf '%s\r\n' "$@"
    printf '\r\n'
}

text() { # STATUS TYPE BODY [FIELD]
    status=$1 type=$2 body=$3
    shift 3
    head_of "$status" "$type" "${#body}" "$@"
    [ "$method" = HEAD ] || printf '%s' "$body"
}

page() { # 'STATUS REASON' SENTENCE [FIELD]
    status=$1 sentence=$2
    shift 2
    text "$status" 'text/html; charset=utf-8' "<!doctype html>
<html lang=\"fr\"><meta charset=\"utf-8\"><title>$status</title>
<h1>${status%% *}</h1><p>$sentence</p></html>
" "$@"
}

refuse() { # 'STATUS REASON' SENTENCE: the last answer on this connection
    keep_alive=''
    page "$@"
    finish
}

not_http() {
    refuse '400 Bad Request' "Cette requête n'est pas du HTTP bien formé."
}

file() ( # NAME; a subshell, as it walks
    if ! { enter "$1" && measure "$file"; }; then
        page '404 Not Found' 'Rien ne porte ce nom ici.' && exit
    fi
    case $file in
        *.html) type='text/html; charset=utf-8' ;;
        *.css) type='text/css; charset=utf-8' ;;
        *.js) type='text/javascript; charset=utf-8' ;;
        *.json) type='application/json' ;;
        *.txt | *.md) type='text/plain; charset=utf-8' ;;
        *.svg) type=image/svg+xml ;;
        *.png) type=image/png ;;
        *.jpg | *.jpeg) type=image/jpeg ;;
        *) type=application/octet-stream ;;
    esac
    modified=$(date -u -r "./$file" '+%a, %d %b %Y %H:%M:%S GMT') # -r FILE: GNU, BusyBox, the BSDs
    if [ "$since" ] && [ "$since" = "$modified" ]; then
        head_of '304 Not Modified' '' '' "Last-Modified: $modified"
    else
        head_of '200 OK' "$type" "$size" "Last-Modified: $modified"
        [ "$method" = HEAD ] || send "$file" "$size"
    fi
)

# Answers the request. Fails when the connection cannot go on.
answer() {
    case $method in
        GET | HEAD) ;;
        POST | PUT | DELETE | CONNECT | OPTIONS | TRACE | PATCH)
            page '405 Method Not Allowed' 'On ne peut que lire ici.' 'Allow: GET, HEAD' && return ;;
        *) page '501 Not Implemented' "Ce serveur n'offre pas cette méthode." && return ;;
    esac
    case $target in
        *'#'*) not_http ;;
        [Hh][Tt][Tt][Pp]://[!/?]*) # as a proxy is asked
            target=${target#*://}
            target=/${target#"${target%%[/?]*}"}
            case $target in //*) target=${target#/} ;; esac # not "http://host?query"
            ;;
        /*) ;;
        *) not_http ;;
    esac
    case $target in
        *\?*) query=${target#*\?} path=${target%%\?*} ;;
        *) query='' path=$target ;;
    esac
    case $path in
        *%*)
            path=$(WANTED=path TEXT=$path awk -f "$here/url.awk" && echo /) || not_http
            path=${path%/} # which keeps the newlines before it: $(...) takes those at the end off
            ;;
    esac
    case $path in
        / | /index.html) page '302 Found' 'La page est ailleurs.' 'Location: /static/index.html' ;;
        /api/calcul)
            sum=$(WANTED=sum TEXT=$query awk -f "$here/url.awk")
            case $sum in
                200*) text '200 OK' application/json "${sum#* }" ;;
                *) text '400 Bad Request' application/json "${sum#* }" ;;
            esac
            ;;
        *["$controls"]*) page '404 Not Found' 'Rien ne porte ce nom ici.' ;;
        /static/*) file "${path#/static/}" ;;
        *) page '404 Not Found' 'Rien ne porte ce nom ici.' ;;
    esac
}

# ---- Requests --------------------------------------------------------------------------------------

# The next line of the head, in $line, without its CR LF. Fails at the end of what the client says.
read_line() {
    if ! IFS= read -r line; then
        [ "$length${line:+ and more}" = 0 ] || not_http # it ended in the middle
        return 1
    fi
    length=$((length + ${#line} + 1))
    [ "$length" -le 8192 ] ||
        refuse '431 Request Header Fields Too Large' "L'en-tête de la requête dépasse 8192 octets."
    case $line in
        *"$cr") line=${line%"$cr"} ;;
        *) not_http ;;
    esac
    case $line in *["$controls"]*) not_http ;; esac
}

# Reads one request, and refuses what RFC 9112 lets one refuse. Fails when there is none.
request() {
    method='' version=HTTP/1.1 keep_alive=yes length=0
    host='' lengths='' coding='' since='' body='' wish=''
    while read_line && [ -z "$line" ]; do length=0; done # an empty line before it is passed over
    [ -n "$line" ] || return
    method=${line%% *} target=${line#* } version=${line##* }
    target=${target% *}
    case $method in '' | *[!$token]*) not_http ;; esac
    case $target in '' | *[!!-~]*) not_http ;; esac
    case $version in
        HTTP/1.[0-9]) ;;
        HTTP/[0-9].[0-9]) refuse '505 HTTP Version Not Supported' 'Ce serveur parle HTTP/1.1.' ;;
        *) not_http ;;
    esac
    while read_line && [ -n "$line" ]; do field; done
    [ "$version" = HTTP/1.0 ] || [ "$host" ] || not_http
    [ "$version" != HTTP/1.0 ] || [ "$wish" = keep-alive ] || keep_alive=''
    [ "$wish" != close ] || keep_alive=''
    [ -z "$coding" ] || [ -z "$lengths" ] || not_http # two answers to where the body ends
    [ -z "$body$coding" ] || keep_alive='' # we do not look for its end
}

field() { # of $line
    case $line in *:*) ;; *) not_http ;; esac
    name=${line%%:*} value=${line#*:}
    case $name in '' | *[!$token]*) not_http ;; esac # a blank before the colon, or a folded line
    value=${value#"${value%%[! "$tab"]*}"}
    value=${value%"${value##*[! "$tab"]}"}
    case $name in
        [Hh][Oo][Ss][Tt])
            [ -z "$host" ] || not_http
            case $value in *[!$authority]*) not_http ;; esac
            host=yes
            ;;
        [Cc][Oo][Nn][Tt][Ee][Nn][Tt]-[Ll][Ee][Nn][Gg][Tt][Hh])
            [ -z "$lengths" ] || not_http
            case $value in '' | *[!0-9]*) not_http ;; *[1-9]*) body=yes ;; esac
            lengths=yes
            ;;
        [Tt][Rr][Aa][Nn][Ss][Ff][Ee][Rr]-[Ee][Nn][Cc][Oo][Dd][Ii][Nn][Gg])
            if [ "$version" = HTTP/1.0 ] || [ "$coding" ]; then not_http; fi
            case $value in [Cc][Hh][Uu][Nn][Kk][Ee][Dd]) coding=yes ;; *) not_http ;; esac
            ;;
        [Cc][Oo][Nn][Nn][Ee][Cc][Tt][Ii][Oo][Nn])
            case $value in
                [Cc][Ll][Oo][Ss][Ee]) wish=close ;;
                [Kk][Ee][Ee][Pp]-[Aa][Ll][Ii][Vv][Ee]) wish=keep-alive ;;
            esac
            ;;
        [Ii][Ff]-[Mm][Oo][Dd][Ii][Ff][Ii][Ee][Dd]-[Ss][Ii][Nn][Cc][Ee]) since=$value ;;
    esac
}

conversation() {
    here=${PATH%%:*}
    while request && answer && [ "$keep_alive" ]; do :; done
}

. "${0%/*}/listen.sh"
