"""The index of the notes follows the course page, "Sockets réseaux": each line of it has a row, in its
order, and the commands of each row work as printed. The page is not ours, and not here: only the
words by which its lines are known."""

import os
import re
import subprocess
import sys

import peer_servers
import pytest
import typed
from harness import PATIENCE, ROOT, peer
from lab import LAB, needs_the_lab
from test_notes import network_for, waiting_for
from wants import PACKAGES, missing

INDEXES = [ROOT / "notes/README.md", ROOT / "notes/fr/README.md"]
# Headings in bold, links, and list items, as on the page and in its order.
PAGE = """
    **Connexion internet**
    **Connexion TCP**
    communications entrantes
    (ou sortantes)
    **socket Client / serveur**
    https://doc.fedora-fr.org/wiki/Netcat,_connexion_client/serveur_en_bash
    Nc n'admet qu'une connexion
    https://www.redhat.com/sysadmin/getting-started-socat
    **Amusons-nous avec la redirection de ports**
    **Une redirection de port**
    ssh -L4000:roucas101.etu:22 fbrucker@sas1.ec-m.fr
    faire une connexion ssh
    un lien entre
    le port 4000 de so-high
    le port 22 de roucas101.etu
    **Plusieurs redirection de port**
    ssh -L9090:localhost:9090 -p4000 fbrucker@localhost
    le deuxième localhost
    le premier localhost
    **outil de connexion**
    https://www.redhat.com/sysadmin/getting-started-socat
    https://www.varonis.com/blog/netcat-commands
    https://jameshfisher.com/2018/12/31/how-to-make-a-webserver-with-netcat-nc/
    **echo serveur**
    **mono ligne**
    **echo à tous serveur**
    **client**
    **web server avec socat**
    TBD en écrire un
    https://gist.github.com/baleyko/003a089deb4f532552ef674e9ff4cea9
    https://fabianlee.org/2022/10/26/linux-socat-used-as-secure-https-web-server/
    https://stuff.mit.edu/afs/sipb/machine/penguin-lust/src/socat-1.7.1.2/EXAMPLES
    **bibliographie**
    https://www.netfilter.org/documentation/HOWTO/networking-concepts-HOWTO.html
    https://beej.us/guide/bgnet/
    https://opensource.com/article/19/4/interprocess-communication-linux-networking
    **client serveur**
    socat : un serveur en shell qui répond à un protocole simple
    répond hello
    donne l'heure
    envoie un fichier s'il existe
    node/express, flask, fastAPI
    route index.html redirection
    une route qui calcule une somme
    un site static simple
    un js dedans
    deux route en hop
    localhost <-> ovh <-> sas1 <-> roucas101
    https://github.com/denehs/unix-domain-socket-example/blob/master/client.c
    tcp socket
    https://www.tala-informatique.fr/wiki/index.php/C_socket
    https://seriot.ch/projects/tiny_ntp_client.html
    https://www.nstec.com/how-to-disable-firewall-iphone-hotspot/
    **tbd**
    https://www.youtube.com/watch?v=Ftg8fjY_YWU
    https://www.geeksforgeeks.org/how-to-kill-a-detached-screen-session-in-linux/
    **cours web**
    remplacer screen par tmux
    Utiliser un shell que l'on sauve
    https://python-guide-pt-br.readthedocs.io/fr/latest/dev/virtualenvs.html
    shell
    python seul
    python + flask + virtualenv
    node seul
    node + express + package.json
"""


def rows(index):
    """[(what the page says, the commands to type, the first note)] of the index's table."""
    _, _, table = index.read_text().partition("| --- | --- | --- | --- |\n")
    found = []
    for line in table.partition("\n\n")[0].splitlines():
        page, _, cell, note = (cell.strip() for cell in re.split(r"(?<!\\)\|", line)[1:-1])
        page = page.replace("\u202f", " ").replace("\u00a0", " ")
        notes = re.search(r"\((\w+\.md)", note)
        commands = re.findall("`([^`]*)`", cell.replace(r"\|", "|"))
        found.append((page, commands, notes and notes[1]))
    return found


def plain(text):
    """Without what Markdown puts around words."""
    return text.replace("`", "").replace("\u202f", " ")


@pytest.mark.parametrize("index", INDEXES, ids=lambda index: str(index.relative_to(ROOT)))
def test_each_line_of_the_course_page_has_its_row_in_its_order(index):
    at, pages = 0, [plain(page) for page, _, _ in rows(index)]
    for line in map(str.strip, PAGE.strip().splitlines()):
        after = [number for number, page in enumerate(pages) if number >= at and line in page]
        assert after, f"no row for {line!r} from row {at}, {pages[at]!r}, on"
        at = after[0]


@pytest.mark.parametrize("index", INDEXES, ids=lambda index: str(index.relative_to(ROOT)))
def test_each_row_but_those_of_bare_headings_has_a_command_and_a_note(index):
    for page, commands, note in rows(index):
        assert re.fullmatch(r"\*\*[^*]*\*\*", page) or (commands and note), page


def test_the_commands_are_the_same_in_both_languages():
    english, french = ([commands for _, commands, _ in rows(index)] for index in INDEXES)
    assert french == english


# npm fetches from a registry: test_peers.py has those two commands.
CELLS = {" ; ".join(row[1]): row[1:] for row in rows(INDEXES[0]) if "npm ci" not in str(row[1])}
CELLS.pop("", None)


def needs(text):
    for name in set(re.findall(r"[\w-]+", text)) & set(PACKAGES):
        if name not in ("flask", "fastapi", "express"):  # modules, which interpreter() asks for
            peer(name)
    for server in peer_servers.EVERY:
        if server in text:
            peer_servers.interpreter(server)
    if "tests/see/see" in text:
        peer("strace")
    if "peers/page/" in text:
        peer("socat")
    if "-m venv" in text and not peer_servers.imports("/usr/bin/python3", "ensurepip"):
        missing("ensurepip")
    if "make lab" in text:
        needs_the_lab()
        if "ssh " in text:
            peer("sshd")


@pytest.mark.thorough
@pytest.mark.parametrize("cell", CELLS)
def test_the_commands_of_a_row_work_as_printed(cell, tmp_path):
    commands, note = CELLS[cell]
    needs(cell)
    # The reader's own server.
    commands = [command.replace("moi.py", "tests/judge/steps/5.py") for command in commands]
    # A Debian's own Python first: the packages that a note asks for are that one's.
    environment = {
        **typed.ENVIRONMENT,
        "PATH": f"/usr/bin:{os.environ['PATH']}:/usr/sbin:/sbin",
        "TMUX_TMPDIR": str(tmp_path),
    }
    environment.pop("TMUX", None)
    if commands[0] == "make lab":  # which would build first
        script = "".join(f"{command}\necho status $?\n" for command in commands[1:])
        result = subprocess.run(
            [LAB, "bash", "-c", script],
            cwd=ROOT,
            env=environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=PATIENCE * 2,
        )
        statuses = re.findall(r"^status (\d+)$", result.stdout, re.MULTILINE)
        for command, status in zip(commands[1:], statuses):
            assert status == "0" or "/probe" in command, (command, result.stdout, result.stderr)
        assert len(statuses) == len(commands) - 1
        assert not typed.COMPLAINT.search(result.stderr), result.stderr
        return
    with waiting_for(note), network_for(cell) as network:
        if network:
            environment["CONSOLE_OWN_NETWORK"] = "1"
        result = subprocess.run(
            [*network, sys.executable, typed.__file__, *commands],
            env=environment,
            capture_output=True,
            text=True,
            timeout=120,
        )
    if "tmux" in cell:
        kill = ["tmux", "-L", "cours", "kill-server"]
        subprocess.run(kill, env=environment, capture_output=True)
    assert result.returncode == 0, result.stderr


@pytest.mark.parametrize(
    "commands, complaint",
    [
        (["true"], None),
        (["false"], "status 1"),
        (["build/echo/poll 0", "no_such_command"], "not found"),
        (["build/echo/poll 0", "cat"], "neither ends"),
        (["sh -c 'echo usage: sleep; sleep 100'"], "usage"),
    ],
)
def test_a_command_that_works_is_told_from_one_that_does_not(commands, complaint, monkeypatch):
    if complaint == "neither ends":  # only that one is to wait for its end in vain
        monkeypatch.setattr(typed, "PATIENCE", 2)
    if complaint != "not found":  # there is none, and another test's may come meanwhile
        monkeypatch.setattr(typed, "listeners", lambda: 0)
    said = typed.main(commands)
    assert said is None if complaint is None else complaint in said
