"""Which warnings end a test: those of our own packages, and those of numbers."""

import warnings

import pytest


@pytest.mark.parametrize("module", ["fer_xai.types", "metrics", "studies.run", __name__])
@pytest.mark.parametrize("kind", [UserWarning, DeprecationWarning, FutureWarning])
def test_warnings_of_our_own_are_errors(module, kind):
    with pytest.raises(kind, match="ours"):
        warnings.warn_explicit("ours", kind, "a_file.py", 1, module=module)


def test_warnings_that_a_library_attributes_to_our_code_are_errors():
    with pytest.raises(DeprecationWarning, match="ours"):
        warnings.warn("ours", DeprecationWarning, stacklevel=1)


def test_warnings_of_numbers_are_errors_wherever_they_come_from():
    with pytest.raises(RuntimeWarning, match="Mean of nothing"):
        warnings.warn_explicit("Mean of nothing", RuntimeWarning, "f.py", 1, module="numpy.lib")


@pytest.mark.parametrize("kind", [DeprecationWarning, FutureWarning, UserWarning])
def test_deprecations_inside_a_library_are_none(kind):
    with warnings.catch_warnings(record=True) as shown:
        warnings.warn_explicit("theirs", kind, "f.py", 1, module="torch.fx.experimental")
    assert len(shown) == 1
