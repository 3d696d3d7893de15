"""The exercises: they are graded from the easy to the hard, and their tests speak French too, go on
after a failure, and say at the end how many promises are kept. (`make answers` proves each.)"""

import ast
import importlib.util
import os
import re
import shlex
import subprocess
import sys

import exercise_report
import harness
import pytest
import spoken
from harness import ROOT

pytestmark = pytest.mark.thorough

NOTES = [note for note in sorted(ROOT.glob("notes/*.md")) if "## Exercises" in note.read_text()]
TESTS = [file for file in ROOT.glob("tests/exercises/*.py") if file.stem != "conftest"]
NO_LANGUAGE = {name: value for name, value in os.environ.items() if not re.match("LC_|LANG", name)}


def stars(note):
    """How many each exercise of a note has: [1, 1, 2, 3]."""
    exercises = re.split(r"\n## (?:Exercises|Exercices)\n", note.read_text())[-1]
    return [len(item) for item in re.findall(r"(?m)^\d+\. (★*)", exercises)]


@pytest.mark.parametrize("note", NOTES, ids=lambda note: note.stem)
def test_the_exercises_of_a_note_go_from_the_easy_to_the_hard(note):
    ours = stars(note)
    assert ours == sorted(ours) and set(ours) <= {1, 2, 3} and ours
    assert stars(note.parent / "fr" / note.name) == ours


def test_every_promise_and_every_exercise_is_said_in_french():
    known = spoken.in_french()
    assert len(TESTS) > 40
    for file in TESTS:
        wanted = re.findall(r"(?m)^def test_(\w+)", file.read_text()) + [f"exercise {file.stem}"]
        missing = [name for name in wanted if not known.get(name)]
        assert not missing, f"tests/exercises/french has no {missing} of {file.name}"


def in_words(node):
    """Whether an expression is a text with words of its own, not handed to say()."""
    parts = node.values if isinstance(node, ast.JoinedStr) else [node]
    texts = [part.value for part in parts if isinstance(part, ast.Constant)]
    return any(isinstance(text, str) and re.search("[a-z]{2}", text) for text in texts)


def told(node):
    """What a statement or a call of a test tells the reader when it fails: expressions."""
    if isinstance(node, ast.Assert) and node.msg:
        return [node.msg]
    if isinstance(node, ast.Call):
        name = getattr(node.func, "attr", getattr(node.func, "id", ""))
        return node.args[:1] if name in ("fail", "fails", "AssertionError") else []
    return []


@pytest.mark.parametrize("file", ROOT.glob("tests/exercises/*.py"), ids=lambda file: file.stem)
def test_what_a_failure_tells_is_said_in_french_too(file):
    nodes = ast.walk(ast.parse(file.read_text()))
    assert not [text.lineno for node in nodes for text in told(node) if in_words(text)]


THREE_TESTS = """
import pytest

def test_it_greets_as_the_others_do():
    assert [1] == [2]

def test_the_product():
    pass

@pytest.fixture
def broken():
    yield
    pytest.fail("it did not end")

def test_the_last_bytes(broken):
    pytest.fail("why")
"""


@pytest.mark.parametrize(
    "language, lines",
    [
        ("en", ["  NO    it greets as the others do", "  ok    the product",
                "  NO    the last bytes", "          why", "1 of 3"]),
        ("fr", ["  NON   il accueille ses clients comme le font les autres serveurs",
                "  ok    le produit", "  NON   les derniers octets", "          why", "1 sur 3"]),
    ],
)  # fmt: skip
def test_a_report_goes_on_after_a_failure_and_counts(tmp_path, language, lines):
    (tmp_path / "test_three.py").write_text(THREE_TESTS)
    run = (
        "import sys, spoken; spoken.language = sys.argv[1]\n"
        "from exercise_report import Report\n"
        "report = Report(sys.stdout)\n"
        "report.run(['-p', 'no:cacheprovider', sys.argv[2]])\n"
        "print(report.total())"
    )
    ended = subprocess.run(
        [sys.executable, "-c", run, language, str(tmp_path)],
        capture_output=True, text=True, timeout=60, cwd=tmp_path,
        env=dict(os.environ, PYTHONPATH=os.path.dirname(exercise_report.__file__)),
    )  # fmt: skip
    said = ended.stdout.splitlines()
    assert [line for line in lines if line in said] == lines
    assert said[1].startswith("          assert [1] == [2]")
    assert "it did not end" not in ended.stdout  # of a test that has failed once is enough


NAIVE_CLIENT = """
import socket, sys
server = socket.socket()
if server.connect_ex((sys.argv[1], int(sys.argv[2]))):
    sys.exit()
print(server.recv(100).decode(), end="", flush=True)
for line in sys.stdin:
    server.sendall(line.encode())
server.recv(1)
"""


REFUSED = "import sys; sys.exit('echo/client: connect: Connection refused')"


def reported(tmp_path, solution, exercise, tests):
    """What a reader of French is told of a solution in Python, by the exercise's tests that `tests`
    chooses."""
    program = tmp_path / "solution"
    program.write_text('#!/bin/sh\nexec "$PYTHON" -S "$0.py" "$@"\n')
    program.chmod(0o755)
    (tmp_path / "solution.py").write_text(solution)
    run = (
        "import sys, harness, spoken; spoken.language = 'fr'\n"
        "harness.binary = lambda program: sys.argv[1]\n"
        "from exercise_report import Report\n"
        "options = ['-p', 'no:cacheprovider', f'tests/exercises/{sys.argv[2]}.py']\n"
        "Report(sys.stdout).run([*options, '-k', sys.argv[3]])\n"
    )
    environment = {"PATIENCE": "4", "PYTHON": sys.executable,
                   "PYTHONPATH": os.path.dirname(exercise_report.__file__)}  # fmt: skip
    ended = subprocess.run(
        [sys.executable, "-c", run, str(program), exercise, tests],
        capture_output=True, text=True, timeout=60, cwd=ROOT, env=os.environ | environment,
    )  # fmt: skip
    return ended.stdout.replace("\u202f", " ")


@pytest.mark.parametrize(
    "client, tests, wrong",
    [
        (NAIVE_CLIENT, "next_line or half_close or nobody",
         ["a envoyé 'deux\\n' avant d'avoir reçu la réponse à 'un\\n'",
          "n'envoie pas la fin (demi-fermeture), et attend",
          "code de retour 0, et sur la sortie d'erreur : ''"]),
        (REFUSED, "greeting",  # who forgets htons
         ["ne se connecte pas", "echo/client: connect: Connection refused"]),
    ],
    ids=["naive", "refused"],
)  # fmt: skip
def test_who_writes_the_client_is_told_in_words_what_it_does_wrong(tmp_path, client, tests, wrong):
    """No TimeoutError, no assertion of two tuples: the reader has a week of sockets, and none of
    pytest."""
    said = reported(tmp_path, client, "client", tests)
    assert all(words in said for words in wrong), said
    assert not re.search("Error|assert|-v", said), said


# The server of gaps, with `highest = client.get()` for the third: right until a client has left.
LAST_FOR_HIGHEST = """
import select, socket, sys
listener = socket.create_server(("127.0.0.1", 0))
say = lambda text: print(text, file=sys.stderr, flush=True)
say("listening on 127.0.0.1:%d" % listener.getsockname()[1])
clients = []
while True:
    highest = [listener, *clients][-1].fileno()
    watched = [one for one in (listener, *clients) if one.fileno() <= highest]
    ready = select.select(watched, [], [])[0]
    for client in [one for one in clients if one in ready]:
        try:
            received = client.recv(16384)
        except ConnectionResetError:
            received = b""
        if received:
            client.sendall(received)
        else:
            clients.remove(client)
            client.close()
    if listener in ready:
        say("a client is at the door")
        clients.append(listener.accept()[0])
        say("and comes in")
"""


def test_a_highest_descriptor_that_is_the_last_is_noticed_and_all_else_of_it_is_right(tmp_path):
    said = reported(tmp_path, LAST_FOR_HIGHEST, "gaps", "gap")
    assert re.findall("(?m)^  (ok|NON) +trou (.)", said) == [
        ("ok", "1"), ("ok", "2"), ("NON", "3"), ("ok", "4"), ("ok", "5")
    ], said  # fmt: skip
    assert "voyez `highest`" in said, said


def test_who_waits_for_ever_is_told_so_in_words(tmp_path):
    (tmp_path / "test_waits.py").write_text(
        "import subprocess\n"
        "def test_a(): raise TimeoutError('timed out')\n"
        "def test_b(): raise subprocess.TimeoutExpired(['build/a'], 5)\n"
        "def test_c(): assert (0, 1) == (1, 1)\n"
    )
    run = (
        "import sys, spoken; spoken.language = sys.argv[1]\n"
        "from exercise_report import Report\n"
        "Report(sys.stdout).run(['-p', 'no:cacheprovider', sys.argv[2]])\n"
    )
    for language, late in (("en", "nothing more came"), ("fr", "rien de plus n'est arrivé")):
        ended = subprocess.run(
            [sys.executable, "-c", run, language, str(tmp_path)],
            capture_output=True, text=True, timeout=60, cwd=tmp_path,
            env=dict(os.environ, PYTHONPATH=os.path.dirname(exercise_report.__file__)),
        )  # fmt: skip
        assert ended.stdout.count(late) == 2 and "Timeout" not in ended.stdout, ended.stdout
        assert "-v" not in ended.stdout and "(test_waits.py:4)" in ended.stdout, ended.stdout


@pytest.mark.parametrize(
    "language, words", [("en", ["expected", "received"]), ("fr", ["attendu", "reçu"])]
)
def test_what_was_expected_is_shown_above_what_came(monkeypatch, language, words):
    monkeypatch.setattr(spoken, "language", language)
    with pytest.raises(pytest.fail.Exception) as failed:
        spoken.expect("deux", "un ; deux")
    said = [line.split(maxsplit=1) for line in str(failed.value).splitlines()]
    assert said == [[words[0], "'un ; deux'"], [words[1], "'deux'"]]


def conftest_of_the_exercises():
    place = ROOT / "tests/exercises/conftest.py"
    spec = importlib.util.spec_from_file_location("conftest_of_the_exercises", place)
    conftest = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(conftest)
    return conftest


def test_bytes_are_shown_as_text_where_they_are_text():
    conftest = conftest_of_the_exercises()
    assert conftest.shown("été\n") == conftest.shown("été\n".encode()) == "'été\\n'"
    assert conftest.shown(b"t\xc3") == conftest.shown(bytearray(b"t\xc3")) == r"b't\xc3'"


def exercise(*words, **environment):
    return subprocess.run(
        [sys.executable, "tests/exercise.py", *words], capture_output=True, text=True,
        timeout=60, cwd=ROOT, env=NO_LANGUAGE | environment,
    )  # fmt: skip


@pytest.mark.parametrize(
    "words, environment, last",
    [
        ([], {}, "octets: 0 of 1, not yet; exercise 2 of notes/start.md says what is wanted"),
        ([], {"LANG": "fr_FR.UTF-8"},
         "octets : 0 sur 1, pas encore ; l'énoncé est l'exercice 2 de notes/fr/start.md"),
        ([], {"LANG": "en_US", "LC_ALL": "fr"},
         "octets : 0 sur 1, pas encore ; l'énoncé est l'exercice 2 de notes/fr/start.md"),
        (["--lang", "fr"], {"ANSWER": "3"}, "octets : 1 sur 1, réussi"),
        (["--lang", "en"], {"ANSWER": "3", "LANG": "fr"}, "octets: 1 of 1, done"),
    ],
)  # fmt: skip
def test_an_exercise_speaks_the_language_of_its_reader(words, environment, last):
    ended = exercise(*words, "octets", **environment)
    assert ended.stdout.splitlines()[-1].replace("\u202f", " ") == last
    assert ended.returncode == (0 if "ANSWER" in environment else 1)


def test_the_make_below_make_is_told_of_no_jobserver_which_it_cannot_share(monkeypatch):
    """Or it complains of that before the report; what else the student has said to make stays."""
    monkeypatch.syspath_prepend(str(ROOT / "tests"))
    runner = importlib.import_module("exercise")
    said = []

    def run(words, env, **options):
        said.append(env["MAKEFLAGS"])
        return subprocess.CompletedProcess(words, 0)

    monkeypatch.setattr(runner.subprocess, "run", run)
    monkeypatch.setenv("MAKEFLAGS", " -j2 --jobserver-auth=3,4 -- CXX=clang++")
    assert runner.is_built("shout")
    assert said == [" -j2 -- CXX=clang++"]


def test_a_program_that_is_not_there_yet_is_said_with_where_to_start():
    if (ROOT / "tcp/frames.cpp").exists():
        pytest.skip("it is there: somebody does the exercise")
    ended = exercise("frames", LANG="fr")
    assert "cp tcp/server.cpp tcp/frames.cpp" in ended.stdout and "n'existe pas" in ended.stdout
    assert ended.returncode == 1


def test_a_name_that_is_none_is_said_last_where_it_is_seen_with_the_nearest():
    """The list is longer than a screen: what stands above it is gone."""
    ended = exercise("prot", LANG="fr")
    last = ended.stdout.splitlines()[-1].replace("\u202f", " ")
    assert last == "Il n'y a pas d'exercice appelé prot. Le plus proche : port"
    assert exercise("zzzz").stdout.splitlines()[-1] == "There is no exercise called zzzz."


@pytest.mark.parametrize("name", ["port", "octets", "ctrl_c"])
def test_who_gives_no_answer_is_shown_the_whole_command(name):
    assert f"make exercise NAME={name} ANSWER=" in exercise(name).stdout


@pytest.mark.parametrize("error", [FileNotFoundError, PermissionError])
def test_a_server_that_has_ended_by_itself_is_said_to_have(monkeypatch, error):
    """What is left of it in /proc belongs to root: its own user is not let in (an unfilled gap)."""

    def gone(self):
        raise error

    monkeypatch.setattr(harness.Program, "descriptors", gone)
    kind = conftest_of_the_exercises().Student
    student = kind.__new__(kind)  # none is started
    student.log = ["echo/gaps: select: Function not implemented"]
    with pytest.raises(pytest.fail.Exception, match="select: Function not implemented"):
        student.descriptors()


def test_a_reader_who_has_seen_enough_is_no_error():
    words = f"{shlex.quote(sys.executable)} tests/exercise.py | head -n 1"
    ended = subprocess.run(
        ["bash", "-c", words], capture_output=True, text=True, timeout=60, cwd=ROOT, env=NO_LANGUAGE
    )
    assert (ended.stdout.count("\n"), ended.stderr) == (1, "")


def test_the_list_has_every_exercise_once():
    ended = exercise()
    listed = re.findall(r"(?m)^notes/\S+ +\d+ ★+ +(\w+)", ended.stdout)
    assert sorted(listed) == sorted(file.stem for file in TESTS)
    assert listed[0] == "port"
