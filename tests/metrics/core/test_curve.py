from fer_xai.inference.predictor import Predictor
from metrics.faithfulness.deletion import deletion
from tests.helpers import TARGETS


def test_the_error_shrinks_with_steps(model, three, maps):
    errors = [
        deletion(Predictor(model, device="cpu"), three, maps, TARGETS, steps=steps).error.mean()
        for steps in (4, 64)
    ]
    assert errors[1] < errors[0]
    assert deletion(model, three, maps, TARGETS, steps=3).error.isnan().all()
