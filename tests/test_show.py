import dataclasses

import pytest
import torch

import fer_xai
from fer_xai.errors import InputError
from fer_xai.types import Explanation


@pytest.fixture
def explanation():
    maps = torch.rand(4, 16, 16)
    maps[1], maps[2, 0, 0] = 0, torch.nan
    return Explanation(
        maps=maps,
        targets=torch.tensor([0, 1, 2, 5]),
        logits=torch.tensor([[3.0, 0, 0, 0, 0, 0]]).repeat(4, 1),
        emotions=("happiness", "surprise", "sadness", "anger", "disgust", "fear"),
        method="gradcam",
        params={"layer": "relu5"},
    )


def panels(figure):
    return figure.axes[1::2]


def test_titles_say_what_is_explained_and_what_is_predicted(explanation):
    figure = fer_xai.show(torch.rand(4, 3, 16, 16), explanation)
    assert figure.get_suptitle() == "gradcam, layer relu5"
    titles = [part.get_suptitle() for part in figure.subfigs]
    assert titles[0] == "happiness 80%\nas predicted"
    assert titles[1] == "surprise 4%\npredicted happiness 80%"
    against = dataclasses.replace(explanation, against=torch.tensor([1, 0, 0, 0]))
    figure = fer_xai.show(torch.rand(4, 3, 16, 16), against)
    assert figure.subfigs[0].get_suptitle().startswith("happiness against surprise 80%")


def test_blank_and_undefined_maps_say_so(explanation):
    shown = panels(fer_xai.show(torch.rand(4, 3, 16, 16), explanation))
    said = [[text.get_text() for text in axes.texts] for axes in shown]
    assert said == [[], ["blank map"], ["undefined map"], []]


@pytest.mark.parametrize(("sign", "palette"), [(1, "magma"), (-1, "RdBu_r")])
def test_signed_maps_are_centred_on_zero(explanation, sign, palette):
    turned = dataclasses.replace(explanation, maps=sign * explanation.maps)
    drawn = panels(fer_xai.show(torch.rand(4, 3, 16, 16), turned))[0].images[0]
    low, high = drawn.get_clim()
    assert drawn.get_cmap().name == palette
    assert high == pytest.approx(float(explanation.maps[0].max()))
    assert low == pytest.approx(0 if sign > 0 else -high)


def test_more_faces_than_asked_for_are_counted(explanation):
    figure = fer_xai.show(torch.rand(4, 3, 16, 16), explanation, most=3, columns=2)
    assert len(figure.axes) == 6
    assert figure.get_suptitle().endswith("(the first 3 of 4 faces)")


def test_faces_that_were_not_explained_are_refused(explanation, faces):
    with pytest.raises(InputError, match="Expected as many faces as maps, got 3 faces and 4 maps"):
        fer_xai.show(torch.rand(3, 3, 16, 16), explanation)
    named = dataclasses.replace(explanation, ids=tuple(faces.ids[1:5]))
    with pytest.raises(InputError, match="Expected the faces that were explained"):
        fer_xai.show(faces.subset([0, 1, 2, 3]), named)
