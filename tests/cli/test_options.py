import pytest

from kpbench.cli.options import images_asked
from kpbench.errors import UsageError


@pytest.mark.parametrize(
    ("word", "images"),
    [
        ("2600000", 2_600_000), ("2.6M", 2_600_000), ("0.1546M", 154_600), ("93k", 93_000), ("1e6", 1_000_000),
        ("0.2", 1), (None, None),
    ],
)  # fmt: skip
def test_images_are_a_number_or_thousands_or_millions(word, images):
    assert images_asked(word, None) == images


@pytest.mark.parametrize("word", ["", "0", "-3k", "nan", "inf", "M", "many", "2.6G", "1e999", "2 M M"])
def test_what_is_no_positive_number_is_refused(word):
    with pytest.raises(UsageError, match="--images must be a positive number"):
        images_asked(word, None)


def test_epochs_beside_images_are_refused():
    with pytest.raises(UsageError, match="give one of them"):
        images_asked("93k", 12)
