"""Transplants: what is replaced by what, their controls, scores, intervals and untrained copies."""

from __future__ import annotations

import layers
import numpy as np
import oracles
import pytest
import torch
from numpy.testing import assert_allclose
from torch import nn

import spanmatch as sm
from spanmatch.interventions.other_examples import other_examples


class Net(nn.Module):
    """A convolution in place of which another's can stand, and a readout."""

    def __init__(self) -> None:
        super().__init__()
        self.conv, self.relu = nn.Conv2d(1, 6, 3), nn.ReLU(inplace=True)
        self.readout = nn.Linear(6 * 16, 3)

    def forward(self, images):
        return self.readout(self.relu(self.conv(images)).flatten(1))


def two_networks() -> tuple[Net, Net, torch.Tensor, torch.Tensor]:
    """B computes A's channels, mixed: what A has, B has as a whole."""
    torch.manual_seed(0)
    a, b = Net().double(), Net().double()
    mix = torch.from_numpy(layers.mixing(6, 3, np.random.default_rng(0)))
    with torch.no_grad():
        b.conv.weight.copy_(torch.einsum("ij,jkhw->ikhw", mix, a.conv.weight))
        b.conv.bias.copy_(mix @ a.conv.bias)
    images = torch.randn(200, 1, 6, 6, dtype=torch.float64)
    with torch.no_grad():
        labels = a(images).argmax(dim=1)
    return a, b, images, labels


def captured(a, b, images, layer, **options) -> sm.Pair:
    return sm.capture({"a": a, "b": b}, images, layers=layer, **options).pair(f"a:{layer}", f"b:{layer}")


def test_a_transplant_of_an_exact_match_changes_nothing():
    a, b, images, labels = two_networks()
    pair = captured(a, b, images, "conv")
    match = sm.maximum_match(pair, 0.3, centred=True)
    assert len(match.x) == 6
    a.train()
    found = sm.transplant({"a": a, "b": b}, [(images[:90], labels[:90]), (images[90:], labels[90:])], pair, match)
    assert found.n_examples == 200 and found["untouched"].accuracy == 1 and found["untouched"].neurons == 0
    for name in ("transplant", "stitch"):
        assert found[name].loss == pytest.approx(found["untouched"].loss, rel=1e-9) and found[name].neurons == 6
        assert found.recovered(name) == pytest.approx(1)
    for name in ("ablation", "other examples"):
        assert found[name].accuracy < 0.8 and found.difference(name).low > 0
        assert found.difference(name, of="loss").high < 0 and found[name].neurons == 6
    assert a.training and not a.relu._forward_hooks and not a.conv._forward_hooks and not b.conv._forward_hooks


def test_a_transplant_is_what_it_says():
    a, b, images, labels = two_networks()
    pair = captured(a, b, images[:100], "relu")
    match = sm.match_profile(pair).at(0.7)
    assert len(match.x) == len(match.y) == 5
    torch.manual_seed(5)
    fresh = Net().double()
    seen, names = [], []
    hook = a.readout.register_forward_pre_hook(lambda _, inputs: seen.append(inputs[0].reshape(100, 6, 16)))
    found = sm.transplant(
        {"a": a, "b": b}, [(images[100:], labels[100:])], pair, match, fit_batches=images[:100], untrained=fresh, seed=3
    )
    hook.remove()
    names = [outcome.condition for outcome in found.outcomes]
    under = dict(zip(names, seen[1:], strict=True))  # the first is the fit
    with torch.no_grad():
        mine, theirs = a.relu(a.conv(images)), b.relu(b.conv(images))
        loss = nn.functional.cross_entropy
        X, Y = (z[:100].movedim(1, -1).reshape(-1, 6).numpy() for z in (mine, theirs))
        W = torch.from_numpy(np.linalg.lstsq(Y[:, match.y], X[:, match.x], rcond=None)[0])
        changed = mine[100:].clone()
        changed[:, match.x] = torch.einsum("nchw,cd->ndhw", theirs[100:, match.y], W)
        expected = loss(a.readout(changed.flatten(1)), labels[100:])
        assert found["transplant"].loss == pytest.approx(float(expected), rel=1e-7)
        changed[:, match.x] = torch.from_numpy(X.mean(axis=0))[match.x][None, :, None, None]
        logits = a.readout(changed.flatten(1))
        assert found["ablation"].loss == pytest.approx(float(loss(logits, labels[100:])), rel=1e-7)
        right = (logits.argmax(1) == labels[100:]).double()
        assert found["ablation"].correct.tolist() == right.tolist()
        other = theirs[100:][other_examples(100, 3)]
        changed[:, match.x] = torch.einsum("nchw,cd->ndhw", other[:, match.y], W)
        each = loss(a.readout(changed.flatten(1)), labels[100:], reduction="none").numpy()
        assert_allclose(found["other examples"].losses, each, rtol=1e-7)
        random = fresh.relu(fresh.conv(images))
        Z = random[:100].movedim(1, -1).reshape(-1, 6).numpy()
        near = np.argsort(oracles.levels(X, Z)[1])[: len(match.y)]  # as many, the nearest by level
        V = torch.from_numpy(np.linalg.lstsq(Z[:, near], X[:, match.x], rcond=None)[0])
        changed[:, match.x] = torch.einsum("nchw,cd->ndhw", random[100:, near], V)
        each = loss(a.readout(changed.flatten(1)), labels[100:], reduction="none").numpy()
        assert_allclose(found["untrained"].losses, each, rtol=1e-7)
        full = np.column_stack([Z, np.ones(len(Z))])
        V = torch.from_numpy(np.linalg.lstsq(full, X, rcond=None)[0])
        changed = torch.einsum("nchw,cd->ndhw", random[100:], V[:-1]) + V[-1][None, :, None, None]
        expected = loss(a.readout(changed.flatten(1)), labels[100:])
        assert found["stitch untrained"].loss == pytest.approx(float(expected), rel=1e-7)
    # Other examples: every neuron keeps its mean and its energy at every position, and none its values.
    for moment in (1, 2):
        energies = [(under[name] ** moment).sum(dim=0)[match.x] for name in ("transplant", "other examples")]
        assert_allclose(*energies, rtol=1e-9)
    assert not torch.isclose(under["transplant"][:, match.x], under["other examples"][:, match.x]).all(2).any(0).all()
    assert found["transplant"].neurons == len(match.x) and found["stitch"].neurons == 6
    assert found["transplant"].predictors == found["untrained"].predictors == len(match.y)
    assert names == [
        *("untouched", "transplant", "ablation", "other examples", "untrained"),
        *("stitch", "stitch ablation", "stitch other examples", "stitch untrained"),
    ]
    assert found.refused == {} and found.seed == 3
    assert found.to_dict()["outcomes"][1]["loss"] == found["transplant"].loss
    with pytest.raises(sm.SpanmatchError, match="no condition 'tranplant'; there is 'transplant'"):
        found["tranplant"]


def test_an_empty_match_changes_nothing_and_runs_nothing_again():
    a, _, images, labels = two_networks()
    b = Net().double()
    pair = captured(a, b, images, "conv")
    match = sm.maximum_match(pair, 0.001)
    assert not len(match.x)
    runs = []
    handle = a.register_forward_hook(lambda *_: runs.append(1))
    found = sm.transplant({"a": a, "b": b}, [(images, labels)], pair, match, fit_batches=[images])
    handle.remove()
    assert len(runs) == 1 + 1 + 4, "the fit, untouched, and the full layer under four conditions"
    for name in ("transplant", "ablation", "other examples", "untrained"):
        assert found[name].neurons == 0 and np.array_equal(found[name].losses, found["untouched"].losses)
        assert found[name].accuracy == 1
    assert found["stitch ablation"].accuracy < 0.8


def test_transplants_of_linear_layers_locations_and_tokens():
    torch.manual_seed(1)
    made = [nn.Sequential(nn.Linear(4, 7), nn.ReLU(), nn.Linear(7, 3)).double() for _ in range(2)]
    for shape in ((300, 4), (60, 5, 4)):
        inputs = torch.randn(*shape, dtype=torch.float64)
        labels = made[0](inputs).argmax(dim=-1)
        pair = captured(*made, inputs, "0")
        match = sm.maximum_match(pair, 0.9)
        found = sm.transplant(dict(zip("ab", made, strict=True)), [{"input": inputs, "labels": labels}], pair, match)
        assert found["stitch"].loss == pytest.approx(found["untouched"].loss, rel=1e-9)  # four inputs: all is linear
        assert found["untouched"].accuracy == 1 > found["stitch ablation"].accuracy
    a, b, images, labels = two_networks()
    pair = captured(a, b, images, "conv", units="location")
    found = sm.transplant({"a": a, "b": b}, [(images, labels)], pair, sm.maximum_match(pair, 0.3))
    assert found["stitch"].neurons == 96 and found["stitch"].loss == pytest.approx(found["untouched"].loss, rel=1e-6)


class Twice(nn.Module):
    """One activation used twice, and a layer that gives a tuple."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.second, self.relu = nn.Linear(4, 6), nn.Linear(6, 6), nn.ReLU()
        self.memory, self.readout = nn.GRU(6, 5, batch_first=True), nn.Linear(5, 3)

    def forward(self, inputs):
        hidden = self.relu(self.second(self.relu(self.first(inputs))))
        return self.readout(self.memory(hidden)[0])


def test_transplants_into_one_call_of_several_and_into_tuples():
    torch.manual_seed(0)
    a, b = Twice().double(), Twice().double()
    inputs = torch.randn(40, 7, 4, dtype=torch.float64)
    labels = a(inputs).argmax(dim=-1)
    for layer in ("relu", "relu#2", "memory"):
        moments = sm.capture({"a": a, "b": b}, inputs, layers=["relu", "memory"])
        pair = moments.pair(f"a:{layer}", f"b:{layer}")
        found = sm.transplant({"a": a, "b": b}, [(inputs, labels)], pair, sm.maximum_match(pair, 0.9))
        with torch.no_grad():
            mean = torch.from_numpy(pair.x_mean)  # of the neurons that never vary too: their value
            if layer == "memory":
                states = mean.expand(40, 7, 5)
            else:
                hidden = mean.expand(40, 7, 6)
                states = a.memory(a.relu(a.second(hidden)) if layer == "relu" else hidden)[0]
            expected = nn.functional.cross_entropy(a.readout(states).flatten(0, 1), labels.flatten())
        assert found["stitch ablation"].loss == pytest.approx(float(expected), rel=1e-9), layer


def test_what_cannot_be_transplanted_is_refused():
    a, b, images, labels = two_networks()
    pair = captured(a, b, images, "conv")
    match, networks = sm.maximum_match(pair, 0.3), {"a": a, "b": b}
    other = sm.maximum_match(captured(a, b, images, "relu"), 0.3)
    for arguments, message in (
        (({"a": a}, [(images, labels)], pair, match), "layer 'b:conv': no network 'b'"),
        (({"a": a, "b": nn.ReLU()}, [(images, labels)], pair, match), "network 'b' has no module 'conv'"),
        ((networks, [images], pair, match), "a batch without labels"),
        ((networks, [], pair, match), "no batches"),
        ((networks, [(images, labels)], pair, other), "a match of 'a:relu' and 'b:relu'"),
        ((networks, [(images, labels[:, None].expand(-1, 2))], pair, match), "classes are expected on the last axis"),
    ):
        with pytest.raises(sm.SpanmatchError, match=message):
            sm.transplant(*arguments)
    own = sm.transplant(networks, [(images, labels)], pair, match, loss=lambda outputs, _: outputs[:, 0] * 0 + 2)
    assert own["other examples"].loss == 2
    for options, message in (
        (
            {"loss": lambda outputs, _: outputs.sum()},
            r"loss: gives shape \(\) for 200 examples; give one value for each",
        ),
        ({"loss": lambda outputs, _: outputs[:, 0] / 0}, "untouched: the loss of example 0 of a batch is"),
        ({"untrained": b}, "untrained: give fit_batches="),
        ({"fit_batches": images[:7]}, "112 rows of 7 examples, but the pair has 3,200 rows of 200"),
        ({"fit_batches": images, "untrained": nn.ReLU()}, "network 'untrained' has no module 'conv'"),
        ({"fit_batches": []}, "fit_batches: no batches"),
    ):
        with pytest.raises(sm.SpanmatchError, match=message):
            sm.transplant(networks, [(images, labels)], pair, match, **options)
    with pytest.raises(sm.SpanmatchError, match="label 3: give 0 to 2, or -100 to ignore it"):
        sm.transplant(networks, [(images, labels + 1)], pair, match)
    assert not a.conv._forward_hooks and not b.conv._forward_hooks


def linear_networks(n: int = 600) -> tuple[nn.Sequential, nn.Sequential, torch.Tensor, torch.Tensor, sm.Pair]:
    """Two small perceptrons, inputs, labels of the first, and their hidden layers."""
    torch.manual_seed(2)
    a, b = (nn.Sequential(nn.Linear(9, 5), nn.ReLU(), nn.Linear(5, 3)).double() for _ in range(2))
    inputs = torch.randn(n, 9, dtype=torch.float64)
    with torch.no_grad():
        labels = a(inputs).argmax(dim=1)
    return a, b, inputs, labels, captured(a, b, inputs, "1")


@pytest.mark.parametrize("n", [1, 2, 255, 256, 257, 258, 512, 513, 514, 700])
def test_other_examples_are_others_of_the_same_256(n):
    other = other_examples(n, 0)
    assert sorted(other) == list(range(n))
    assert n == 1 or (other != np.arange(n)).all()
    assert (abs(other - np.arange(n)) <= 256).all()
    assert n < 3 or (other != other_examples(n, 1)).any()


def test_transplants_do_not_depend_on_the_size_of_batches():
    a, b, inputs, labels, pair = linear_networks(300)
    match = sm.maximum_match(pair, 0.9)
    assert len(match.x) > 0

    def ask(*sizes: int) -> sm.Transplant:
        parts = zip(torch.split(inputs, list(sizes)), torch.split(labels, list(sizes)), strict=True)
        return sm.transplant({"a": a, "b": b}, parts, pair, match, fit_batches=inputs)

    whole = ask(300)
    assert not whole.refused and whole.n_examples == 300
    with torch.no_grad():
        maps = match.coefficients(pair)
        hidden, other = a[1](a[0](inputs)), b[1](b[0](inputs))[other_examples(300, 0)]
        hidden[:, match.x] = other[:, match.y] @ torch.from_numpy(maps.x_from_y)
        each = nn.functional.cross_entropy(a[2](hidden), labels, reduction="none")
    assert_allclose(whole["other examples"].losses, each, rtol=1e-8)
    for sizes in ([100] * 3, [257, 1, 42], [256, 44], [1, 299], [258, *[1] * 42]):
        parts = ask(*sizes)
        for outcome in whole.outcomes:
            assert_allclose(parts[outcome.condition].losses, outcome.losses, rtol=1e-8, err_msg=outcome.condition)


def test_other_examples_that_are_no_control_are_refused():
    a, b, inputs, labels, pair = linear_networks()
    match = sm.maximum_match(pair, 0.9)

    def ask(*batches):
        return sm.transplant({"a": a, "b": b}, batches, pair, match)

    order = torch.argsort(labels)
    ordered = ask((inputs[order], labels[order]))
    assert "of them have the example's label" in ordered.refused["other examples"]
    with pytest.raises(sm.SpanmatchError, match=r"stitch other examples: \d+% of them .*; shuffle the batches"):
        ordered["stitch other examples"]
    assert "other examples" not in ask((inputs, labels)).refused
    alike = labels == labels[0]
    assert ask((inputs[alike], labels[alike])).refused["other examples"] == "all examples have the same label"
    one = ask((inputs[:1], labels[:1]))
    assert one.refused["other examples"] == "there is only one example"
    assert np.isnan(one.difference("ablation", of="loss").low) and one.difference("ablation").low > -1.01
    tokens = inputs.reshape(60, 10, 9)
    labels = labels.reshape(60, 10)
    pair = captured(a, b, tokens, "1")
    found = sm.transplant(
        {"a": a, "b": b}, [(tokens[:30], labels[:30]), (tokens[30:, :7], labels[30:, :7])], pair, match
    )
    assert "differ in shape" in found.refused["other examples"] and found.n_examples == 60


def test_sequences_are_scored_example_by_example():
    a, b, inputs, labels, _ = linear_networks()
    tokens, labels = inputs.reshape(60, 10, 9), labels.reshape(60, 10).clone()
    labels[:, 7:] = -100
    labels[::2, 2:] = -100
    pair = captured(a, b, tokens, "1")
    found = sm.transplant({"a": a, "b": b}, [(tokens, labels)], pair, sm.maximum_match(pair, 0.9))
    with torch.no_grad():
        logits = a(tokens)
        each = [nn.functional.cross_entropy(logits[i], labels[i]) for i in range(60)]
    assert_allclose(found["untouched"].losses, each, rtol=1e-9)
    assert found["untouched"].accuracy == 1 > found["stitch ablation"].accuracy
    labels[4] = -100
    with pytest.raises(sm.SpanmatchError, match="example 4 of a batch has no label that counts"):
        sm.transplant({"a": a, "b": b}, [(tokens, labels)], pair, sm.maximum_match(pair, 0.9))
    values = torch.randn(60, dtype=torch.float64)
    match = sm.maximum_match(pair, 0.9)
    regression = sm.transplant(
        {"a": a, "b": b}, [(tokens, values)], pair, match, loss=lambda z, y: (z.mean((1, 2)) - y) ** 2
    )
    assert np.isnan(regression["untouched"].accuracy) and "not class scores" in regression.refused["accuracy"]
    assert regression.difference("ablation", of="loss").low < 0
    saved = regression.to_dict()
    assert saved["outcomes"][0]["accuracy"] is None and saved["differences"][0]["accuracy"]["low"] is None


@pytest.mark.parametrize(("b", "c", "n"), [(1, 7, 21), (0, 0, 359), (3, 0, 40), (20, 0, 20), (5, 5, 1000)])
def test_intervals_of_accuracy_are_those_of_bonett_and_price(b, c, n):
    ours, theirs = np.zeros(n), np.zeros(n)
    ours[:b] = 1
    theirs[b : b + c] = 1
    outcomes = (sm.Outcome("transplant", 1, 1, ours, ours), sm.Outcome("untrained", 1, 1, theirs, theirs))
    found = layers.transplant(outcomes, n=n).difference("untrained")
    p, q = (b + 1) / (n + 2), (c + 1) / (n + 2)
    reach = 1.959963985 * np.sqrt((p + q - (p - q) ** 2) / (n + 2))
    assert (found.value, found.n_examples, found.level) == (pytest.approx((b - c) / n), n, 0.95)
    assert found.low == pytest.approx(max(-1, p - q - reach), rel=1e-7)
    assert found.high == pytest.approx(min(1, p - q + reach), rel=1e-7)
    assert found.low < found.high and found.low <= found.value <= found.high
    if (b, c, n) == (1, 7, 21):  # airway responsiveness before and after, Bentur et al. 2009
        assert (round(found.low, 3), round(found.high, 3)) == (-0.508, -0.013)


def test_intervals_of_loss_are_students():
    stats = pytest.importorskip("scipy.stats")
    r = np.random.default_rng(0)
    x, y = r.exponential(size=(2, 30))
    outcomes = (sm.Outcome("transplant", 1, 1, x, x * 0), sm.Outcome("ablation", 1, 0, y, y * 0))
    found = layers.transplant(outcomes, n=30).difference("ablation", of="loss", level=0.9)
    expected = stats.ttest_rel(x, y).confidence_interval(0.9)
    assert (found.low, found.high) == pytest.approx((expected.low, expected.high), rel=1e-9)
    with pytest.raises(sm.SpanmatchError, match="of='losses': give 'accuracy' or 'loss'"):
        layers.transplant(outcomes, n=30).difference("ablation", of="losses")


@pytest.mark.parametrize(("p", "q", "n"), [(0.0, 0.0, 50), (0.02, 0.01, 100), (0.05, 0.01, 359), (0.3, 0.1, 40)])
def test_intervals_of_accuracy_cover_what_they_claim(p, q, n):
    """Truth p - q; the usual interval covers next to nothing where examples seldom differ."""
    r = np.random.default_rng(0)
    inside = 0
    for _ in range(1000):
        d = r.choice([1.0, -1.0, 0.0], size=n, p=[p, q, 1 - p - q])
        outcomes = (sm.Outcome("transplant", 1, 1, d, d), sm.Outcome("untrained", 1, 1, d * 0, d * 0))
        found = layers.transplant(outcomes, n=n).difference("untrained")
        inside += found.low <= p - q <= found.high
    assert inside >= 935


def test_an_untrained_copy_is_drawn_again():
    torch.manual_seed(0)
    network = nn.Sequential(
        nn.Conv2d(1, 4, 3), nn.BatchNorm2d(4), nn.Flatten(), nn.Linear(64, 8), nn.MultiheadAttention(8, 2)
    )
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.add_(3)
        network[1].running_mean += 5
    network.eval()
    before = {name: tensor.clone() for name, tensor in network.state_dict().items()}
    state = torch.get_rng_state()
    found, again, other = (sm.untrained_copy(network, seed) for seed in (0, 0, 1))
    assert torch.equal(torch.get_rng_state(), state)
    for name, tensor in network.state_dict().items():
        assert torch.equal(tensor, before[name])
        assert torch.equal(found.state_dict()[name], again.state_dict()[name])
    for name, parameter in found.named_parameters():
        assert parameter.requires_grad and not torch.equal(parameter, network.get_parameter(name)), name
    assert not torch.equal(found[0].weight, other[0].weight)
    assert not found[1].running_mean.any() and not found.training
    torch.manual_seed(0)
    fresh = nn.Linear(64, 8)  # drawn as when it is made
    assert found[3].weight.std().item() == pytest.approx(fresh.weight.std().item(), rel=0.1)
    found[3].weight.sum().backward()  # it can be trained
    tied = nn.Sequential(nn.Embedding(6, 4), nn.Linear(4, 6, bias=False))
    tied[1].weight = tied[0].weight
    copied = sm.untrained_copy(tied)
    assert copied[1].weight is copied[0].weight and not torch.equal(copied[0].weight, tied[0].weight)


class Marked(nn.Module):
    """A network with a parameter that no module draws."""

    def __init__(self) -> None:
        super().__init__()
        self.token, self.fc, self.out = nn.Parameter(torch.ones(9)), nn.Linear(9, 5), nn.Linear(5, 3)

    def forward(self, inputs):
        return self.out(self.fc(inputs + self.token))


def test_what_cannot_be_drawn_again_is_refused_by_name():
    torch.manual_seed(0)
    a, b = Marked().double(), Marked().double()
    with pytest.raises(sm.SpanmatchError, match="no module's reset_parameters draws token; create an untrained"):
        sm.untrained_copy(b)
    with pytest.raises(sm.SpanmatchError, match=r"draws parametrizations\.weight\.original0"):
        sm.untrained_copy(nn.utils.parametrizations.weight_norm(nn.Linear(3, 2)))
    inputs = torch.randn(50, 9, dtype=torch.float64)
    labels = a(inputs).argmax(dim=1)
    pair = captured(a, b, inputs, "fc")
    given, match = ({"a": a, "b": b}, [(inputs, labels)], pair), sm.maximum_match(pair, 0.9)
    found = sm.transplant(*given, match, fit_batches=inputs)
    assert "draws token" in found.refused["untrained"] and "give it as untrained=" in found.refused["stitch untrained"]
    assert sm.transplant(*given, match).refused["untrained"].startswith("give fit_batches=")
    assert not sm.transplant(*given, match, fit_batches=inputs, untrained=Marked().double()).refused


def test_a_network_that_learned_nothing_does_not_pass_for_one_that_did():
    """The other controls pass an untrained network B; the untrained control does not."""
    digits = pytest.importorskip("sklearn.datasets").load_digits()
    inputs = torch.from_numpy(digits.data / 16).float()
    labels = torch.from_numpy(digits.target).long()
    order = torch.randperm(len(inputs), generator=torch.Generator().manual_seed(0))
    fit, test = order[:1400], order[1400:]

    def perceptron(seed: int, epochs: int) -> nn.Sequential:
        torch.manual_seed(seed)
        network = nn.Sequential(nn.Linear(64, 24), nn.ReLU(), nn.Linear(24, 24), nn.ReLU(), nn.Linear(24, 10))
        optimiser = torch.optim.Adam(network.parameters(), 1e-2)
        for _ in range(epochs):
            optimiser.zero_grad()
            nn.functional.cross_entropy(network(inputs[fit]), labels[fit]).backward()
            optimiser.step()
        return network

    a, trained, untrained = perceptron(0, 120), perceptron(1, 120), perceptron(2, 0)
    found = {}
    for name, b in (("trained", trained), ("untrained", untrained)):
        pair = captured(a, b, inputs[fit], "3")
        match = sm.maximum_match(pair, 0.8)
        batches, options = [(inputs[test], labels[test])], {"fit_batches": inputs[fit], "seed": 7}
        found[name] = sm.transplant({"a": a, "b": b}, batches, pair, match, **options)
        assert len(match.x) > 12 and not found[name].refused
        for control in ("ablation", "other examples"):
            assert found[name].difference(control, of="loss").high < 0
    for control, condition in (("untrained", "transplant"), ("stitch untrained", "stitch")):
        assert found["trained"].difference(control, condition).low > 0
        assert found["untrained"].difference(control, condition).low < 0
