"""A web server: a redirection, a sum, a static site."""

import json
import os
import re
import time
from pathlib import Path

from contract import Fault, Ladder
from contracts.echo import leaves_nothing
from conversation import Broken
from places import Place
from words import Say, number, shown

HTML = (
    "<!doctype html>\n<html lang=fr><meta charset=utf-8><title>Juge</title><p>Bonjour à tous.\n"
    .encode()
)
# A million lines, each with its number. Made a thousand at a time, they cost a seventh of the time.
THOUSAND = "".join(f"ligne K{i:03} d'un grand fichier\n" for i in range(1000))
BIG = "".join(THOUSAND.replace("K", str(k)) for k in range(1000)).encode()
FILES = {
    "index.html": HTML,
    "style.css": b"p { color: teal }\n",
    "calcul.js": b"console.log(1 + 1)\n",
    "icon.svg": b'<svg xmlns="http://www.w3.org/2000/svg"></svg>\n',
    "sous-dossier/page.html": b"<!doctype html><title>en bas</title>\n",
    "binaire.bin": bytes(range(256)) * 100,
    "grand.txt": BIG,
}
TYPES = {
    "index.html": "text/html",
    "style.css": "text/css",
    "calcul.js": "text/javascript application/javascript",
    "icon.svg": "image/svg+xml",
}
SECRET = b"CECI EST UN SECRET\n"
LONGEST = 64 << 20  # bytes of a body: no server has so much to say
MODIFIED = 784111777  # the date that RFC 9110 takes for its example


def files(folder):
    """A folder for the server, with what it may give, and what it may not."""
    for name, content in {
        **FILES,
        ".env": SECRET,
        ".git/config": SECRET,
        "sous-dossier/.env": SECRET,
        "../secret": SECRET,
    }.items():
        path = Path(os.path.normpath(folder / name))
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
        os.utime(path, (MODIFIED, MODIFIED))
    (folder / "lien").symlink_to("../secret")
    (folder / "dehors").symlink_to("..")
    return folder


ladder = Ladder(
    "web",
    "tcp",
    "./moi -d {dir} {port}",
    Say(
        """Un serveur HTTP/1.1 sur 127.0.0.1 (RFC 9110, RFC 9112). Le port est le dernier mot de sa
commande ; {dir} y est remplacé par un dossier que le juge a rempli. GET et HEAD (les mêmes
champs, sans le corps) ; connexions gardées ouvertes, requêtes à la suite (pipelining), HTTP/1.0.

    /  et  /index.html         302, Location: /static/index.html
    /static/NOM                le fichier NOM du dossier : 200, Content-Type, Content-Length,
                               Last-Modified ; 304 s'il n'a pas changé depuis If-Modified-Since
    /api/calcul?a=2&b=0.5      200, application/json : {"a":2,"b":0.5,"somme":2.5}, les nombres
                               comme JavaScript les écrit ; 400 et {"erreur":"…"} s'il en manque
                               un, s'il est mal écrit, ou si la somme n'est pas finie
    autre chose                404

Un nombre est décimal, comme le lit Number() : ni hexadécimal, ni espaces, ni vide. Rien n'est
servi hors du dossier, que ce soit par `..`, par `%2e%2e` ou par un lien, ni aucun fichier dont
une partie du nom commence par un point. Pour les autres méthodes : 405 avec Allow, et 501 si la
méthode n'existe pas. Pour une requête mal formée : 400. Pour une version 2.0 : 505. Un en-tête
compte au plus 8 192 octets ; au-delà, 431 ; s'il met plus de dix secondes à arriver, 408.

Après la demi-fermeture du client, la réponse arrive encore. Un client qui se tait ou ne lit
jamais ne fait attendre personne, et ne remplit pas la mémoire du serveur. D'un client parti, il ne
reste rien. SIGTERM arrête le serveur, et on peut le relancer aussitôt sur le même port.""",
        """An HTTP/1.1 server on 127.0.0.1 (RFC 9110, RFC 9112). The port is the last word of its
command; {dir} becomes a folder that the judge has filled. GET and HEAD (the same fields
without the body); connections are kept, requests may be pipelined, HTTP/1.0.

    /  and  /index.html        302, Location: /static/index.html
    /static/NAME               the file NAME of the folder: 200, Content-Type, Content-Length,
                               Last-Modified; 304 if it has not changed since If-Modified-Since
    /api/calcul?a=2&b=0.5      200, application/json: {"a":2,"b":0.5,"somme":2.5}, numbers as
                               JavaScript writes them; 400 and {"erreur":"…"} if one is missing
                               or malformed, or the sum is not finite
    anything else              404

A number is decimal, as Number() reads it: not hexadecimal, no blanks, not empty. Nothing
outside the folder is served, not by `..`, nor by `%2e%2e`, nor by a link; nor anything of
whose name a part starts with a dot. Other methods: 405 with Allow, and 501 for a method
that does not exist. A malformed request: 400. Version 2.0: 505. A head has up to 8,192
bytes; past that, 431; if it takes over ten seconds to come, 408.

After the client's half-close the answer still comes. Who says nothing or never reads makes
nobody wait, and does not fill its memory. Nothing is left of a client that has gone.
SIGTERM ends the server, and it can be started again at once on the same port.""",
    ),
    files,
)


class Answer:
    def __init__(self, head, body):
        self.head, self.body = head, body
        lines = head.decode("latin-1").split("\r\n")
        self.line, self.status = lines[0], int(lines[0].split(" ", 2)[1])
        self.fields = {}
        for line in lines[1:-2]:
            name, _, value = line.partition(":")
            self.fields.setdefault(name.lower(), value.strip())

    def __getitem__(self, name):
        return self.fields.get(name.lower())


class Browser:
    """An HTTP client that sends bytes, and reads answers one by one."""

    def __init__(self, server, **options):
        self.server, self.client = server, server.connect(**options)

    def sends(self, data, quietly=False):
        self.client.sends(data, quietly)
        return self

    def answer(self, method="GET", likely=None, silence=None):
        """The next answer, to a request of that method."""
        head = bytearray()
        while not head.endswith(b"\r\n\r\n"):
            piece = self.client.receive(1, silence)
            if not isinstance(piece, bytes) or len(head) > 65536:
                raise Broken(
                    piece if isinstance(piece, str) else "more",
                    Say("un en-tête HTTP", "an HTTP head"),
                    bytes(head),
                    likely,
                )
            head += piece
            if len(head) == 5 and head != b"HTTP/":
                break
        if not re.match(rb"HTTP/1\.[01] \d\d\d[ \r]", bytes(head)):
            raise Fault(
                Say(
                    (
                        "Une réponse commence par `HTTP/1.1 200 OK` et CR LF, et une ligne "
                        "vide termine son en-tête."
                    ),
                    (
                        "An answer starts with `HTTP/1.1 200 OK` and CR LF, and an empty line"
                        " ends its head."
                    ),
                ),
                b"HTTP/1.1 ",
                bytes(head),
            )
        answer = Answer(bytes(head), b"")
        if method != "HEAD" and answer.status not in (204, 304):
            length = answer["Content-Length"]
            if (answer["Transfer-Encoding"] or "").lower() == "chunked":
                answer.body = self._chunks()
            elif length is not None and re.fullmatch("[0-9]{1,18}", length):
                answer.body = self.client.reads(min(int(length), LONGEST), likely)
                if len(answer.body) < int(length):
                    raise Fault(
                        Say(
                            (
                                "Content-Length est le nombre d'octets du corps (et non de"
                                " caractères)."
                            ),
                            (
                                "Content-Length is the number of bytes of the body (and not of"
                                " characters)."
                            ),
                        ),
                        Say(f"{length} octets de corps", f"{length} bytes of body"),
                        Say(
                            f"{len(answer.body)}, puis la fin",
                            f"{len(answer.body)}, then the end",
                        ),
                    )
            else:
                answer.body = self.client.reads_all(
                    {
                        "silence": Say(
                            (
                                "Sans Content-Length, le client ne peut pas savoir où finit "
                                "le corps : annoncez la longueur, ou fermez."
                            ),
                            (
                                "Without Content-Length the client does not know where the body"
                                " ends: tell the length, or close."
                            ),
                        )
                    }
                )
        return answer

    def _chunks(self):
        body = b""
        while True:
            length = self.client.reads_until(b"\r\n", most=100)
            size = re.match(rb"([0-9a-fA-F]{1,15})[;\r]", length)
            size = int(size[1], 16) if size else LONGEST
            if len(body) + size >= LONGEST:
                raise Fault(
                    Say(
                        (
                            "Avec `Transfer-Encoding: chunked`, chaque morceau du corps suit sa"
                            " longueur, en hexadécimal, sur une ligne."
                        ),
                        (
                            "With `Transfer-Encoding: chunked` each piece of the body comes after"
                            " its length, in hexadecimal, on a line."
                        ),
                    ),
                    Say("la longueur d'un morceau", "the length of a piece"),
                    length,
                )
            body += self.client.reads(size)
            self.client.reads_until(b"\r\n", most=100)
            if size == 0:
                return body

    def gets(self, target, *fields, method="GET", version="HTTP/1.1", likely=None):
        head = "\r\n".join([f"{method} {target} {version}", "Host: localhost", *fields, "", ""])
        return self.sends(head.encode("latin-1")).answer(method, likely)


def get(server, target, *fields, **options):
    browser = Browser(server)
    try:
        return browser.gets(target, *fields, **options)
    finally:
        browser.client.closes()


def wants(what, expected, received, likely):
    """Something of an answer is as it was promised."""
    if expected != received:
        raise Fault(likely, f"{what}: {expected}", f"{what}: {received}")


def status(answer, expected, target, likely=None):
    if answer.status != expected:
        raise Fault(
            likely or Say(f"`{target}` doit donner {expected}.", f"`{target}` wants {expected}."),
            Say(f"le code {expected}", f"status {expected}"),
            answer.line,
        )


def wants_folder(server):
    if not server.server.at and not any("{dir}" in word for word in server.server.command):
        raise Fault(
            Say(
                (
                    "Écrivez `{dir}` dans la commande, à la place du dossier de votre "
                    "serveur : le juge y met un site."
                ),
                (
                    "Write `{dir}` in the command, where your server takes its folder: the"
                    " judge puts a site there."
                ),
            ),
            Say("un dossier que le juge a rempli", "a folder that the judge has filled"),
            Say("la commande n'a pas de {dir}", "the command has no {dir}"),
        )


def serves_another(server, likely):
    browser = Browser(server, name=str(Say("un autre", "another")))
    status(browser.gets("/api/calcul?a=1&b=2", likely=likely), 200, "/api/calcul?a=1&b=2")
    browser.client.closes()


@ladder.check(
    "redirection",
    1,
    Say(
        "`/` et `/index.html` mènent à `/static/index.html` (302).",
        "`/` and `/index.html` lead to `/static/index.html` (302).",
    ),
    Place("web"),
)
def redirection(server):
    for target in ("/", "/index.html"):
        answer = get(server, target)
        status(answer, 302, target)
        wants(
            "Location",
            "/static/index.html",
            re.sub(r"^http://[^/]*", "", answer["Location"] or ""),
            Say(
                "302 indique où aller dans le champ Location.",
                "302 tells where to go in the field Location.",
            ),
        )


@ladder.check(
    "file",
    1,
    Say(
        "Un fichier est envoyé tel quel, avec son type, sa longueur et sa date.",
        "A file comes as it is, with its type, length and date.",
    ),
    Place("web-bytes"),
    needs="dir",
    limit=20,
)
def a_file(server):
    wants_folder(server)
    for name in FILES:
        answer = get(server, "/static/" + name)
        status(answer, 200, "/static/" + name)
        if answer.body != FILES[name]:
            raise Fault(
                Say(
                    "Le corps n'est pas le fichier : lisez-le en binaire, et envoyez tout.",
                    "The body is not the file: read it in binary, and send all of it.",
                ),
                FILES[name],
                answer.body,
            )
        wants(
            "Content-Length",
            str(len(FILES[name])),
            answer["Content-Length"],
            Say(
                "La longueur d'un fichier est connue : annoncez-la.",
                "The length of a file is known: tell it.",
            ),
        )
        if name in TYPES:
            kind = (answer["Content-Type"] or "").split(";")[0].strip()
            if kind not in TYPES[name].split():
                raise Fault(
                    Say(
                        (
                            "Le navigateur se fie à Content-Type : le type suit l'extension du"
                            " nom."
                        ),
                        (
                            "The browser trusts Content-Type: the type follows the extension of"
                            " the name."
                        ),
                    ),
                    f"Content-Type: {TYPES[name].split()[0]}",
                    f"Content-Type: {answer['Content-Type']}",
                )
        wants(
            "Last-Modified",
            "Sun, 06 Nov 1994 08:49:37 GMT",
            answer["Last-Modified"],
            Say(
                "La date du fichier, en anglais et en GMT.",
                "The date of the file, in English and in GMT.",
            ),
        )


@ladder.check(
    "not-modified",
    1,
    Say(
        "Un fichier qui n'a pas changé depuis If-Modified-Since n'est pas renvoyé (304).",
        "A file that has not changed since If-Modified-Since is not sent again (304).",
    ),
    Place("web-bytes"),
    needs="dir",
)
def not_modified(server):
    wants_folder(server)
    browser, likely = Browser(server), Say(
        "304 n'a pas de corps, et la connexion reste utilisable.",
        "304 has no body, and the connection serves on.",
    )
    status(
        browser.gets(
            "/static/index.html",
            "If-Modified-Since: Sun, 06 Nov 1994 08:49:37 GMT",
            likely=likely,
        ),
        304,
        "/static/index.html",
    )
    status(
        get(
            server, "/static/index.html", "If-Modified-Since: Mon, 07 Nov 1994 08:49:37 GMT"
        ),
        304,
        "/static/index.html",
        Say(
            "If-Modified-Since est une date, et non un mot : comparez des dates (plus tard "
            "que Last-Modified, c'est 304 aussi).",
            "If-Modified-Since is a date, and not a word: compare dates (one that is later than"
            " Last-Modified is 304 too).",
        ),
    )
    for date in ("Sun, 06 Nov 1994 08:49:36 GMT", "hier"):
        status(
            get(server, "/static/index.html", f"If-Modified-Since: {date}"),
            200,
            "/static/index.html",
        )


@ladder.check(
    "not-found",
    1,
    Say("Tout le reste est introuvable (404).", "The rest is not found (404)."),
    Place("web-chosen"),
)
def not_found(server):
    for target in ("/rien", "/static/absent.html", "/static/", "/api", "/api/calcul/x"):
        status(get(server, target), 404, target)


def no_secret(server, targets, likely):
    for target in targets:
        answer = get(server, target)
        if SECRET in answer.body or b"root:" in answer.body:
            raise Fault(
                likely, Say(f"404 pour `{target}`", f"404 for `{target}`"), answer.body[:200]
            )
        if answer.status < 300:
            raise Fault(likely, Say(f"404 pour `{target}`", f"404 for `{target}`"), answer.line)


@ladder.check(
    "outside",
    1,
    Say(
        "Rien n'est servi hors du dossier, ni par `..`, ni par `%2e%2e`, ni par un lien.",
        "Nothing outside the folder is served, not by `..`, nor `%2e%2e`, nor a link.",
    ),
    Place("web-names"),
    needs="dir",
)
def outside(server):
    wants_folder(server)
    targets = [
        "/static/../secret",
        "/static/%2e%2e/secret",
        "/static/..%2fsecret",
        "/static/%2e%2e%2fsecret",
        "/static/%252e%252e%252fsecret",
        "/static/sous-dossier/../../secret",
        "/static//etc/passwd",
        "/static/%2fetc%2fpasswd",
        "/../secret",
        "/static/../../../../../../../../etc/passwd",
        "/static/lien",
        "/static/dehors/secret",
    ]
    no_secret(
        server,
        targets,
        Say(
            "Décodez le nom une fois, puis refusez `..`, le `/` au début, et les liens.",
            "Decode the name once, then refuse `..`, the `/` at its start, and links.",
        ),
    )


@ladder.check(
    "hidden",
    1,
    Say(
        "Un nom dont une partie commence par un point est introuvable.",
        "A name of which a part starts with a dot is not found.",
    ),
    Place("web-names"),
    needs="dir",
)
def hidden(server):
    wants_folder(server)
    no_secret(
        server,
        ["/static/.env", "/static/.git/config", "/static/sous-dossier/.env", "/static/%2eenv"],
        Say(
            "`.env`, `.git/config` : on y garde des secrets.",
            "`.env`, `.git/config`: secrets are kept there.",
        ),
    )


SUMS = {
    "a=2&b=0.5": '{"a":2,"b":0.5,"somme":2.5}',
    "b=2&a=1": '{"a":1,"b":2,"somme":3}',
    "a=0.1&b=0.2": '{"a":0.1,"b":0.2,"somme":0.30000000000000004}',
    "a=1e3&b=.5": '{"a":1000,"b":0.5,"somme":1000.5}',
    "a=-1.5&b=%2B2": '{"a":-1.5,"b":2,"somme":0.5}',
    "a=1e21&b=1": '{"a":1e+21,"b":1,"somme":1e+21}',
    "a=1e20&b=0": '{"a":100000000000000000000,"b":0,"somme":100000000000000000000}',
    "a=0.000001&b=-1e-7": '{"a":0.000001,"b":-1e-7,"somme":9e-7}',
    "%61=1&b=%32": '{"a":1,"b":2,"somme":3}',
    "a=1&b=2&c=3": '{"a":1,"b":2,"somme":3}',
    "a=5.&b=-0": '{"a":5,"b":0,"somme":5}',
    "a=%2B2&b=007": '{"a":2,"b":7,"somme":9}',
    "a=9007199254740993&b=1": '{"a":9007199254740992,"b":1,"somme":9007199254740992}',
    "a=-1.5&b=5e-324": '{"a":-1.5,"b":5e-324,"somme":-1.5}',
    "a=1e-400&b=1.7976931348623157E308": (
        '{"a":0,"b":1.7976931348623157e+308,"somme":1.7976931348623157e+308}'
    ),
}
NO_SUMS = [
    "",
    "a=1",
    "b=1",
    "a=&b=1",
    "a=un&b=1",
    "a=1&b=0x10",
    "a=1&b=0b1",
    "a=1&b=1_000",
    "a=1&b=1,5",
    "a=1&b=%202",
    "a=NaN&b=1",
    "a=Infinity&b=1",
    "a=1e999&b=1",
    "a=1&b=e5",
    "a=1&b=1.2.3",
    "a=1&b=%D9%A1",
    "a=1e308&b=1e308",
    "a=1&b=-Infinity",
    "a=1&b=+2",
    "a=1&b=2%0A",
    "a=1&b=.",
    "a=1&b=1e",
    "a=1&b=--1",
    "A=1&b=2",
]


@ladder.check(
    "sum",
    1,
    Say(
        "`/api/calcul` rend la somme en JSON, les nombres comme JavaScript les écrit.",
        "`/api/calcul` gives the sum as JSON, numbers as JavaScript writes them.",
    ),
    Place("web-numbers"),
)
def the_sum(server):
    for query, expected in SUMS.items():
        answer = get(server, "/api/calcul?" + query)
        status(answer, 200, "/api/calcul?" + query)
        if answer.body.strip() != expected.encode():
            raise Fault(
                Say(
                    (
                        f"Pour `{query}` : le moins de chiffres possible pour redonner le"
                        " nombre, sans `.0`."
                    ),
                    (
                        f"For `{query}`: the fewest digits that give the number again, without"
                        " `.0`."
                    ),
                ),
                expected.encode(),
                answer.body,
            )
        wants(
            "Content-Type",
            "application/json",
            (answer["Content-Type"] or "").split(";")[0],
            Say("C'est du JSON : indiquez-le dans Content-Type.", "It is JSON: say so."),
        )


@ladder.check(
    "no-sum",
    1,
    Say(
        'Ce qui n\'est pas une somme est une erreur : 400, et `{"erreur":"…"}`.',
        'What is no sum is an error: 400, and `{"erreur":"…"}`.',
    ),
    Place("web-numbers"),
)
def no_sum(server):
    for query in NO_SUMS:
        answer = get(server, "/api/calcul?" + query)
        status(
            answer,
            400,
            "/api/calcul?" + query,
            Say(
                (
                    f"`{query}` n'est pas une somme : un nombre est décimal, sans rien d'autre, et"
                    " la somme est finie."
                ),
                f"`{query}` is no sum: a number is decimal and whole, and the sum finite.",
            ),
        )
        try:
            error = json.loads(answer.body)
            assert isinstance(error["erreur"], str) and error["erreur"]
        except (ValueError, KeyError, TypeError, AssertionError, RecursionError):
            raise Fault(
                Say(
                    "L'erreur est donnée en JSON, sous la clé `erreur`.",
                    "The error is told as JSON, under the key `erreur`.",
                ),
                b'{"erreur":"..."}',
                answer.body,
            ) from None


@ladder.check(
    "head",
    1,
    Say(
        "HEAD reçoit la même réponse que GET, sans le corps.",
        "HEAD has the answer of GET, without the body.",
    ),
    Place("web-bytes"),
)
def head(server):
    for target in ("/", "/api/calcul?a=1&b=2"):
        short, whole = get(server, target, method="HEAD"), get(server, target)
        status(short, whole.status, "HEAD " + target)
        if whole["Content-Length"]:
            wants(
                "Content-Length",
                whole["Content-Length"],
                short["Content-Length"],
                Say("La même longueur que pour GET.", "The same length as for GET."),
            )
        browser = Browser(server)
        browser.gets(target, "Connection: close", method="HEAD")
        rest = browser.client.reads_all()
        if rest:
            raise Fault(
                Say(
                    (
                        "La réponse à HEAD n'a pas de corps : sinon, le client le prend "
                        "pour la réponse suivante."
                    ),
                    "The answer to HEAD has no body: or it is taken for the next answer.",
                ),
                Say("rien", "nothing"),
                rest,
            )


@ladder.check(
    "methods",
    1,
    Say(
        "Aux autres méthodes, 405, avec Allow ; à une méthode qui n'existe pas, 501.",
        "Other methods: 405, with Allow; one that does not exist: 501.",
    ),
    Place("web-session"),
)
def methods(server):
    for method in ("POST", "PUT", "DELETE"):
        for target in ("/", "/api/calcul?a=1&b=2"):
            answer = get(server, target, "Content-Length: 0", method=method)
            status(answer, 405, f"{method} {target}")
            allowed = {word.strip() for word in (answer["Allow"] or "").split(",")}
            if not {"GET", "HEAD"} <= allowed:
                raise Fault(
                    Say(
                        "405 indique dans Allow ce qui est permis.",
                        "405 tells in Allow what may be done.",
                    ),
                    "Allow: GET, HEAD",
                    f"Allow: {answer['Allow']}",
                )
    status(get(server, "/", method="TROUVE"), 501, "TROUVE /")
    leaves_no_body_behind(server)


def leaves_no_body_behind(server):
    """A body is a part of its request, refused or not: it is read and dropped, or the connection
    ends with the answer."""
    likely = Say(
        (
            "Le corps d'une requête refusée est encore là : votre serveur l'a pris pour la requête "
            "suivante. Lisez-le (Content-Length), ou fermez la connexion après la réponse."
        ),
        (
            "The body of a request that is refused is still there: your server took it for the"
            " next request. Read it (Content-Length), or close after the answer."
        ),
    )
    body = "GET /rien HTTP/1.1\r\nHost: localhost\r\n\r\n"
    browser = Browser(server)
    head = f"POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: {len(body)}\r\n\r\n"
    browser.sends((head + body).encode())
    status(browser.answer(), 405, "POST /")
    browser.sends(b"GET /api/calcul?a=1&b=2 HTTP/1.1\r\nHost: localhost\r\n\r\n")
    try:
        status(browser.answer(), 200, "/api/calcul?a=1&b=2", likely)
    except Broken as broken:
        if broken.how not in ("closed", "reset"):
            raise


@ladder.check(
    "keep-alive",
    1,
    Say(
        "La connexion sert à la requête suivante, et se ferme quand le client le demande.",
        "The connection serves the next request, and ends when the client asks for it.",
    ),
    Place("web-bytes"),
)
def keep_alive(server):
    browser = Browser(server)
    for target, code in (
        ("/", 302),
        ("/api/calcul?a=1&b=2", 200),
        ("/rien", 404),
        ("/api/calcul?a=1", 400),
        ("/", 302),
    ):
        status(
            browser.gets(
                target,
                likely=Say(
                    (
                        "En HTTP/1.1, la connexion reste ouverte, et Content-Length indique "
                        "où finit le corps."
                    ),
                    (
                        "With HTTP/1.1 the connection stays open, and Content-Length tells"
                        " where the body ends."
                    ),
                ),
            ),
            code,
            target,
        )
    browser.gets("/", "Connection: close")
    browser.client.expects_end(
        {
            "silence": Say(
                "Le client a demandé `Connection: close` : fermez après la réponse.",
                "The client said `Connection: close`: close after the answer.",
            )
        }
    )
    browser = Browser(server).sends(b"GET / HTTP/1.0\r\n\r\n")
    status(
        browser.answer(),
        302,
        "GET / HTTP/1.0",
        Say("HTTP/1.0 n'a pas besoin de Host.", "HTTP/1.0 needs no Host."),
    )
    browser.client.expects_end(
        {
            "silence": Say(
                "En HTTP/1.0, la connexion se ferme après la réponse.",
                "With HTTP/1.0 the connection ends after the answer.",
            )
        }
    )


@ladder.check(
    "pipelined",
    1,
    Say(
        (
            "Des requêtes à la suite ont leurs réponses, dans l'ordre ; une requête en "
            "morceaux reste une seule requête."
        ),
        "Pipelined requests have their answers, in order; one in pieces is one request.",
    ),
    Place("web-bytes"),
)
def pipelined(server):
    browser = Browser(server)
    browser.sends(
        b"".join(
            b"GET /api/calcul?a=%d&b=0 HTTP/1.1\r\nHost: a\r\n\r\nHEAD / HTTP/1.1\r\nHost:"
            b" a\r\n\r\n" % i
            for i in range(20)
        )
    )
    for i in range(20):
        answer = browser.answer()
        status(answer, 200, f"/api/calcul?a={i}&b=0")
        if answer.body.strip() != b'{"a":%d,"b":0,"somme":%d}' % (i, i):
            raise Fault(
                Say(
                    "Les réponses arrivent dans l'ordre des requêtes.",
                    "The answers come in the order of the requests.",
                ),
                b'{"a":%d,"b":0,"somme":%d}' % (i, i),
                answer.body,
            )
        status(browser.answer("HEAD"), 302, "HEAD /")
    for piece in (b"GET /api/calcul?a=1", b"&b=2 HTTP/1.1\r", b"\nHost: a\r\n", b"\r\n"):
        browser.sends(piece)
        time.sleep(0.1)  # so that each is a recv of its own at the other end
    status(browser.answer(), 200, "/api/calcul?a=1&b=2")


@ladder.check(
    "half-close",
    1,
    Say(
        "Après la demi-fermeture du client, la réponse arrive encore.",
        "After the client's half-close the answer still comes.",
    ),
    Place("half-close"),
)
def half_close(server):
    browser = Browser(server).sends(b"GET /api/calcul?a=1&b=2 HTTP/1.1\r\nHost: a\r\n\r\n")
    browser.client.half_closes()
    likely = Say(
        "Votre serveur prend la demi-fermeture pour une fermeture (en Node : allowHalfOpen).",
        "Your server takes the half-close for a close (in Node: allowHalfOpen).",
    )
    status(
        browser.answer(likely={"closed": likely, "reset": likely}), 200, "/api/calcul?a=1&b=2"
    )
    browser.client.expects_end(
        {"silence": Say("Puis votre serveur ferme.", "Then your server closes.")}
    )


MALFORMED = [
    (b"GET / HTTP/1.1\r\n\r\n", 400, Say("sans Host", "no Host")),
    (b"GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n", 400, Say("deux Host", "two Hosts")),
    (b"GET / HTTP/2.0\r\nHost: a\r\n\r\n", 505, Say("la version 2.0", "version 2.0")),
    (
        b"GET /a b HTTP/1.1\r\nHost: a\r\n\r\n",
        400,
        Say("une espace dans la cible", "a blank in the target"),
    ),
    (b"GET  / HTTP/1.1\r\nHost: a\r\n\r\n", 400, Say("deux espaces", "two blanks")),
    (b"GET / HTTP/1.1\r\nHost: a\r\nA: b\rc\r\n\r\n", 400, Say("un CR seul", "a bare CR")),
    (
        b"GET / HTTP/1.1\r\nHost: a\r\nA : b\r\n\r\n",
        400,
        Say("une espace avant les deux-points", "a blank before the colon"),
    ),
    (
        b"GET / HTTP/1.1\r\nHost: a\r\nA: b\r\n c\r\n\r\n",
        400,
        Say("un champ replié (obs-fold)", "a folded field (obs-fold)"),
    ),
    (
        b"GET / HTTP/1.1\r\nHost: a\r\nA\r\n\r\n",
        400,
        Say("un champ sans deux-points", "a field without a colon"),
    ),
    (
        b"GET / HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\nContent-Length: 1\r\n\r\n",
        400,
        Say("deux longueurs", "two lengths"),
    ),
    (
        b"GET / HTTP/1.1\r\nHost: a\r\nContent-Length: +1\r\n\r\n",
        400,
        Say("une longueur mal écrite", "a malformed length"),
    ),
    (
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n",
        400,
        Say("ce n'est pas du HTTP (TLS)", "not HTTP (TLS)"),
    ),
]


@ladder.check(
    "malformed",
    1,
    Say(
        "Une requête mal formée est refusée : 400, ou 505 pour une version 2.0.",
        "A malformed request is refused: 400, or 505 for version 2.0.",
    ),
    Place("web-two"),
    limit=30,
)
def malformed(server):
    for request, code, what in MALFORMED:
        browser = Browser(server).sends(request)
        likely = Say(
            (
                "Une requête que deux serveurs lisent autrement est une faille : refusez-la"
                f" ({what.fr})."
            ),
            f"A request that two servers read differently is a hole: refuse it ({what.en}).",
        )
        status(
            browser.answer(likely=likely, silence=min(server.patience, 2)),
            code,
            shown(request),
            likely,
        )
        browser.client.closes()
    serves_another(server, None)


@ladder.check(
    "long-head",
    1,
    Say(
        "Un en-tête compte au plus 8 192 octets ; au-delà, 431.",
        "A head has up to 8,192 bytes; past that, 431.",
    ),
    Place("web-head"),
)
def long_head(server):
    start = b"GET / HTTP/1.1\r\nHost: a\r\nA: "
    for size, code in ((8192, 302), (8193, 431), (100_000, 431)):
        browser = Browser(server).sends(start + b"x" * (size - len(start) - 4) + b"\r\n\r\n")
        status(
            browser.answer(
                likely=Say(
                    (
                        "Un en-tête sans fin remplit la mémoire : répondez 431, puis fermez, "
                        "en lisant ce qui arrive encore."
                    ),
                    (
                        "A head without end fills the memory: 431, then close, reading what"
                        " still comes."
                    ),
                )
            ),
            code,
            Say(f"un en-tête de {size} octets", f"a head of {size} bytes").format_plain(),
        )
        browser.client.closes()


@ladder.check(
    "slow-head",
    1,
    Say(
        "Un en-tête qui met plus de dix secondes à arriver reçoit 408.",
        "A head that takes over ten seconds to come: 408.",
    ),
    Place("web-slow"),
    limit=30,
)
def slow_head(server):
    slow = Browser(server).sends(b"GET / HTTP/1.1\r\nHost: a\r\n")
    start = time.monotonic()
    serves_another(
        server,
        Say("Un client lent ne fait attendre personne.", "A slow client makes nobody wait."),
    )
    likely = Say(
        (
            "Un client qui envoie son en-tête à raison d'un octet par minute occuperait un "
            "descripteur indéfiniment."
        ),
        "A client that sends its head a byte a minute would hold a descriptor for ever.",
    )
    # A byte now and then: the ten seconds are for the whole head.
    while time.monotonic() - start < 14 and not slow.client.hears(2):
        slow.sends(b"x")
    answer = slow.answer(likely={"silence": likely, "closed": likely}, silence=0.1)
    status(answer, 408, Say("un en-tête lent", "a slow head").format_plain())
    took = time.monotonic() - start
    if took < 9:
        raise Fault(
            Say(
                "Dix secondes : un client lent n'est pas un ennemi.",
                "Ten seconds: a slow client is no enemy.",
            ),
            "10 s",
            f"{number(took, 1)} s",
        )


@ladder.check(
    "second-client",
    1,
    Say("Un client qui se tait ne fait attendre personne.", "Who says nothing makes nobody wait."),
    Place("second"),
)
def second_client(server):
    silent, half = Browser(server), Browser(server)
    half.sends(b"GET /api/calcul?a=1&b=2 HTTP/1.1\r\n")
    for _ in range(3):
        serves_another(
            server,
            Say(
                "Votre serveur s'occupe d'un client à la fois.",
                "Your server looks after one client at a time.",
            ),
        )
    half.sends(b"Host: a\r\n\r\n")
    status(half.answer(), 200, "/api/calcul?a=1&b=2")
    status(silent.gets("/"), 302, "/")


@ladder.check(
    "never-reads",
    1,
    Say(
        (
            "Un client qui ne lit jamais n'occupe pas la mémoire sans limite, et ne fait"
            " attendre personne."
        ),
        "A client that never reads does not take memory without limit, and makes nobody wait.",
    ),
    Place("part"),
    limit=20,
)
def never_reads(server):
    before = server.measure()
    for _ in range(4):
        deaf = Browser(server, receive_buffer=4096)
        if any("{dir}" in word for word in server.server.command):
            deaf.sends(b"GET /static/grand.txt HTTP/1.1\r\nHost: a\r\n\r\n")
        else:
            deaf.client.floods(
                b"GET /api/calcul?a=1&b=2 HTTP/1.1\r\nHost: a\r\n\r\n" * 100,
                most=16 << 20,
                limit=2,
            )
    server.settles(lambda: False, 0.5)
    serves_another(
        server,
        Say(
            "Votre serveur attend que ce client lise.",
            "Your server waits until that client reads.",
        ),
    )
    after = server.measure()
    if before and after and after.memory - before.memory > 4 * len(BIG) * 3 // 4:
        raise Fault(
            Say(
                "Votre serveur garde en mémoire tout ce que ces clients ne lisent pas.",
                "Your server keeps in memory all that these clients do not read.",
            ),
            Say("quelques mébioctets", "some mebibytes"),
            Say(
                f"{number((after.memory - before.memory) / (1 << 20))} Mio de plus",
                f"{number((after.memory - before.memory) / (1 << 20))} MiB more",
            ),
        )


@ladder.check(
    "come-and-go",
    1,
    Say(
        "De mille clients venus et repartis, il ne reste rien.",
        "A thousand clients come and go: nothing is left of them.",
    ),
    Place("zombies"),
    limit=40,
)
def come_and_go(server):
    def visit(i):
        browser = Browser(server, quietly=True)
        if i % 4 == 0:
            browser.gets("/api/calcul?a=1&b=2")
        elif i % 4 == 1:
            browser.sends(b"GET / HT")
        browser.client.resets() if i % 4 == 3 else browser.client.closes()
        server.clients.remove(browser.client)

    leaves_nothing(server, visit, server.judge.visits // 2)
    serves_another(server, None)


@ladder.check(
    "sigterm",
    1,
    Say(
        "SIGTERM l'arrête, et on peut le relancer aussitôt sur le même port.",
        "SIGTERM ends it, and it can be started again at once on the same port.",
    ),
    Place("port"),
    needs="start",
    limit=30,
)
def sigterm(server):
    browser = Browser(server)
    browser.sends(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n").client.receive(100, 0.5)
    server.comes_back()
    server.connect(str(Say("un nouveau", "a new one")))
