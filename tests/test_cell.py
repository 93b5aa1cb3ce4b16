from dataclasses import replace

from tests.study_rows import row


def test_images_seen_are_the_rows_own_and_of_older_rows_epochs_of_training_faces():
    old = row({"a": 1}, epochs=8)
    assert old.images is None
    assert old.images_seen(1546) == 12368
    assert replace(old, images=12000).images_seen(1546) == 12000
