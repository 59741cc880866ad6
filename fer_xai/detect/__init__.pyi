from .boxes import DETECTORS as DETECTORS
from .boxes import faces as faces
from .comparison import comparison_table as comparison_table
from .comparison import point_errors as point_errors
from .locating import locate as locate
from .locating import with_points as with_points
from .provider import PROVIDERS as PROVIDERS
from .provider import Landmarks as Landmarks
