"""The echo server at a path: only the address has changed, so that the checks are those of echo,
and some of the path."""

import os
import socket

from contract import Fault, Ladder
from contracts import echo
from places import Place
from submission import NotStarted
from words import Say

ladder = Ladder(
    "unix",
    "unix",
    "./moi {path}",
    Say(
        """Un serveur sur une socket Unix, de type SOCK_STREAM. Le chemin est le dernier mot de sa
commande.

"""
        + echo.ladder.explains.fr.partition("\n\n")[2].rpartition(" SIGTERM")[0]
        + """

À son chemin, une socket morte (personne n'y écoute) est remplacée ; là où un autre serveur
écoute, le nouveau s'arrête avec une erreur, et l'autre continue ; ce qui n'est pas une socket
n'est jamais effacé. SIGTERM arrête le serveur, et on peut le relancer aussitôt au même chemin.""",
        """A server on a Unix-domain socket of the type SOCK_STREAM. The path is the last word of
its command.

"""
        + echo.ladder.explains.en.partition("\n\n")[2].rpartition(" SIGTERM")[0]
        + """

At its path, a dead socket (nobody listens) is replaced; where another server listens, the
new one ends with an error, and the other goes on; what is no socket is never removed. SIGTERM
ends the server, and it can be started again at once at the same path.""",
    ),
)

# What has no sense here: nobody delays an acknowledgement, nobody resets.
POINTS = {
    check.id: 2 if check.id == "half-close" else 1
    for check in echo.ladder.checks
    if check.id not in ("no-delay", "reset", "sigterm")
}
ladder.checks = [
    check._replace(points=POINTS[check.id])
    for check in echo.ladder.checks
    if check.id in POINTS
]


def starts(server):
    """Starts it at a path where something is. Returns None, or why it does not serve."""
    server.note(Say("juge", "judge"), Say("lance le serveur", "starts the server"))
    try:
        server.server.start(again_on=server.server.path)
    except NotStarted as why:
        server.note(Say("serveur", "server"), str(why))
        return why
    return None


@ladder.check(
    "dead-socket",
    1,
    Say(
        "Une socket morte à son chemin est remplacée.", "A dead socket at its path is replaced."
    ),
    Place("path"),
    needs="start",
    limit=30,
)
def dead_socket(server):
    server.server.end()
    if os.path.lexists(server.server.path):
        os.unlink(server.server.path)
    with socket.socket(socket.AF_UNIX) as dead:
        dead.bind(server.server.path)
    server.note(
        Say("juge", "judge"),
        Say("laisse une socket où personne n'écoute", "leaves a socket where nobody listens"),
    )
    if why := starts(server):
        raise Fault(
            Say(
                (
                    "bind échoue avec EADDRINUSE : si connect à ce chemin échoue avec "
                    "ECONNREFUSED, personne n'écoute, et le chemin peut être effacé (unlink)."
                ),
                (
                    "bind says EADDRINUSE: if connect to that path says ECONNREFUSED, nobody"
                    " listens, and the path can be removed (unlink)."
                ),
            ),
            Say("il sert", "it serves"),
            str(why),
        )


@ladder.check(
    "live-socket",
    1,
    Say(
        "Si un autre serveur écoute déjà à ce chemin, le nouveau s'arrête avec une erreur, et "
        "l'autre continue.",
        "Where another listens, the new one ends with an error, and the other goes on.",
    ),
    Place("path"),
    needs="start",
    limit=30,
)
def live_socket(server):
    stranger = server.server.path
    server.server.end()
    if os.path.lexists(stranger):
        os.unlink(stranger)
    with socket.socket(socket.AF_UNIX) as other:
        other.bind(stranger)
        other.listen(20)
        server.note(
            Say("juge", "judge"),
            Say("écoute lui-même à ce chemin", "listens at that path itself"),
        )
        before = os.stat(stranger).st_ino
        process = server.start_alone()
        ended = process.wait(server.patience + 2)
        same = os.path.lexists(stranger) and os.stat(stranger).st_ino == before
        process.end()
    os.path.lexists(stranger) and os.unlink(stranger)
    if not same:
        raise Fault(
            Say(
                (
                    "Votre serveur efface le chemin sans vérifier si quelqu'un y écoute : un "
                    "connect le montre."
                ),
                (
                    "Your server removes the path without looking who listens there: a connect"
                    " tells."
                ),
            ),
            Say("l'autre garde son chemin", "the other keeps its path"),
            Say("le chemin est à votre serveur", "the path is your server's"),
        )
    if not ended or process.status == 0:
        raise Fault(
            Say(
                "Votre serveur doit signaler que l'adresse est prise, et se terminer avec "
                "une erreur.",
                "Your server is to say that the address is taken, and end with an error.",
            ),
            Say(
                "il s'arrête, avec un code de retour autre que 0",
                "it ends, with an exit status other than 0",
            ),
            process.how_it_ended() or Say("il tourne toujours", "it still runs"),
        )


@ladder.check(
    "not-a-socket",
    1,
    Say(
        "Ce qui n'est pas une socket n'est jamais effacé.",
        "What is no socket is never removed.",
    ),
    Place("path"),
    needs="start",
    limit=30,
)
def not_a_socket(server):
    path = server.server.path
    server.server.end()
    if os.path.lexists(path):
        os.unlink(path)
    with open(path, "w") as file:
        file.write("un rapport de stage\n")
    server.note(
        Say("juge", "judge"),
        Say("met un fichier ordinaire à ce chemin", "puts a regular file at that path"),
    )
    process = server.start_alone()
    process.wait(1)
    process.end()
    kept = os.path.isfile(path) and open(path).read() == "un rapport de stage\n"
    os.path.lexists(path) and os.unlink(path)
    if not kept:
        raise Fault(
            Say(
                (
                    "unlink efface aussi bien un fichier : vérifiez d'abord qu'il s'agit "
                    "d'une socket (lstat, S_ISSOCK)."
                ),
                (
                    "unlink removes somebody's file too: look first whether it is a socket"
                    " (lstat, S_ISSOCK)."
                ),
            ),
            Say("le fichier est resté", "the file has stayed"),
            Say("le fichier a disparu", "the file is gone"),
        )


@ladder.check(
    "sigterm",
    1,
    Say(
        "SIGTERM l'arrête, et on peut le relancer aussitôt au même chemin.",
        "SIGTERM ends it, and it can be started again at once at the same path.",
    ),
    Place("path"),
    needs="start",
    limit=30,
)
def sigterm(server):
    echo.sigterm(server)
