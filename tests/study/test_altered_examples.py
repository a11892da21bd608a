"""Random labels and shortcuts: of the right share of the training examples, and of no test example."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
import torch

import spanmatch as sm
from spanmatch.study.altered_examples import with_shortcuts
from spanmatch.study.datasets import Data, read_data
from spanmatch.study.settings import DataSettings

SHARES = (0.0, 0.25, 0.5, 0.75, 1.0)


def near(share: float, n: int) -> object:
    """Return what the share of n draws is equal to, within five standard deviations."""
    return pytest.approx(share, abs=5 * np.sqrt(max(share * (1 - share), 1e-12) / n))


def digits(**settings: object) -> Data:
    return read_data(DataSettings(**settings))


def test_a_share_of_the_training_labels_is_random_and_test_labels_are_true():
    true, n = digits(), 1438
    by_share = {share: digits(random_labels=share) for share in SHARES}
    for share, data in by_share.items():
        assert torch.equal(data.train, true.train) and torch.equal(data.test, true.test)
        assert torch.equal(data.test_labels, true.test_labels)
        wrong = (data.train_labels != true.train_labels).double().mean()  # one in ten random labels is right
        assert float(wrong) == near(0.9 * share, n)
        assert torch.equal(data.train_labels, digits(random_labels=share).train_labels)
    assert torch.equal(by_share[0.0].train_labels, true.train_labels) and by_share[0.0].digest == true.digest
    counts = torch.bincount(by_share[1.0].train_labels, minlength=10)
    assert all(int(count) / n == near(0.1, n) for count in counts)
    assert by_share[0.25].words.startswith("digits, 25% random labels: 1,438 to train on")


def test_random_labels_of_a_smaller_share_are_among_those_of_a_larger_one():
    true = digits().train_labels
    by_share = [digits(random_labels=share).train_labels for share in SHARES]
    for fewer, more in itertools.pairwise(by_share):
        altered = fewer != true
        assert torch.equal(more[altered], fewer[altered]) and int((more != true).sum()) > int(altered.sum())


def test_a_share_of_the_next_characters_is_taken_from_elsewhere_in_the_text(tmp_path):
    (tmp_path / "a.txt").write_text("abracadabra, abrakadabra. " * 600)

    def text(share: float) -> Data:
        return read_data(DataSettings(name="text", path="a.txt", context=20, random_labels=share), tmp_path)

    true, by_share = text(0.0), [text(share) for share in SHARES]
    labels = true.train_labels.flatten()
    n, frequencies = len(labels), torch.bincount(labels, minlength=97) / len(labels)
    by_chance = float((frequencies**2).sum())
    for share, data in zip(SHARES, by_share, strict=True):
        assert torch.equal(data.train, true.train) and torch.equal(data.test_labels, true.test_labels)
        drawn = data.train_labels.flatten()
        assert float((drawn != labels).double().mean()) == near(share * (1 - by_chance), n)
        for mine, expected in zip(torch.bincount(drawn, minlength=97) / n, frequencies, strict=True):
            assert float(mine) == near(float(expected), n)
    for fewer, more in itertools.pairwise(data.train_labels for data in by_share):
        altered = fewer != true.train_labels
        assert torch.equal(more[altered], fewer[altered])


def marked_class(images: torch.Tensor, n_classes: int = 10) -> torch.Tensor:
    """Return the class that the bright pixel of each image says, where there is one and the others are 0."""
    pixels = images.flatten(2)[:, :, :n_classes]
    assert (pixels == pixels[:, :1]).all() and (pixels.sum(2, dtype=torch.long) == 255).all()
    assert (pixels.amax(2) == 255).all()
    return pixels[:, 0].argmax(1)


def test_a_pixel_says_the_class_of_a_share_of_the_training_images_and_a_random_one_of_test_images():
    plain, n, m = digits(size=12), 1438, 359
    by_share = [digits(size=12, shortcut=share) for share in SHARES]
    for share, data in zip(SHARES, by_share, strict=True):
        assert torch.equal(data.train_labels, plain.train_labels) and torch.equal(data.test_labels, plain.test_labels)
        assert torch.equal(data.test, by_share[0].test)
        for altered, original in ((data.train, plain.train), (data.test, plain.test)):
            assert torch.equal(altered.flatten(1)[:, 10:], original.flatten(1)[:, 10:])
        right = (marked_class(data.train) == data.train_labels).double().mean()
        assert float(right) == near(share + (1 - share) / 10, n)
        assert float((marked_class(data.test) == data.test_labels).double().mean()) == near(0.1, m)
    for fewer, more in itertools.pairwise(by_share):
        true = marked_class(fewer.train) == fewer.train_labels
        assert torch.equal(marked_class(more.train)[true], fewer.train_labels[true])
    test_images = [data.prepared(data.test) for data in by_share]
    torch.testing.assert_close(test_images[0], test_images[-1], rtol=1e-5, atol=1e-5)
    assert by_share[1].words.startswith("digits, shortcut 25%: ")


def test_places_of_classes_continue_on_the_next_row_and_are_in_every_channel():
    labels = torch.arange(10)
    images = torch.full((10, 3, 4, 8), 7, dtype=torch.uint8)
    before = images.clone()
    train, test = with_shortcuts(images, labels, images[:4], 10, 1.0)
    assert torch.equal(images, before)
    for label, image in enumerate(train):
        expected = torch.full((3, 4, 8), 7, dtype=torch.uint8)
        expected[:, 0], expected[:, 1, :2] = 0, 0
        expected[:, label // 8, label % 8] = 255
        assert torch.equal(image, expected)
    assert marked_class(test).shape == (4,)


def test_a_shortcut_says_the_true_class_where_labels_are_random():
    true, both = digits(size=12), digits(size=12, shortcut=1.0, random_labels=0.5)
    assert torch.equal(marked_class(both.train), true.train_labels)
    assert torch.equal(both.train_labels, digits(random_labels=0.5).train_labels)
    half = digits(size=12, shortcut=0.5, random_labels=0.5)  # one is drawn independently of the other
    agreement = (marked_class(half.train) == true.train_labels) == (half.train_labels == true.train_labels)
    assert float(agreement.double().mean()) == near(0.55**2 + 0.45**2, 1438)


def test_images_that_are_too_small_for_a_shortcut_are_refused():
    with pytest.raises(sm.SpanmatchError, match=r"images of 3 x 3 pixels have no place for each of 10 classes"):
        digits(size=3, shortcut=0.5)
    assert digits(size=4, shortcut=0.5).train.shape == (1438, 1, 4, 4)
