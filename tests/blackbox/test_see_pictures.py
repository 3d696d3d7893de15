"""The ladders of the notes are runs: each is played again, and what must not vary is as it is in
the picture. make see NOTES=1 draws them anew."""

import json
import re
import xml.etree.ElementTree

import pytest
from harness import ROOT
from seeing import faulty, see
from wants import peer

import pictures
import words

SVG = "{http://www.w3.org/2000/svg}"
NOTES = {"en": ROOT / "notes", "fr": ROOT / "notes/fr"}
of_each_language = pytest.mark.parametrize("language", NOTES)


def read(file):
    return xml.etree.ElementTree.parse(file).getroot()


def essence(file):
    """What must not vary, as it stands in a picture: see pictures.py."""
    return json.loads(read(file).find(SVG + "metadata").text)


@pytest.mark.thorough
@pytest.mark.parametrize("name", pictures.ALL)
def test_it_is_still_so(name, tmp_path):
    peer("strace")
    for word in pictures.ALL[name].words:
        if word.startswith("build/faults/"):
            faulty(word.removeprefix("build/faults/"))
    ended = see("--notes", name, "--into", tmp_path)
    assert (ended.returncode, ended.stderr) == (0, "")
    for language in NOTES:
        drawn = pictures.file(name, language)
        assert essence(pictures.file(name, language, tmp_path)) == essence(drawn)


@pytest.mark.parametrize("name", pictures.ALL)
def test_each_end_says_to_the_other_what_it_says_in_the_text_of_the_picture(name):
    """Both languages are of one run, and the essence is that run's."""
    english, french = (essence(pictures.file(name, language)) for language in NOTES)
    assert english == french
    heads = read(pictures.file(name, "en")).findall(f"{SVG}text[@class='head']")
    assert len(heads) == english["columns"] > 1
    assert any(what.startswith("→ bytes") for end in english["ends"].values() for what in end)


@pytest.mark.parametrize("name", pictures.ALL)
@of_each_language
def test_it_has_words_and_both_schemes_and_is_small(name, language, monkeypatch):
    file = pictures.file(name, language)
    assert file.stat().st_size < 100_000
    root = read(file)
    monkeypatch.setattr(words, "language", language)
    assert root.find(SVG + "title").text == str(pictures.ALL[name].title)
    assert len(root.find(SVG + "desc").text.splitlines()) > 10
    assert "prefers-color-scheme:dark" in root.find(SVG + "style").text
    assert root.find(".//" + SVG + "script") is None


@of_each_language
def test_each_stands_in_a_note_with_its_words(language):
    wanted = {pictures.file(name, language).name for name in pictures.ALL}
    shown = {}
    for note in NOTES[language].glob("*.md"):
        for told, file in re.findall(
            r"!\[([^\]]*)\]\(\S*pictures/see/(\S+)\)", note.read_text()
        ):
            shown[file] = told
    assert set(shown) == wanted
    assert all(len(told) > 60 for told in shown.values()), shown


def test_there_is_no_other():
    files = {file.name for file in pictures.PICTURES.iterdir()}
    assert files == {
        pictures.file(name, language).name for name in pictures.ALL for language in NOTES
    }


# What the notes tell their reader to look at: it is to be there when they are drawn anew.
SPOKEN_OF = {
    "one-line": ["accept = 4", "recv = 0 end"],
    "pieces": ['"jour\\nsal"'],
    "two-poll": ["= 3 IN", "= 7 IN", "= 6 IN"],
    "fork": ["fork copies 3, 4", "close(4)", "close(3)"],
    "half-close": ["shutdown(4, WR)", "= 49"],
    "server-ends": ["FIN-WAIT-1", "TIME-WAIT", "CLOSE-WAIT"],
    "does-not-read": ["a part", "poll({3, 6 OUT})"],
    "room": ["never read", "a part", "close(7)"],
    "descriptor": ["+ fd 8 → 4"],
    "fault-line": ["recv(4, 64) = 3"],
    "fault-order": ['"\\x07\\0\\0\\0"'],
    "fault-send": ["a part", "EAGAIN"],
    "fault-set": ["never read", "select({4})"],
    "fault-end": ["FIN-WAIT-2", "0 end"],
}


@pytest.mark.parametrize("name", SPOKEN_OF)
def test_what_the_note_speaks_of_is_in_it(name):
    told = read(pictures.file(name, "en")).find(SVG + "desc").text
    missing = [words for words in SPOKEN_OF[name] if words not in told]
    assert not missing, told
