"""What names say of emotions, and which names leave their folder."""

from fer_xai.data.file_names import name_fault, spoken_emotion


def test_only_plain_words_speak():
    spoken = ["a_happy.jpg", "HAPPINESS.png", "x-angry-12.png", "1_contempt.bmp"]
    assert [spoken_emotion(name) for name in spoken] == [
        "happiness",
        "happiness",
        "anger",
        "contempt",
    ]
    silent = [
        "Joy_0001.jpg",
        "normal.png",
        "test_0001_aligned.jpg",
        "unhappy.png",
        "sad_x.png",
        "an.png",
        "001.png",
        "happy_and_glorious.png",
        "",
    ]
    assert [spoken_emotion(name) for name in silent] == [None] * len(silent)


def test_a_name_inside_its_folder_has_no_fault():
    assert name_fault("a/b/c d.png") is None
