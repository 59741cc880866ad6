from . import detect as detect
from . import perturb as perturb
from .attributions import explain as explain
from .data import load_dataset as load_dataset
from .describe import describe as describe
from .inference.predictor import Predictor as Predictor
from .models import CONVENTIONS as CONVENTIONS
from .models import FERModel as FERModel
from .models import load_model as load_model
from .show import show as show
from .types import Explanation as Explanation
from .types import Faces as Faces
from .wiring.finding import Finding as Finding
from .wiring.preflight import Preflight as Preflight
from .wiring.preflight import preflight as preflight

__version__: str
