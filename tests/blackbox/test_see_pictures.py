"""The ladders of the notes are runs: each is played again, and what must not vary is as it is in the
picture. make see NOTES=1 draws them anew."""

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
