from .questions.audit.api import Audit as Audit
from .questions.audit.api import audit as audit
