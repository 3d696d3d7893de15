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

SVG = "{http://www.w3.org/2000/svg}"
LANGUAGES = ("en", "fr")


def read(file):
    return xml.etree.ElementTree.parse(file).getroot()


def essence(file):
    return json.loads(read(file).find(SVG + "metadata").text)


@pytest.mark.parametrize("name", pictures.ALL)
def test_it_is_still_so(name, tmp_path):
    peer("strace")
    for word in pictures.ALL[name].words:
        if word.startswith("build/faults/"):
            faulty(word.removeprefix("build/faults/"))
    ended = see("--notes", name, "--into", tmp_path)
    assert (ended.returncode, ended.stderr) == (0, "")
    for language in LANGUAGES:
        drawn = pictures.file(name, language)
        assert essence(pictures.file(name, language, tmp_path)) == essence(drawn)


@pytest.mark.parametrize("name", pictures.ALL)
@pytest.mark.parametrize("language", LANGUAGES)
def test_it_has_words_and_both_schemes_and_is_small(name, language):
    file = pictures.file(name, language)
    assert file.stat().st_size < 100_000
    root = read(file)
    title = pictures.ALL[name].title
    assert root.find(SVG + "title").text == (title.en if language == "en" else title.fr)
    assert len(root.find(SVG + "desc").text.splitlines()) > 10
    assert "prefers-color-scheme:dark" in root.find(SVG + "style").text


def test_each_stands_in_a_note_of_each_language_with_its_words():
    names = {file.name for file in pictures.PICTURES.iterdir()}
    assert names == {
        pictures.file(name, one).name for name in pictures.ALL for one in LANGUAGES
    }
    for language, notes in (("en", "notes/*.md"), ("fr", "notes/fr/*.md")):
        shown = {}
        for note in ROOT.glob(notes):
            for words, file in re.findall(
                r"!\[([^\]]*)\]\(\S*pictures/see/(\S+)\)", note.read_text()
            ):
                shown[file] = words
        assert set(shown) == {pictures.file(name, language).name for name in pictures.ALL}
        assert all(len(words) > 60 for words in shown.values()), shown
