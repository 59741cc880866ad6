import numpy as np
import pytest
import torch

from fer_xai.emotions import EMOTIONS, SIX
from fer_xai.errors import InputError
from fer_xai.landmarks import (
    CODEBOOKS,
    EDITIONS,
    EMFACS,
    UNITS,
    au_maps,
    emotion_areas,
    load_codebook,
    units_without_map,
)
from tests.landmarks.faces import FACE


@pytest.mark.parametrize("name", CODEBOOKS)
def test_codebooks_name_emotions_and_units(name):
    book = CODEBOOKS[name]
    assert set(SIX) <= set(book) <= set(EMOTIONS)
    assert all(unit in UNITS for units in book.values() for unit in units)
    assert all(len(set(units)) == len(units) for units in book.values())


@pytest.mark.parametrize("edition", EDITIONS)
@pytest.mark.parametrize("codebook", CODEBOOKS)
def test_areas_are_unions_of_units(codebook, edition):
    maps = au_maps(FACE / 2, size=32, edition=edition)
    areas = emotion_areas(FACE / 2, size=32, codebook=codebook, edition=edition)
    missing = units_without_map(codebook, edition=edition)
    for column, emotion in enumerate(SIX):
        units = [u for u in CODEBOOKS[codebook][emotion] if u not in missing.get(emotion, ())]
        expected = torch.stack([maps[unit] for unit in units]).any(dim=0)
        assert (areas[:, column] == expected).all()


def test_emotions_come_in_the_order_asked_for_and_many_faces_are_one_by_one():
    faces = np.concatenate([FACE + shift for shift in np.linspace(-4, 4, 300, dtype=np.float32)])
    faces[7, 0] = np.nan
    faces = faces / 2
    areas = emotion_areas(faces, size=32, emotions=["Fear", "joy"])
    one = emotion_areas(faces[290:291], size=32)
    assert (areas[290] == one[0][[5, 0]]).all()
    assert not areas[7].any()


def test_what_two_emotions_share_is_left_out_of_both():
    plain = emotion_areas(FACE, size=64)[0]
    apart = emotion_areas(FACE, size=64, without_shared=True)[0]
    fear, surprise = SIX.index("fear"), SIX.index("surprise")
    assert not apart[surprise].any()  # its units are all fear's
    assert (apart[fear] == (plain[fear] & ~plain[surprise])).all()
    assert apart[fear].any()
    for emotion in range(4):
        if emotion != surprise:
            assert (apart[emotion] == plain[emotion]).all()
    anger, disgust = (SIX.index(name) for name in ("anger", "disgust"))
    chosen = emotion_areas(FACE, size=64, without_shared=("anger", "disgust"))[0]
    assert not (chosen[anger] & chosen[disgust]).any()
    assert chosen[anger].any()
    assert chosen[disgust].any()
    assert (chosen[fear] == plain[fear]).all()


def test_ones_own_codebook(tmp_path):
    path = tmp_path / "book.toml"
    path.write_text('Happy = [6, "12"]\nfear = ["AU01", "5B", "R20"]  # by hand\n')
    book = load_codebook(path)
    assert book == {"happiness": ("AU6", "AU12"), "fear": ("AU1", "AU5", "AU20")}
    areas = emotion_areas(FACE / 2, size=32, emotions=["happiness"], codebook=path)
    assert (areas == emotion_areas(FACE / 2, size=32, emotions=["happiness"])).all()
    assert (areas == emotion_areas(FACE / 2, size=32, emotions=["happiness"], codebook=book)).all()


BROKEN = {
    "joyy = [6]": "Expected an emotion .* got 'joyy': did you mean joy. .*book.toml, 'joyy'",
    "happiness = [6, 99]": "Expected an action unit with a map .AU1, .* got '99' .*'happiness'",
    "happiness = [6, true]": "Expected an action unit with a map .* got 'True'",
    "happiness = [6.5]": "Expected an action unit with a map .* got '6.5'",
    "happiness = []": "Expected a list of action units such as .6, 12. for 'happiness' in .* got",
    "happiness = 12": "Expected a list of action units .* got '12'",
    'happiness = "6+12"': "Expected a list of action units .* got '6.12'",
    "happy = [6]\njoy = [12]": "Expected one list an emotion in .* got two for happiness: join",
    "": "Expected a list of action units an emotion in .*, such as happiness = .* got none",
    "happiness = [6": "Expected a codebook in TOML with lines such as .* cannot be read .Unclosed",
    "[emotions]\nfear = [1]": "Expected an emotion .* got 'emotions'",
}


@pytest.mark.parametrize("text", BROKEN)
def test_a_broken_codebook_gets_one_sentence(tmp_path, text):
    path = tmp_path / "book.toml"
    path.write_text(text)
    with pytest.raises(InputError, match=BROKEN[text]):
        load_codebook(path)


def test_a_codebook_that_cannot_be_read_gets_one_sentence(tmp_path):
    with pytest.raises(InputError, match=r"none.toml cannot be read \(No such file"):
        load_codebook(tmp_path / "none.toml")
    with pytest.raises(InputError, match=r"cannot be read \(Is a directory"):
        load_codebook(tmp_path)
    (tmp_path / "binary.toml").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(InputError, match="binary.toml cannot be read .*codec"):
        load_codebook(tmp_path / "binary.toml")


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"emotions": ["neutral"]}, "emfacs has no line for neutral: pass emotions="),
        ({"emotions": []}, "emotions that the codebook has action units for .* got none"),
        ({"emotions": ["fear", "Fe"]}, "Expected different emotions .* got fear, fear"),
        ({"emotions": ["rage"]}, "Expected an emotion"),
        ({"codebook": "facs"}, "Expected a codebook .emfacs, belharbi, belharbi_code, or a file"),
        ({"codebook": {"fear": ["AU1"]}}, "no line for happiness, surprise, sadness, "),
        ({"codebook": 3}, "Expected a codebook"),
        ({"edition": "facs"}, "Expected an edition of action units"),
        ({"without_shared": "fear"}, "Expected two emotions in without_shared, such as"),
        ({"without_shared": ("fear", "fear")}, "Expected two different emotions in without_sh"),
        ({"without_shared": ("fear", "neutral")}, "without_shared, both of happiness, .* neutral"),
        ({"emotions": ["anger"], "without_shared": True}, "both of anger, got fear, surprise"),
    ],
)
def test_what_cannot_be_answered_gets_one_sentence(options, sentence):
    with pytest.raises(InputError, match=sentence):
        emotion_areas(FACE / 2, size=32, **options)


def test_units_that_an_edition_lacks_are_named():
    assert units_without_map("belharbi", edition="pyfeat")["surprise"] == ("AU27",)
    assert units_without_map("belharbi", edition="belharbi") == {}
    with pytest.raises(InputError, match="some unit of anger in edition pyfeat, but it has none"):
        emotion_areas(
            FACE / 2, size=32, emotions=["anger"], codebook={"anger": ["AU23"]}, edition="pyfeat"
        )
    assert EMFACS["contempt"] == ("AU12", "AU14")


def test_a_codebook_of_two_emotions_says_how_to_go_on(tmp_path):
    path = tmp_path / "cb2.toml"
    path.write_text("happiness = [6, 12]\nfear = [1, 2]\n")
    sentence = (
        r"cb2.toml has no line for surprise, sadness, anger, disgust: add them, or pass "
        r"emotions=\('happiness', 'fear'\)."
    )
    with pytest.raises(InputError, match=sentence):
        emotion_areas(FACE, size=64, codebook=path)
    assert emotion_areas(FACE, size=64, codebook=path, emotions=("happiness", "fear")).any()
