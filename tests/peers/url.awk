# What web.sh asks of a URL, in awk, which has floating point and takes data for nothing but data.
# TEXT comes by the environment: `awk -v` would read the backslashes in it.
#
#     WANTED=path TEXT=/static/a%20b  awk -f url.awk      /static/a b; status 1: no such text
#     WANTED=sum TEXT='a=2&b=0.5'     awk -f url.awk      200 {"a":2,"b":0.5,"somme":2.5}

# Each %XX as the byte that it stands for. BAD is set when a % is no such thing.
function decoded(text,    bytes, at, high, low) {
    BAD = 0
    while (at = index(text, "%")) {
        high = index(HEX, tolower(substr(text, at + 1, 1)))
        low = index(HEX, tolower(substr(text, at + 2, 1)))
        if (length(text) < at + 2 || !high || !low) { BAD = 1; return "" }
        if (high + low == 2) BAD = 1  # a NUL, which is in no name
        bytes = bytes substr(text, 1, at - 1) sprintf("%c", 16 * (high - 1) + low - 1)
        text = substr(text, at + 3)
    }
    return bytes text
}

# A parameter of the query, decoded; sets WRONG when it is no finite number.
function number(name,    text, i, pair, value) {
    for (i = 1; i <= PAIRS; ++i) {
        pair = PAIR[i]
        gsub(/\+/, " ", pair)
        if (!index(pair, "=")) pair = pair "="
        if (decoded(substr(pair, 1, index(pair, "=") - 1)) != name || BAD) continue
        if (text != "") { WRONG = name " est donné deux fois"; return 0 }
        value = decoded(substr(pair, index(pair, "=") + 1))
        text = "=" (BAD ? "?" : value)
    }
    value = substr(text, 2)
    if (value == "") { WRONG = name " manque"; return 0 }
    if (value !~ /^[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]+)?$/) {
        WRONG = name " n'est pas un nombre"
        return 0
    }
    if (!finite(value + 0)) { WRONG = name " est trop grand"; return 0 }
    return value + 0
}

function finite(x) { return -1.7976931348623157e308 <= x && x <= 1.7976931348623157e308 }

# As JavaScript writes it: the fewest digits that read as the same number, and 1e+21 only from there
# on.
function written(x,    text, places, digits, point, sign) {
    if (x == 0) return "0"
    for (places = 0; places < 17; ++places) {
        text = sprintf("%." places "e", x)
        if (text + 0 == x) break
    }
    if (x < 0) { sign = "-"; text = substr(text, 2) }
    point = index(text, "e")
    digits = substr(text, 1, 1) substr(text, 3, point - 3)
    point = substr(text, point + 1) + 1  # the number is 0.DIGITS times ten to this
    if (point > 21 || point < -5)
        return sign substr(digits, 1, 1) (places ? "." substr(digits, 2) : "") \
            sprintf("e%+d", point - 1)
    for (; point <= 0; ++point) digits = "0" digits
    while (length(digits) < point) digits = digits "0"
    if (length(digits) > point) digits = substr(digits, 1, point) "." substr(digits, point + 1)
    return sign digits
}

BEGIN {
    HEX = "0123456789abcdef"
    if (ENVIRON["WANTED"] == "path") {
        printf "%s", decoded(ENVIRON["TEXT"])
        exit BAD
    }
    PAIRS = split(ENVIRON["TEXT"], PAIR, "&")
    a = number("a")
    if (!WRONG) b = number("b")
    if (!WRONG && !finite(a + b)) WRONG = "la somme est trop grande"
    if (WRONG) print "400 {\"erreur\":\"" WRONG "\"}"
    else print "200 {\"a\":" written(a) ",\"b\":" written(b) ",\"somme\":" written(a + b) "}"
}
