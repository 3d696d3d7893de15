"""The words of the fault table, in English and in French: what each errno means, and what a server
does about it."""

ENGLISH, FRENCH = 0, 1

# errno: what it means, and who says so.
MEANING = {
    "EACCES": (
        "You have not the right to: a file's permissions, or a port below 1024 (open(2), bind(2)).",
        "L'opération n'est pas permise : droits d'un fichier, ou port inférieur à 1024 "
        "(open(2), bind(2)).",
    ),
    "EADDRINUSE": (
        "Somebody else has this address (bind(2), listen(2)).",
        "Cette adresse est déjà prise (bind(2), listen(2)).",
    ),
    "EADDRNOTAVAIL": (
        "No interface of this machine has this address; or no port is left to connect from "
        "(bind(2), connect(2)).",
        "Aucune interface de cette machine n'a cette adresse ; ou il ne reste aucun port d'où se "
        "connecter (bind(2), connect(2)).",
    ),
    "EAFNOSUPPORT": (
        "The system does not know this family of addresses: IPv6, say (socket(2)).",
        "Le système ne prend pas en charge cette famille d'adresses : IPv6, par exemple (socket(2)).",
    ),
    "EAGAIN": (
        "There is nothing to be had without waiting; of `fork`: there are as many processes as "
        "there may be; of `poll` and `select` on macOS: memory is short (recv(2), fork(2), poll(2)).",
        "Il faudrait attendre ; pour `fork` : il y a déjà autant de processus que permis ; "
        "pour `poll` et `select`, sur macOS : la mémoire manque (recv(2), fork(2), poll(2)).",
    ),
    "ECONNABORTED": (
        "The client went away before it was accepted (accept(2)).",
        "Le client est parti avant d'être accepté (accept(2)).",
    ),
    "ECONNREFUSED": (
        "Nobody listens there (connect(2), unix(7)).",
        "Personne n'écoute à cette adresse (connect(2), unix(7)).",
    ),
    "ECONNRESET": (
        "The peer has thrown the connection away: a RST came (send(2)).",
        "L'autre extrémité a rompu la connexion : un RST est arrivé (send(2)).",
    ),
    "EHOSTUNREACH": (
        "A router says that it knows no way to the peer (ip(7), icmp(7)).",
        "Un routeur signale qu'il n'a pas de route vers l'autre extrémité (ip(7), icmp(7)).",
    ),
    "EINTR": (
        "A signal came before the call had done anything (signal(7)).",
        "Un signal est arrivé avant que l'appel ait fait quoi que ce soit (signal(7)).",
    ),
    "EINVAL": (
        "More descriptors than the limit, RLIMIT_NOFILE, which may be lowered while a program "
        "runs (poll(2)).",
        "Plus de descripteurs que la limite, RLIMIT_NOFILE, qui peut être abaissée pendant qu'un "
        "programme tourne (poll(2)).",
    ),
    "EIO": (
        "The disk, or the terminal, fails (read(2)).",
        "Le disque, ou le terminal, est en panne (read(2)).",
    ),
    "ELOOP": (
        "The name is a symbolic link, and we follow none (open(2), O_NOFOLLOW).",
        "Le nom est un lien symbolique, et nous n'en suivons aucun (open(2), O_NOFOLLOW).",
    ),
    "EMFILE": (
        "This process has as many descriptors as it may have (accept(2)).",
        "Ce processus a déjà tous les descripteurs auxquels il a droit (accept(2)).",
    ),
    "EMSGSIZE": (
        "The answer is longer than a datagram may be (udp(7)).",
        "La réponse est plus longue qu'un datagramme ne peut l'être (udp(7)).",
    ),
    "ENETUNREACH": (
        "No route leads there (connect(2)).",
        "Aucune route ne mène à cette adresse (connect(2)).",
    ),
    "ENFILE": (
        "The whole system has as many open files as it may have (accept(2)).",
        "Le système entier a atteint son nombre maximal de fichiers ouverts (accept(2)).",
    ),
    "ENOBUFS": (
        "The kernel has no room to queue the bytes, or the connection (send(2), accept(2)).",
        "Le noyau n'a plus de place pour mettre en file les octets, ou la connexion (send(2), "
        "accept(2)).",
    ),
    "ENOENT": (
        "There is no such name (open(2), unix(7)).",
        "Ce nom n'existe pas (open(2), unix(7)).",
    ),
    "ENOMEM": (
        "The kernel has no memory left for this (accept(2), poll(2)).",
        "Le noyau n'a plus de mémoire pour cela (accept(2), poll(2)).",
    ),
    "ENOSPC": (
        "The disk is full (write(2)).",
        "Le disque est plein (write(2)).",
    ),
    "ENOTCONN": (
        "The connection is gone already (shutdown(2)).",
        "La connexion n'existe plus (shutdown(2)).",
    ),
    "EPERM": (
        "A firewall rule forbids it (accept(2)).",
        "Une règle du firewall (pare-feu) l'interdit (accept(2)).",
    ),
    "EPIPE": (
        "Nobody can read this any more: the connection, or the pipe, is closed at the other end "
        "(send(2), pipe(7)).",
        "Plus personne ne peut lire ce qu'on envoie : la connexion, ou le tube, est fermé à "
        "l'autre bout (send(2), pipe(7)).",
    ),
    "EPROTO": (
        "The protocol went wrong while the connection was made (accept(2)).",
        "Erreur de protocole pendant l'établissement de la connexion (accept(2)).",
    ),
    "ETIMEDOUT": (
        "The peer has not acknowledged anything for minutes (tcp(7)).",
        "L'autre extrémité n'a rien acquitté depuis plusieurs minutes (tcp(7)).",
    ),
    "ETOOMANYREFS": (
        "Too many descriptors are on their way that nobody has received (unix(7)).",
        "Trop de descripteurs ont été envoyés, et n'ont pas encore été reçus (unix(7)).",
    ),
}

# Outcomes. What the clients see is one of: all are served rightly; some connections end; some are
# told something else.
AGAIN = ("The call is made again at once.", "L'appel est refait aussitôt.")
LATER = (
    "Nothing is lost: it is tried again in the loop's next turn.",
    "Rien n'est perdu : nouvel essai au prochain tour de boucle.",
)
NEXT = (
    "At most that client is lost. The next one is accepted.",
    "Au pire, ce client-là est perdu. Le suivant est accepté.",
)
NOBODY = (
    "It was the last one for now. The loop goes on.",
    "Il n'y avait plus de client en attente. La boucle continue.",
)
RESTS = (
    "Said once. The listener rests for a tenth of a second, or until a client goes: meanwhile the "
    "newcomer waits in the backlog.",
    "Le serveur le signale une fois, et met la socket d'écoute de côté un dixième de seconde, ou "
    "jusqu'au départ d'un client ; d'ici là, les nouveaux venus restent dans la file d'attente "
    "(*backlog*).",
)
SECOND = (
    "The server sleeps for a second. Who waits in the backlog is then accepted.",
    "Le serveur dort une seconde. Les clients de la file d'attente (*backlog*) sont acceptés ensuite.",
)
SLEEPS = (
    "The loop sleeps for a tenth of a second, or until a signal, and asks again.",
    "La boucle dort un dixième de seconde, ou jusqu'à un signal, puis refait l'appel.",
)
ENDS = ("That connection ends, and no other.", "Cette connexion se termine, et aucune autre.")
IGNORED = ("The client is served all the same.", "Le client est servi quand même.")
LOST = ("That answer is lost, and no other.", "Cette réponse est perdue, et aucune autre.")
NO_ROOM = (
    "That client is told `serveur complet`, and closed.",
    "Ce client reçoit `serveur complet`, et sa connexion est fermée.",
)
NO_FILE = (
    "The answer is that there is no such file: `introuvable`, 404.",
    "La réponse est celle d'un fichier absent : `introuvable`, 404.",
)
NO_FILE_NOW = (
    "The answer is that it cannot be had now: `serveur complet`, 503.",
    "Le fichier est déclaré indisponible pour l'instant : `serveur complet`, 503.",
)
NO_FILE_500 = ("The answer is 500.", "La réponse est 500.")
NOT_LOGGED = (
    "That line of the log is lost, and no other.",
    "Cette ligne du journal est perdue, et aucune autre.",
)
QUIET = (
    "Nobody reads our standard output: what is still to be sent is sent, and the program ends, "
    "quietly, with status 0.",
    "Plus personne ne lit la sortie standard : ce qui reste à envoyer est envoyé, puis le "
    "programme se termine en silence, avec le code de retour 0.",
)
EXIT = (
    "One line on stderr, `PROGRAM: CALL: REASON`; exit 1.",
    "Une ligne sur stderr, `PROGRAM: CALL: REASON` (programme, appel, raison) ; code de retour 1.",
)
NOT_PARKED = (
    "The client is not parked yet, and served all the same.",
    "Le client reste pour l'instant dans la boucle, où il est servi.",
)
SHORT_READ = (
    "What has come is dealt with; the rest of the line, or of the request, is waited for.",
    "Ce qui est arrivé est traité ; on attend le reste de la ligne, ou de la requête.",
)
SHORT_WRITE = (
    "The rest is kept, and sent when there is room.",
    "Le reste est gardé, et envoyé quand il y a de la place.",
)
