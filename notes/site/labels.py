"""What the pictures say, in French: they are drawn once, with English words, and a page in French
shows them with these. A line that is not here (a call, a state, what goes over the wire) is the
same in both."""

FRENCH = {
    # echo-clients, echo-idle
    "lines answered a second": "réponses par seconde",
    "99 % are answered within, µs": "délai de 99 % des réponses, en µs",
    "clients, each with one line on its way": "clients, une ligne en cours chacun",
    "idle clients beside 50 busy ones (0 is drawn at 1)": "clients muets à côté de 50 actifs (0 est tracé à 1)",
    # fd-crossing
    "the kernel": "le noyau",
    "the socket: one byte and": "la socket : un octet et",
    "a reference (SCM_RIGHTS)": "une référence (SCM_RIGHTS)",
    "open file": "fichier ouvert",
    "for reading, at byte 0": "en lecture, à l'octet 0",
    "the file lettre": "le fichier lettre",
    "3   server": "3   serveur",
    # forward
    "bytes, end": "octets, fin",
    "one connection": "une connexion",
    "another one": "une autre",
    # log-cursors
    "one log: what everyone must see, once": "un journal : ce que tous doivent voir, une fois",
    "append: recv, a whole line": "ajouter : recv, une ligne entière",
    "forgotten": "effacé",
    "not yet said": "à venir",
    "at the end: it is owed nothing": "à la fin : on ne lui doit rien",
    "anywhere, even in the middle of a message": "n'importe où, même au milieu d'un message",
    "the slowest: what lies before it is forgotten": "le plus lent : ce qui le précède est effacé",
    "one send to aB7: from its cursor to the end, however many messages that is":
        "un send à aB7 : de son curseur à la fin, quel que soit le nombre de messages",
    "a send that takes a part moves the cursor by that part":
        "un send partiel avance le curseur d'autant",
    # ntp
    "the server's clock": "horloge du serveur",
    "our clock": "notre horloge",
    "request": "demande",
    "answer": "réponse",
    "delay = 0.3 − 0.1 = 0.2": "délai = 0,3 − 0,1 = 0,2",
    "offset = (5.1 + 4.9) / 2 = 5.0": "décalage = (5,1 + 4,9) / 2 = 5,0",
    "T1 = 10.0": "T1 = 10,0", "T2 = 15.1": "T2 = 15,1", "T3 = 15.2": "T3 = 15,2", "T4 = 10.3": "T4 = 10,3",
    "T3 − T2 = 0.1": "T3 − T2 = 0,1", "T4 − T1 = 0.3": "T4 − T1 = 0,3",
    # select-poll
    "fd_set: 1024 bits, bit n is descriptor n": "fd_set : 1024 bits, le bit n est le descripteur n",
    "the kernel looks at all of these, 0 to the highest": "le noyau les regarde tous, de 0 au plus haut",
    "and writes its answer over the question: 6 is ready":
        "et écrit sa réponse par-dessus la question : 6 est prêt",
    "a list, as long as it has to be": "une liste, aussi longue qu'il le faut",
    "the kernel looks at each entry, and writes into revents":
        "le noyau regarde chaque entrée, et écrit dans revents",
    "stop pipe": "tube d'arrêt",
    "listener": "écoute",
    # tcp-life
    "server": "serveur",
    "connect returns": "connect réussit",
    "accept returns": "accept réussit",
    "ESTABLISHED, in the backlog": "ESTABLISHED, dans la file",
    "recv returns 0": "recv rend 0",
    "recv returns 0, close": "recv rend 0, close",
    "what is still owed goes this way": "ce qui est encore dû passe par là",
    "TIME-WAIT, for 60 s": "TIME-WAIT, 60 s",
}  # fmt: skip

NARROW = "\u202f"


def french(words):
    """A line of a picture in French, with the narrow spaces that French has before its signs."""
    said = FRENCH.get(words, words)
    return said.replace(" :", NARROW + ":").replace(" %", NARROW + "%") if words in FRENCH else said
