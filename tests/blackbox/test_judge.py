"""The judge itself: its command line, its words, what it writes for machines, and what it lets a
stranger's server do to it: nothing."""

import importlib
import json
import os
import pty
import re
import shlex
import signal
import socket
import subprocess
import sys
import textwrap
import time
import xml.etree.ElementTree

import pytest
from harness import PATIENCE, ROOT, Program, binary, eventually
from judging import CONTRACTS, JUDGE, PLAIN, judge, lost, verdict
from links import anchors
from wants import MODES_COUNT, namespace, needs_namespace, proc

pytestmark = [pytest.mark.waits, pytest.mark.thorough]

ZOO = ROOT / "tests/judge/zoo"
RIGHT = [binary("echo/poll")]
POLL = shlex.quote(RIGHT[0])  # for a shell: the path may have blanks
FAULTY = [sys.executable, ZOO / "echo_bytes_strip.py"]  # it lacks two points
QUICK = ["--visits", 300]


of_the_faulty = pytest.mark.xdist_group("faulty")  # one worker has them all, and judges it once


@pytest.fixture(scope="module")
def faulty(tmp_path_factory):
    """A server that lacks two points, judged in French: how the judge ended, and its files by
    their kind."""
    place = tmp_path_factory.mktemp("faulty")
    files = {kind: place / kind for kind in ("json", "junit")}
    options = [word for kind, file in files.items() for word in (f"--{kind}", file)]
    return judge("echo", *QUICK, "--lang", "fr", *options, "--", *FAULTY), files


def ladder(contract):
    return importlib.import_module("contracts." + contract).ladder


# ---- The command line


@pytest.mark.parametrize("option", ["-h", "--help"])
def test_help(option):
    ended = judge(option)
    assert (ended.returncode, ended.stderr) == (0, "")
    assert ended.stdout.startswith("usage: tests/judge/judge CONTRACT ")


@pytest.mark.parametrize(
    "words",
    [
        [],
        ["echo"],
        ["echo", "--"],
        ["écho", "--", "true"],
        ["echo", "--at", "127.0.0.1"],
        ["echo", "--at", "127.0.0.1:90909"],
        ["echo", "--at", "127.0.0.1:http"],
        ["echo", "--at", "127.0.0.1:9", "--", "true"],
        ["client", "--at", "127.0.0.1:9"],
        ["echo", "--lang", "de", "--", "true"],
        ["echo", "--patience", "0", "--", "true"],
        ["echo", "--patience", "dix", "--", "true"],
        ["echo", "--visits", "1", "--", "true"],
        ["echo", "--csv", "x", "--", "true"],
        ["echo", "--html", "x", "--", "true"],
        ["echo", "--all", "/no/such/place"],
        ["echo", "--all", "/", "--at", "127.0.0.1:9"],
        ["echo", "python3", "moi.py"],
        ["echo", "--json"],
        ["--explain"],
        ["--explain", "rien"],
        ["--explain", "echo", "echo"],
        ["--loud", "echo", "--", "true"],
    ],
    ids=" ".join,
)
def test_bad_usage(words):
    ended = judge(*words)
    assert (ended.returncode, ended.stdout) == (2, "")
    assert re.match(r"judge: .+\nusage: tests/judge/judge ", ended.stderr)
    assert "Traceback" not in ended.stderr


@pytest.mark.parametrize(
    "words, complaint",
    [
        (["echo", "python3", "moi.py"], "arguments inconnus : python3 moi.py"),
        (["echo", "--json"], "--json : il manque une valeur"),
        (["echo", "--patience", "dix", "--", "true"], "--patience : ce n'est pas un nombre : 'dix'"),
        (["echo", "--help=oui"], "-h/--help : aucune valeur n'est attendue : 'oui'"),
    ],
)
def test_bad_usage_in_french(words, complaint):
    ended = judge("--lang", "fr", *words)
    first, second = ended.stderr.splitlines()[:2]
    assert first == "judge: " + complaint.replace(" :", "\u202f:")
    assert second.startswith("usage\u202f: tests/judge/judge ")


@pytest.mark.parametrize(
    "environment, words, french",
    [
        ({"LANG": "fr_FR.UTF-8"}, [], True),
        ({"LANG": "en_GB.UTF-8"}, [], False),
        ({"LANG": "C"}, [], False),
        ({}, [], False),
        ({"LANG": "en_GB.UTF-8", "LC_MESSAGES": "fr_CA"}, [], True),
        ({"LC_MESSAGES": "fr_FR", "LC_ALL": "C.UTF-8"}, [], False),
        ({"LANG": "fr_FR.UTF-8"}, ["--lang", "en"], False),
        ({"LANG": "C"}, ["--lang=fr"], True),
    ],
)
def test_it_speaks_the_language_that_is_asked_for(environment, words, french):
    said = judge("--explain", "echo", *words, env=environment).stdout
    assert ("Les vérifications" in said, "The checks" in said) == (french, not french)


@pytest.mark.parametrize("language", ["fr", "en"])
@pytest.mark.parametrize("contract", CONTRACTS)
def test_it_explains_a_contract_and_its_twenty_points(contract, language):
    ended = judge("--explain", contract, "--lang", language)
    assert (ended.returncode, ended.stderr) == (0, "")
    points = dict(re.findall(r"^  ([a-z-]+) +(\d+)   \S", ended.stdout, re.MULTILINE))
    assert list(points) == [check.id for check in ladder(contract).checks]
    assert sum(map(int, points.values())) == 20
    assert f"tests/judge/judge {contract} -- " in ended.stdout
    assert all(len(line) <= 100 for line in ended.stdout.splitlines())


# ---- What it says of a server


@of_the_faulty
def test_all_points_is_status_0_and_one_that_lacks_some_is_1(faulty):
    ended = judge("echo", *QUICK, "--", *RIGHT)
    assert (ended.returncode, ended.stderr) == (0, "")
    assert ended.stdout.endswith("score: 20 of 20\n")
    ended, _files = faulty
    assert (ended.returncode, ended.stderr) == (1, "")
    assert ended.stdout.endswith("score\u202f: 18 sur 20\n")


@of_the_faulty
def test_a_failure_is_a_conversation_a_difference_a_guess_and_a_paragraph_to_read(faulty):
    said = faulty[0].stdout
    failure = said.partition("✗ bytes")[2].partition("✓")[0]
    assert re.search(r'0,\d{3} s  client 2 +envoie "  blancs devant,   au milieu', failure)
    assert re.search(r'0,\d{3} s  client 2 +reçoit "le serveur répond : blancs', failure)
    expected, received, mark = re.search(
        r"(.*attendu  .*)\n(.*reçu  .*)\n(.*\^)\n", failure
    ).groups()
    at = len(mark) - 1
    assert expected[:at].partition('"')[2] == received[:at].partition('"')[2]
    assert expected[at] != received[at]
    assert "sans doute  Les blancs ont changé" in failure
    assert "à lire  notes/fr/judge.md#des-octets-et-non-du-texte, «\u202fUne" in failure


@of_the_faulty
def test_its_lines_fit_a_terminal(faulty):
    _the_command, *lines = faulty[0].stdout.splitlines()
    prose = [line for line in lines if '"' not in line]
    assert all(len(line) <= 100 for line in prose)


def test_every_paragraph_to_read_is_there_in_both_languages():
    from places import PLACES, Place

    used = {
        id(check.read): check.read
        for contract in CONTRACTS
        for check in ladder(contract).checks
    }
    assert {place.lead.en for place in used.values()} == {
        lead.en for _, _, lead in PLACES.values()
    }
    wrong = []
    for place in map(Place, PLACES):
        for french in (True, False):
            page, heading = ROOT / place.file(french), (
                place.heading.fr if french else place.heading.en
            )
            lead = place.lead.fr if french else place.lead.en
            section = re.split(rf"\n##+ {re.escape(heading)}\n", page.read_text())[1:]
            paragraphs = re.split(r"\n\n|\n- ", "".join(section).partition("\n## ")[0])
            if place.anchor(french) not in anchors(page) or not section:
                wrong.append(f"{place.file(french)} has no heading {heading}")
            elif not any(
                text.strip().removeprefix("- ").startswith(lead) for text in paragraphs
            ):
                wrong.append(
                    f"{place.file(french)}: nothing under {heading} begins with {lead}"
                )
    assert not wrong, "\n" + "\n".join(wrong)


@of_the_faulty
def test_json_has_the_keys_that_were_promised(faulty):
    judged = json.loads(faulty[1]["json"].read_text())
    assert (judged["contract"], judged["score"], judged["of"]) == ("echo", 18, 20)
    assert sum(check["points"] for check in judged["checks"]) == 20
    checks = {check["id"]: check for check in judged["checks"]}
    assert list(checks) == [check.id for check in ladder("echo").checks]
    for check in checks.values():
        assert isinstance(check["passed"], bool) and isinstance(check["points"], int)
        assert all(
            isinstance(check[key], str) for key in ("says", "sent", "expected", "received")
        )
        assert re.match(r"notes/fr/\w+\.md#.+", check["read"])
    assert checks["bytes"]["passed"] is False
    assert checks["bytes"]["sent"].startswith('"une ligne, avec des accents')
    assert (
        checks["bytes"]["expected"]
        == '"le serveur répond :   blancs devant,   au milieu, et derrière  \\n"'
    )
    assert (
        checks["bytes"]["received"]
        == '"le serveur répond : blancs devant,   au milieu, et derrière\\n"'
    )
    assert checks["half-close"]["points"] == 3 and checks["half-close"]["passed"] is True


@of_the_faulty
def test_junit_is_read_by_an_xml_parser(faulty):
    [suite] = xml.etree.ElementTree.parse(faulty[1]["junit"]).getroot()
    assert (suite.get("tests"), suite.get("failures")) == ("18", "2")
    failed = [case.get("name") for case in suite if case.find("failure") is not None]
    assert failed == ["bytes", "last-line"]


def test_on_standard_output_a_machine_gets_its_own_words_alone(classroom):
    for words in (["--", binary("echo/datagram")], ["--all", classroom(alice=("", {}))]):
        ended = judge("datagram", "--json", "-", *words)
        assert json.loads(ended.stdout)["contract"] == "datagram"
        assert re.search("score: 20 of 20|alice +0/20", ended.stderr)


def test_a_file_that_cannot_be_written_is_one_line():
    """It is said before a class has been judged for an hour."""
    ended = judge("echo", *QUICK, "--json", "/no/such/place/x", "--", *RIGHT)
    assert (ended.returncode, ended.stdout) == (1, "")
    assert re.fullmatch(r"judge: .*No such file or directory.*\n", ended.stderr)


def test_what_a_server_says_moves_no_cursor():
    ended = judge("echo", "--", "sh", "-c", r"printf '\033[2J\tfini\n'; exit 7")
    assert r"it said  \x1b[2J" in ended.stdout and "\x1b" not in ended.stdout


def test_a_command_in_one_word_is_a_command_line():
    for line in (f"cd . && exec {POLL}", f"{POLL} {{port}} 2>/dev/null", f"{POLL} {{port}}"):
        assert judge("echo", *QUICK, "--", line).returncode == 0, line


@pytest.mark.parametrize(
    "environment, coloured", [({}, True), ({"NO_COLOR": ""}, False), ({"TERM": "dumb"}, False)]
)
def test_colours_on_a_terminal_that_wants_them(environment, coloured):
    said = on_a_terminal(
        ["datagram", "--", binary("echo/datagram")], {"TERM": "xterm", **environment}
    )
    assert "score: 20 of 20" in said
    assert ("\x1b[32m" in said) is coloured


def on_a_terminal(words, environment):
    ours, theirs = pty.openpty()
    command = [sys.executable, str(JUDGE), *map(str, words)]
    process = subprocess.Popen(
        command, stdout=theirs, stderr=theirs, env={**PLAIN, **environment}, cwd=ROOT
    )
    os.close(theirs)
    said = b""
    try:
        while piece := os.read(ours, 4096):
            said += piece
    except OSError:
        pass  # EIO: the other end has closed
    process.wait(PATIENCE)
    os.close(ours)
    return said.decode()


def test_one_that_runs_already_is_judged_where_it_is(start):
    server = start("echo/poll")
    judged = verdict("echo", *QUICK, "--at", f"127.0.0.1:{server.port}")
    # Nobody has started it, so that nobody can look whether it comes back; all else is there.
    assert [check["id"] for check in judged["checks"] if check["passed"] is None] == ["sigterm"]
    assert (judged["score"], judged["of"]) == (19, 19)
    assert judge("echo", *QUICK, "--at", f"127.0.0.1:{server.port}").returncode == 0
    assert server.process.poll() is None


def test_one_that_runs_already_at_a_path(start, place):
    server = Program("unix_domain/stream_server", place / "echo")
    server.logged("listening on ")
    judged = verdict("unix", *QUICK, "--at", place / "echo")
    assert lost(judged) == {"dead-socket", "live-socket", "not-a-socket", "sigterm"}
    assert judged["score"] == judged["of"] == 16
    server.stop()


def test_what_a_server_said_when_it_came_back_is_shown_whole(tmp_path):
    """However much it had said the first time."""
    server = tmp_path / "no_reuseaddr.py"
    server.write_text(
        "import sys\nsys.excepthook = lambda kind, error, trace: print(error, file=sys.stderr)\n"
        + "print('listening', flush=True)\n"
        + (ZOO / "echo_no_reuseaddr.py").read_text()
    )
    judged = verdict("echo", *QUICK, "--", sys.executable, server)
    assert lost(judged) == {"sigterm"}
    [check] = [check for check in judged["checks"] if check["id"] == "sigterm"]
    assert check["said"] == ["listening", "[Errno 98] Address already in use"]


def test_one_that_comes_back_on_another_port_is_told_that_bind_failed(tmp_path):
    """It does not look at what bind says; a listener without an address is given any port. Its
    command is right, and is not spoken of."""
    proc()
    server = tmp_path / "no_look_at_bind.py"
    server.write_text(
        "import contextlib\n"
        + (ZOO / "echo_no_reuseaddr.py")
        .read_text()
        .replace(
            "    daemon_threads = True\n",
            "    daemon_threads = True\n\n"
            "    def server_bind(self):\n"
            "        with contextlib.suppress(OSError):\n"
            "            self.socket.bind(self.server_address)\n",
        )
    )
    judged = verdict("echo", *QUICK, "--", sys.executable, server)
    [check] = [check for check in judged["checks"] if not check["passed"]]
    assert check["id"] == "sigterm"
    assert "it listens on port " in check["received"] and "{port}" not in check["received"]
    assert "bind has failed" in check["likely"] and "SO_REUSEADDR" in check["likely"]


# ---- Servers that do not start


@pytest.mark.parametrize(
    "words, why",
    [
        (
            ["/no/such/program"],
            "could not be started: /no/such/program: No such file or directory",
        ),
        (["sh", "-c", "echo du bruit >&2; exit 7"], "it ended, with exit status 7"),
        (["sh", "-c", "kill -SEGV $$"], "killed by the signal SIGSEGV"),
    ],
    ids=["none", "ends", "dies"],
)
def test_one_that_does_not_start_is_status_3_with_what_it_said(words, why):
    ended = judge("echo", "--", *words)
    assert (ended.returncode, ended.stderr) == (3, "")
    assert why in re.sub(r"\s+", " ", ended.stdout)
    assert ("it said  du bruit" in ended.stdout) == ("echo" in words[-1])


def test_of_a_long_line_that_it_said_the_end_is_shown_too():
    ended = judge("echo", "--", sys.executable, "/no/such/" + "folder/" * 12 + "moi.py")
    (line,) = [line for line in ended.stdout.splitlines() if "it said" in line]
    assert line.endswith("[Errno 2] No such file or directory") and len(line) <= 90


def test_one_that_listens_elsewhere_is_told_where():
    proc()
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    judged = verdict("echo", "--", "sh", "-c", f"exec {POLL} {port}; #")
    assert not judged["started"]
    assert f"port {port}" in judged["why"] and "{port}" in judged["why"]


def test_one_that_ends_with_its_keyboard_has_one():
    reads = "import os, sys\nif os.fork() == 0:\n    sys.stdin.read()\n    os.kill(os.getppid(), 9)\n"
    reads += "    os._exit(0)" + SERVE
    ended = judge("echo", *QUICK, "--", sys.executable, "-c", reads)
    assert ended.returncode == 0, ended.stdout


def test_one_that_is_built_when_it_is_first_started_has_the_time_for_it(monkeypatch):
    submission = importlib.import_module("submission")
    monkeypatch.setattr(submission, "START", 0.1)
    built = submission.Server(ladder("echo"), ["sh", "-c", f"sleep 0.5; exec {POLL} {{port}}"])
    try:
        built.begin()
        with pytest.raises(submission.NotStarted, match="after 0.1 s"):
            built.restart()
    finally:
        built.close()


def test_who_ends_after_a_client_and_who_runs_behind_a_shell_are_told_what_is_so():
    once = "import socket, sys\nlistener = socket.create_server(('', int(sys.argv[1])))\n"
    once += "client, _ = listener.accept()\nclient.sendall('Le serveur écoute.\\n'.encode())"
    judged = verdict("echo", *QUICK, "--lang", "en", "--", sys.executable, "-c", once)
    said = {check["id"]: check["likely"] for check in judged["checks"]}
    assert "ended by itself" in said["one-line"]
    strip = shlex.quote(str(ZOO / "echo_bytes_strip.py"))
    behind = f"{sys.executable} {strip} {{port}} &"
    judged = verdict("echo", *QUICK, "--lang", "en", "--", "sh", "-c", behind)
    said = {check["id"]: check["likely"] for check in judged["checks"]}
    assert said["bytes"] and "ended" not in said["bytes"]


def test_nobody_there_is_status_3():
    ended = judge("echo", "--at", "127.0.0.1:1")
    assert ended.returncode == 3
    assert "nothing listens on 127.0.0.1:1" in ended.stdout


def test_a_port_in_the_middle_and_a_command_for_the_shell():
    for words in (
        ["sh", "-c", f"exec {POLL} {{port}} 2>/dev/null"],
        ["env", *RIGHT],
    ):
        assert judge("echo", *QUICK, "--", *words).returncode == 0


# ---- A class


@pytest.fixture
def classroom(tmp_path):
    """classroom(NAME=(run, {file: text})): a folder for each student."""

    def fill(**students):
        for name, (run, files) in students.items():
            (tmp_path / "class" / name).mkdir(parents=True)
            for file, text in files.items():
                (tmp_path / "class" / name / file).write_text(text)
            if run:
                (tmp_path / "class" / name / "run").write_text(run)
        return tmp_path / "class"

    return fill


STRIP = (ZOO / "echo_bytes_strip.py").read_text()


def test_a_class_is_a_table_and_its_files(classroom, tmp_path):
    folder = classroom(
        alice=(f"{POLL} {{port}}\n", {}),
        bob=("# sa commande\npython3 moi.py\n", {"moi.py": STRIP}),
        carole=("#!/bin/sh\nexec python3 moi.py $1\n", {"moi.py": STRIP}),
        david=("", {}),
        emile=("python3 moi.py {port}", {"moi.py": "print('coucou')"}),
    )
    (folder / ".git").mkdir()
    files = {kind: tmp_path / f"out.{kind}" for kind in ("json", "csv", "html", "junit")}
    options = [word for kind, file in files.items() for word in (f"--{kind}", file)]
    ended = judge("echo", *QUICK, "--lang", "fr", "--all", folder, *options)
    assert (ended.returncode, ended.stderr) == (1, "")
    rows = dict(re.findall(r"^(\w+) +(\d+/20)  .*", ended.stdout, re.MULTILINE))
    scores = {"alice": 20, "bob": 18, "carole": 18, "david": 0, "emile": 0}
    assert rows == {name: f"{score}/20" for name, score in scores.items()}

    judged = json.loads(files["json"].read_text())
    assert {row["student"]: row["score"] for row in judged["students"]} == scores
    header, *lines = [line.split(",") for line in files["csv"].read_text().splitlines()]
    ids = [check.id for check in ladder("echo").checks]
    assert header == ["élève", "score", "sur", *ids, "remarque"]
    assert {line[0]: int(line[1]) for line in lines} == scores
    for line in lines:
        assert sum(map(int, line[3 : 3 + len(ids)])) == int(line[1])
    suites = xml.etree.ElementTree.parse(files["junit"]).getroot()
    assert [suite.get("name") for suite in suites] == list(scores)
    page = files["html"].read_text()
    assert all(name in page for name in scores) and "http://" not in page and "src=" not in page


def test_the_command_of_a_class_may_be_one_for_all(classroom):
    folder = classroom(alice=("", {"moi.py": STRIP}), bob=("", {}))
    ended = judge("echo", *QUICK, "--all", folder, "--", sys.executable, "moi.py")
    assert re.search(r"^alice +18/20 ", ended.stdout, re.MULTILINE)
    assert re.search(r"^bob +0/20 ", ended.stdout, re.MULTILINE)


def test_a_run_that_is_no_file_is_no_command(classroom, tmp_path):
    folder = classroom(alice=("", {"moi.py": STRIP}), bob=("", {}))
    os.mkfifo(tmp_path / "tube")  # nobody writes there: who opened it would wait for ever
    (folder / "alice" / "run").symlink_to(tmp_path / "tube")
    os.mkfifo(folder / "bob" / "run")
    ended = judge("echo", "--all", folder, timeout=PATIENCE)
    assert re.findall(r"^(\w+) +0/20 ", ended.stdout, re.MULTILINE) == ["alice", "bob"]
    assert "there is no command" in ended.stdout


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16"])
def test_a_run_that_an_editor_of_windows_wrote_is_a_command(classroom, encoding):
    folder = classroom(alice=("", {}))
    (folder / "alice" / "run").write_text(f"# ma commande\r\n{POLL} {{port}}\r\n", encoding=encoding)
    ended = judge("echo", *QUICK, "--all", folder)
    assert re.search(r"^alice +20/20 ", ended.stdout, re.MULTILINE), ended


def test_a_command_is_taken_as_students_write_it(classroom):
    script = f"#!/bin/sh\nexec {POLL} $1\n"
    written = dict(
        blank=f"{POLL}\xa0{{port}}".encode(),
        carriage=script.replace("\n", "\r\n").encode(),
        exec=f"exec {POLL} {{port}}".encode(),
        filled=script.replace("$1", "{port}").encode(),
        latin=f"# après\n{POLL} {{port}}".encode("latin-1"),
        lines=f"mkdir x\ncd x\n{POLL} \\\n {{port}}\n".encode(),
        mark=script.encode("utf-8-sig"),
        own=f"#!/bin/sh\nport=$1\nexec {POLL} ${{port}}\n".encode(),
        output=f"A=1 {POLL} {{port}} > log 2>&1".encode(),
        two=f"mkdir -p x && cd x && {POLL} {{port}};".encode(),
        variable=f"PORT=1 {POLL} {{port}}".encode(),
    )
    folder = classroom(**{name: ("", {}) for name in written})
    for name, run in written.items():
        (folder / name / "run").write_bytes(run)
    ended = judge("echo", *QUICK, "--all", folder)
    rows = dict(re.findall(r"^(\w+) +(\d+)/20 ", ended.stdout, re.MULTILINE))
    assert rows == dict.fromkeys(written, "20"), ended


def test_a_folder_is_taken_as_archives_leave_it(classroom, tmp_path):
    """In a folder of its own, and beside what a Mac has put there; with a suffix; or as a link, which
    does not give the judge what is elsewhere."""
    run = f"{POLL} {{port}}"
    folder = classroom(inner=("", {}), suffix=("", {"run.txt": run}), link=("", {}), __MACOSX=("", {}))
    (folder / "inner" / "a" / "b").mkdir(parents=True)
    (folder / "inner" / "a" / "b" / "run").write_text(run)
    (folder / "inner" / "__MACOSX").mkdir()
    elsewhere = tmp_path / "elsewhere"
    elsewhere.write_text(f"#!/bin/sh\nexec {POLL} $1\n")
    elsewhere.chmod(0o640)
    (folder / "link" / "run").symlink_to(elsewhere)
    ended = judge("echo", *QUICK, "--all", folder)
    rows = dict(re.findall(r"^(\w+) +(\d+)/20 ", ended.stdout, re.MULTILINE))
    assert rows == dict.fromkeys(("inner", "link", "suffix"), "20"), ended
    assert elsewhere.stat().st_mode & 0o777 == 0o640


def test_a_run_that_is_no_command_line_costs_nobody_else_a_point(classroom):
    folder = classroom(
        alice=("python3 'moi.py {port}", {}), bob=("a\0b {port}", {}), zoe=(f"{POLL} {{port}}", {})
    )
    ended = judge("echo", *QUICK, "--all", folder)
    rows = re.findall(r"^(\w+) +(\d+)/20 ", ended.stdout, re.MULTILINE)
    assert rows == [("alice", "0"), ("bob", "0"), ("zoe", "20")], ended


def test_a_folder_without_a_floor_a_file_without_an_end_and_one_that_is_locked_cost_nobody(
    classroom, tmp_path
):
    """The judge works in a copy. What of a folder cannot be copied is not in it."""
    run = f"{POLL} {{port}}"
    folder = classroom(deep=(run, {}), huge=(run, {}), locked=(run, {"mine": ""}), zoe=(run, {}))
    at = os.open(folder / "deep", os.O_RDONLY)
    for _ in range(1200):
        os.mkdir("d", dir_fd=at)
        below = os.open("d", os.O_RDONLY, dir_fd=at)
        os.close(at)
        at = below
    os.close(at)
    os.truncate(os.open(folder / "huge" / "disk", os.O_CREAT | os.O_RDWR), 1 << 36)
    (folder / "locked" / "mine").chmod(0)
    try:
        ended = judge("echo", *QUICK, "--all", folder, under=MODES_COUNT)
    finally:
        subprocess.run(["rm", "-rf", folder / "deep"], check=True)  # pytest could not
    rows = re.findall(r"^(\w+) +(\d+)/20 ", ended.stdout, re.MULTILINE)
    assert rows == [(name, "20") for name in ("deep", "huge", "locked", "zoe")], ended


def test_a_name_in_other_letters_is_a_row_like_any(classroom, tmp_path):
    """An archive made on a system that writes é as one byte; one that would colour the table; and one
    that a spreadsheet would reckon."""
    folder = classroom()
    folder.mkdir()
    for name in (b"\x82lise", b"\x1b[31m", b"=1+1"):
        (folder / os.fsdecode(name)).mkdir()
    files = {kind: tmp_path / f"out.{kind}" for kind in ("json", "csv", "html", "junit")}
    options = [word for kind, file in files.items() for word in (f"--{kind}", file)]
    ended = judge("echo", "--all", folder, *options)
    rows = re.findall(r"^(\S+) +0/20 ", ended.stdout, re.MULTILINE)
    assert rows == [r"\x1b[31m", "=1+1", r"\x82lise"]
    assert "\n'=1+1," in files["csv"].read_text()  # no formula
    assert "no command" in files["junit"].read_text()
    for file in files.values():
        assert r"\x82lise" in file.read_text().replace(r"\\", "\\"), file  # JSON doubles it


# ---- Hostile servers

BOMB = "import os\nwhile True: os.fork()"
FLOOD = "import os\nwhile True: os.write(1, bytes(65536))"
SLEEP = "import signal, time\nsignal.signal(signal.SIGTERM, signal.SIG_IGN)\ntime.sleep(1e6)"
NEVER = (
    "import socket, sys, time\nx = socket.create_server(('',"
    " int(sys.argv[1])), backlog=0)\ntime.sleep(1e6)"
)
# These serve, after what they have done.
SERVE = f"\nos.execv({RIGHT[0]!r}, [{RIGHT[0]!r}, sys.argv[1]])"
DAEMON = (
    "import os, sys\nif os.fork(): os._exit(0)\nos.setsid()\nif os.fork(): os._exit(0)" + SERVE
)
DELETE = "import os, sys, shutil\nshutil.rmtree(os.getcwd())" + SERVE
DELETE_ALL = "import os, sys, shutil\nshutil.rmtree(os.path.dirname(os.getcwd()))" + SERVE
# A child says things without end, while its parent serves.
LOUD = (
    "import os, sys\nif os.fork() == 0:\n    while True: os.write(1, b'du bruit\\n' * 7000)"
    + SERVE
)
# It kills its parent, and leaves a child in a session of its own.
KILL = (
    "import os, sys, time\nos.kill(os.getppid(), 9)\n"
    "if os.fork() == 0:\n    os.setsid()\n    time.sleep(1e6)"
    + SERVE
)


def threads(serve, backlog=100):
    """A server with a thread for each client: serve() is these lines, with `client`, a socket."""
    return f"""import socket, sys, threading, time
def serve(client):
    try:
{textwrap.indent(serve, " " * 8)}
    except OSError: pass
    client.close()
where = sys.argv[-1]
listener = socket.socket(socket.AF_INET if where.isdigit() else socket.AF_UNIX)
listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
listener.bind(("127.0.0.1", int(where)) if where.isdigit() else where)
listener.listen({backlog})
while True: threading.Thread(target=serve, args=[listener.accept()[0]], daemon=True).start()
"""


# They never stop talking: one as fast as it can, one a byte every 20 ms.
FILL = threads("while True: client.sendall(b'a' * 100000)")
DRIP = threads("while True: client.sendall(b'a'); time.sleep(0.02)")
HOSTILE = dict(
    bomb=BOMB,
    flood=FLOOD,
    loud=LOUD,
    sleep=SLEEP,
    never=NEVER,
    daemon=DAEMON,
    delete=DELETE,
    delete_all=DELETE_ALL,
    kill=KILL,
    fill=FILL,
    drip=DRIP,
)


# They say one thing, whatever they are asked; and then zeros, or no more.
UNREADABLE = {
    "no such date": ("commands", rb"2026-59-02T10:11:12+01:00\n", False),
    "no chunks": ("web", rb"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nbonjour\r\n", False),
    "no number": ("web", b"HTTP/1.1 200 OK\\r\\nContent-Length: \\xb2\\r\\n\\r\\nbonjour", False),
    "no floor": ("web", rb"HTTP/1.1 400 No\r\nContent-Length: 100000\r\n\r\n" + b"[" * 100000, False),
    "no end": ("web", rb"HTTP/1.1 302 Found\r\nContent-Length: 1000000000000\r\n\r\n", True),
}


@pytest.mark.parametrize("what", UNREADABLE)
def test_an_answer_that_cannot_be_read_costs_the_points_of_its_check(what):
    contract, head, more = UNREADABLE[what]
    program = threads(
        f'client.recv(4096)\nclient.sendall(b"{head.decode()}")\n'
        f"while {more}: client.sendall(bytes(1 << 20))"
    )
    memory = ["prlimit", "--as=1500000000"]
    words = [contract, *QUICK, "--patience", 1, "--", sys.executable, "-c", program]
    ended = judge(*words, "{port}", under=memory)
    assert (ended.returncode, ended.stderr) == (1, ""), ended.stderr
    assert re.search("score: [0-9] of 20", ended.stdout)


def test_the_memory_that_a_servers_processes_share_is_counted_once():
    """Sixty processes beside a server, and 60 MB that they all share."""
    proc()
    shares = "import os, signal, sys\nwords = os.urandom(60 << 20)\nfor _ in range(60):\n"
    shares += "    if os.fork() == 0: signal.pause()" + SERVE
    ended = judge("echo", *QUICK, "--", sys.executable, "-c", shares)
    assert ended.returncode == 0, ended.stdout


@pytest.mark.parametrize("contract, backlog", [("echo", 1), ("unix", 1), ("echo", 0)])
def test_a_short_backlog_is_no_fault(contract, backlog):
    answers = """client.sendall("Le serveur écoute.\\n".encode())
for line in client.makefile("rb"):
    client.sendall("le serveur répond : ".encode() + line)"""
    program = threads(answers, backlog)
    judged = verdict(contract, *QUICK, "--", sys.executable, "-c", program)
    assert "come-and-go" not in lost(judged) and "hundred" not in lost(judged), judged


def test_a_word_that_is_no_utf_8_is_no_reason_to_lose_the_verdict(tmp_path):
    files = [tmp_path / kind for kind in ("json", "junit")]
    options = ["--lang", "fr", "--json", files[0], "--junit", files[1]]
    words = [sys.executable, JUDGE, "datagram", *map(str, options), "--", *RIGHT, b"\xe9"]
    env = {**PLAIN, "PYTHONIOENCODING": "latin-1"}
    ended = subprocess.run(words, capture_output=True, env=env, timeout=PATIENCE)
    assert ended.stderr == b"" and b"n'a pas d" in ended.stdout
    assert json.loads(files[0].read_text())["score"] == 0
    xml.etree.ElementTree.parse(files[1])


def running(mark):
    """The processes whose command line or environment has `mark` in it."""
    found = []
    for process in proc().glob("[0-9]*"):
        for file in ("cmdline", "environ"):
            try:
                if mark.encode() in (process / file).read_bytes():
                    found.append(process.name)
            except OSError:
                pass  # it has ended, or is not ours
    return found


@pytest.mark.thorough
@pytest.mark.parametrize("isolated", [True, False], ids=["namespace", "no namespace"])
def test_a_class_of_hostile_servers_costs_each_its_own_points(classroom, isolated, tmp_path):
    proc()
    mark = f"HOSTILE={tmp_path}"
    students, words, options = dict(HOSTILE), [], list(QUICK)
    if isolated and namespace("--pid") is None:
        pytest.skip("no PID namespaces here")
    if not isolated:
        # Without one a bomb, and who kills its own keeper, would cost more than this test may.
        words = without_pid_namespaces()
        options += ["--patience", 1]
        del students["bomb"], students["never"], students["sleep"]
    folder = classroom(
        **{name: ("python3 moi.py {port}", {"moi.py": text}) for name, text in students.items()}
    )
    out = tmp_path / "out.json"
    ended = subprocess.run(
        [
            *words,
            sys.executable,
            JUDGE,
            "echo",
            *map(str, options),
            "--all",
            folder,
            "--json",
            out,
        ],
        capture_output=True,
        text=True,
        timeout=300,
        cwd=ROOT,
        env={**PLAIN, "HOSTILE": str(tmp_path)},
    )
    assert (ended.returncode, ended.stderr) == (1, "")
    rows = {row["student"]: row for row in json.loads(out.read_text())["students"]}
    assert {name for name, row in rows.items() if not row["started"]} - {"kill"} == {
        "bomb",
        "flood",
        "sleep",
    } & {*students}
    assert rows["daemon"]["score"] >= 18 and not rows["daemon"]["checks"][-1]["passed"]
    for name in ("delete", "delete_all"):
        assert rows[name]["score"] == 19, rows[name]["why"]  # it cannot start again
    assert rows["loud"]["score"] == 20
    if isolated:
        assert re.search("processes|memory", rows["bomb"]["why"])  # what it is caught at first
        assert rows["kill"]["score"] == 20  # its parent is the init of its namespace
        assert rows["never"]["score"] <= 2
        assert sum(check["seconds"] for check in rows["never"]["checks"]) < 60
    for name in ("fill", "drip"):
        assert rows[name]["score"] == 2, rows[name]["why"]  # it listens, and it ends
        assert max(check["seconds"] for check in rows[name]["checks"]) < 15
    assert (folder / "delete" / "moi.py").exists()
    eventually(lambda: not running(mark))


def test_ctrl_c_ends_it_without_a_traceback_and_leaves_nothing(tmp_path):
    process = judged_in_the_background(tmp_path, "--patience", 60)
    process.send_signal(signal.SIGINT)
    said, errors = process.communicate(timeout=PATIENCE)
    assert process.returncode == 130
    assert errors == "\ninterrupted\n" and "Traceback" not in said
    eventually(lambda: not running(f"MARK={tmp_path}"))


@pytest.mark.parametrize("how", [signal.SIGTERM, signal.SIGHUP, signal.SIGKILL])
def test_however_the_judge_ends_nothing_of_the_server_is_left(tmp_path, how):
    process = judged_in_the_background(tmp_path, "--patience", 60)
    process.send_signal(how)
    process.communicate(timeout=PATIENCE)
    assert process.returncode not in (0, 1)
    eventually(lambda: not running(f"MARK={tmp_path}"))


def without_pid_namespaces():
    """Words that run a command in a user namespace which may have no PID namespace below it."""
    kinds = ("--user", "--map-root-user", "--pid", "--fork", "--kill-child", "--mount-proc")
    words = 'echo 0 > /proc/sys/user/max_pid_namespaces && exec "$@"'
    return [*needs_namespace(*kinds), "sh", "-c", words, "sh"]


# Kills a judge whose server has written a file, and waits until nobody else is left. It is process
# 1: the orphans are its own.
KILLS = """
import os, pathlib, subprocess, sys, time
judge = subprocess.Popen(sys.argv[2:], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
while not pathlib.Path(sys.argv[1]).exists():
    time.sleep(0.05)
judge.kill()
while len(list(filter(str.isdigit, os.listdir("/proc")))) > 1:
    os.waitpid(-1, os.WNOHANG)
    time.sleep(0.05)
"""


def test_a_judge_that_is_killed_leaves_nothing_where_its_server_has_no_namespace(tmp_path):
    written = tmp_path / "written"
    serves = "import socket, sys\n"
    serves += "listener = socket.create_server(('127.0.0.1', int(sys.argv[1])))\n"
    serves += f"client = listener.accept()\nopen({str(written)!r}, 'w').close()\n"
    (tmp_path / "moi.py").write_text(serves + "while True: listener.accept()\n")
    words = [*without_pid_namespaces(), sys.executable, "-c", KILLS, written, sys.executable, JUDGE]
    words += ["echo", "--patience", "60", "--", sys.executable, tmp_path / "moi.py"]
    assert subprocess.run(words, cwd=ROOT, timeout=PATIENCE).returncode == 0


def judged_in_the_background(tmp_path, *words):
    """A judge that waits for an answer of a server that says nothing."""
    proc()
    (tmp_path / "moi.py").write_text(NEVER)
    process = subprocess.Popen(
        [
            sys.executable,
            JUDGE,
            "echo",
            *map(str, words),
            "--",
            sys.executable,
            tmp_path / "moi.py",
        ],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        cwd=ROOT,
        env={**PLAIN, "MARK": str(tmp_path)},
    )
    for line in process.stdout:
        if "accept" in line:
            break
    return process


def test_its_own_files_are_gone_at_the_end(tmp_path):
    judge(
        "commands",
        *QUICK,
        "--",
        binary("tcp/commands"),
        "-d",
        "{dir}",
        env={"TMPDIR": str(tmp_path)},
    )
    assert not list(tmp_path.iterdir())


# ---- Words


def test_bytes_are_shown_as_one_writes_them_in_a_program():
    import words

    shown = words.readable("é€ \\ \n\r\t\0\x1b\u2028".encode() + b"\xff\xc3")
    assert shown == r"é€ \\ \n\r\t\0\x1b\u2028\xff\xc3"
    assert words.shown(b"x" * 5000).endswith('" (5,000 bytes)')
    assert len(words.shown("é".encode() * 5000)) < 100


@pytest.mark.parametrize(
    "expected, received, at",
    [
        (b"abc", b"abd", "c"),
        (b"abc\n", b"abc", "\\n"),
        ("voilà é".encode(), "voilà è".encode(), "é"),
        (b"x" * 300 + b"A" + b"y" * 300, b"x" * 300 + b"B" + b"y" * 300, "A"),
        (b"un\ndeux", b"un\ntrois", "d"),
    ],
)
def test_the_mark_stands_below_the_first_difference(expected, received, at):
    import words

    above, below, column = words.difference(expected, received)
    assert above[column:].startswith(at)
    assert above[:column] == below[:column]


def test_french_has_its_narrow_spaces_and_the_wire_has_none_of_them():
    import words

    said = words.typography("Il dit : `le serveur répond : X` ; et « oui » !")
    assert said == "Il dit\u202f: `le serveur répond : X`\u202f; et «\u202foui\u202f»\u202f!"


def test_every_sentence_of_a_check_is_told_in_two_languages():
    for contract in CONTRACTS:
        for check in ladder(contract).checks:
            assert check.says.fr and check.says.en and check.says.fr != check.says.en, check.id
            assert re.fullmatch("[a-z]+(-[a-z]+)*", check.id)


# ---- The note


@pytest.mark.parametrize("note", ["notes/judge.md", "notes/fr/judge.md"])
def test_the_servers_in_the_note_are_those_that_are_judged_there(note):
    shown = re.findall(r"```python (\S+)\n(.*?)```", (ROOT / note).read_text(), re.DOTALL)
    assert [file for file, _ in shown] == [f"tests/judge/steps/{i}.py" for i in range(1, 6)]
    for file, piece in shown:
        assert piece in (ROOT / file).read_text(), file


def test_make_judge_is_the_same():
    server = shlex.quote(binary("echo/datagram"))
    for line in (f"{server} {{port}}", f"cd . && exec {server} {{port}}"):
        words = ["make", "-s", "judge", "AS=datagram", f"CMD={line}"]
        ended = subprocess.run(
            words, capture_output=True, text=True, cwd=ROOT, env=PLAIN, timeout=PATIENCE
        )
        assert (ended.returncode, ended.stdout.splitlines()[-1]) == (0, "score: 20 of 20")
