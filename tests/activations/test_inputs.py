"""What networks are called with: the batch in their type and on their device, by the names that they have."""

from __future__ import annotations

from collections import namedtuple

import numpy as np
import oracles
import pytest
import torch
from activations.small_transformers import IDS, MASK, make
from torch import nn

import spanmatch as sm
from spanmatch.activations.inputs import arguments

N = 30
IMAGES = torch.randn(N, 1, 4, 4, generator=torch.Generator().manual_seed(3))
LABELS = torch.arange(N) % 3


class Classifier(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.fc = nn.Linear(16, 3)

    def forward(self, x):
        return self.fc(x.flatten(1))


class Detector(Classifier):
    def forward(self, x, **options):
        return super().forward(x)


class Trained(Classifier):
    """As models that compute a loss where they get labels."""

    def forward(self, pixel_values=None, labels=None):
        return super().forward(pixel_values)


class LightningModule(nn.Module):
    """As that of Lightning, which is known by its name."""


class Lit(LightningModule):
    def __init__(self) -> None:
        super().__init__()
        self.net = Classifier()

    def forward(self, batch):
        images, _ = batch.values() if isinstance(batch, dict) else batch
        return self.net(images)


def expected() -> np.ndarray:
    return Classifier()(IMAGES).detach().double().numpy()


def rows_are_right(network: nn.Module, batches: list[object], layer: str = "fc", rtol: float = 1e-5, **options) -> None:
    moments = sm.capture({"a": network, "b": network}, batches, layers=layer, **options)
    pair = moments.pair(f"a:{layer}", f"b:{layer}")
    np.testing.assert_allclose(pair.xx, oracles.co_moments(expected(), expected()), rtol=rtol, atol=rtol)


@pytest.mark.parametrize("network", [Classifier(), Detector(), Trained()], ids=["one", "any name", "with labels"])
@pytest.mark.parametrize(
    "batch",
    [
        {"image": IMAGES, "label": LABELS},
        {"labels": LABELS, "pixel_values": IMAGES},
        {"x": IMAGES, "y": LABELS[:, None]},
        {"image": IMAGES, "index": LABELS, "name": ["a"] * N},
        {"img": IMAGES.numpy()},
    ],
    ids=lambda batch: next(iter(batch)),
)
def test_the_only_member_that_can_be_the_input_is(network, batch):
    rows_are_right(network, [batch])


@pytest.mark.parametrize("batch", [{"label": IMAGES}, {"image": LABELS, "label": LABELS}, {"label": LABELS, "id": 3}])
def test_labels_are_no_input(batch):
    with pytest.raises(sm.SpanmatchError, match=r"takes x; the batch has .*say which of them is the input"):
        sm.capture({"a": Classifier()}, [batch])


def test_the_input_is_named():
    batch = {"before": IMAGES + 1, "after": IMAGES, "label": LABELS}
    with pytest.raises(
        sm.SpanmatchError, match=r"network 'a' takes x; the batch has before: float32 \(30, 1, 4, 4\), aft"
    ):
        sm.capture({"a": Classifier()}, [batch])
    rows_are_right(Classifier(), [batch], input="after")
    rows_are_right(Classifier(), [{"x": IMAGES + 1, "after": IMAGES}], input="after")
    with pytest.raises(sm.SpanmatchError, match="input='aftr': not in the batch; there is 'after'"):
        sm.capture({"a": Classifier()}, [batch], input="aftr")
    with pytest.raises(sm.SpanmatchError, match="input='after': a batch of type tuple has no names"):
        sm.capture({"a": Classifier()}, [(IMAGES, LABELS)], input="after")
    with pytest.raises(sm.SpanmatchError, match="input='after': it is for networks"):
        sm.compare({"a": {"l": expected()}, "b": {"l": expected()}}, input="after")


def test_a_mask_still_counts_where_the_input_has_another_name():
    model = make("gpt2")
    moments = sm.capture({"a": model}, [{"tokens": IDS, "attention_mask": MASK.long()}], layers="hidden.1")
    assert moments.rows["a:hidden.1"] == int(MASK.sum())


def test_a_checkpoint_is_of_one_input(tmp_path):
    batch = {"before": IMAGES + 1, "after": IMAGES}
    sm.capture({"a": Classifier()}, [batch], input="after", checkpoint=tmp_path / "c.safetensors")
    with pytest.raises(sm.SpanmatchError, match="give another checkpoint file"):
        sm.capture({"a": Classifier()}, [batch], input="before", checkpoint=tmp_path / "c.safetensors")


@pytest.mark.parametrize("batch", [(IMAGES, LABELS), [IMAGES, LABELS], {"image": IMAGES, "label": LABELS}], ids=type)
def test_a_lightning_module_takes_the_whole_batch(batch):
    rows_are_right(Lit(), [batch], "net.fc")


def test_other_networks_whose_argument_is_called_batch_take_the_first_member():
    class Plain(Classifier):
        def forward(self, batch):
            return super().forward(batch)

    rows_are_right(Plain(), [(IMAGES, LABELS)])


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16, torch.float64])
def test_inputs_have_the_type_of_the_network(dtype):
    rows_are_right(Classifier().to(dtype), [IMAGES], rtol=0.1)
    network = nn.Sequential(nn.Embedding(11, 6), nn.Linear(6, 3)).to(dtype)
    assert sm.capture({"a": network}, [torch.randint(0, 11, (8, 5))], layers="*").layers == {"a:0": 6, "a:1": 3}


def test_everything_is_put_on_the_device_of_the_network_and_integers_stay():
    Pair = namedtuple("Pair", "image label")
    network = Lit().to("meta").half()
    ((batch,), _, _) = arguments("a", network, Pair(IMAGES, [LABELS, {"ids": LABELS.numpy()}]))
    assert type(batch) is Pair and batch.image.dtype == torch.float16
    assert batch.label[0].dtype == batch.label[1]["ids"].dtype == torch.int64
    assert {tensor.device.type for tensor in (batch.image, batch.label[0], batch.label[1]["ids"])} == {"meta"}


class Broken(Classifier):
    def forward(self, x, label=None):
        raise KeyError("missing")


@pytest.mark.parametrize(
    ("batch", "described"),
    [
        (IMAGES.double(), "float64 (30, 1, 4, 4)"),
        ((IMAGES, LABELS), "tuple of float32 (30, 1, 4, 4), int64 (30,)"),
        ({"x": IMAGES.numpy(), "label": LABELS}, "x: float32 (30, 1, 4, 4), label: int64 (30,)"),
    ],
    ids=["tensor", "tuple", "dict"],
)
def test_what_fails_in_a_network_is_reported_with_its_name_and_batch(batch, described):
    with pytest.raises(sm.SpanmatchError) as caught:
        sm.capture({"good": Classifier(), "bad": Broken()}, [batch])
    assert str(caught.value) == f"network 'bad' failed on a batch of {described}: KeyError: 'missing'"
    assert isinstance(caught.value.__cause__, KeyError)


def test_a_model_of_transformers_that_fails_is_named_too():
    with pytest.raises(sm.SpanmatchError, match=r"'a' failed on a batch of input_ids: int64 \(1, 2\): IndexError"):
        sm.capture({"a": make("gpt2")}, [{"input_ids": torch.tensor([[1, 10**6]])}])
