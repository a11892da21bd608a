"""Transplants: whether a match matters to the network that computes with it.

In network A, the matched neurons of a layer are replaced by their linear prediction from B's
matched neurons, and A's forward pass continues. Controls give the result a scale: the same neurons
at their means, the same predictions made for other examples, and predictions from an untrained
network.
Sources: docs/meaning.md; stitching of full layers: Lenc and Vedaldi, CVPR 2015; Bansal, Nakkiran,
Barak, NeurIPS 2021.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence, Sized
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np

from .._progress import tracked
from ..activations.from_networks import cut
from ..activations.outputs import Batch, examples_in
from ..activations.torch import evaluating, first_tensor, with_first_tensor
from ..errors import SpanmatchError, missing_extra
from ..match import Match, match_profile
from ..match.least_squares import coefficients
from ..match.maximum import check_match
from ..moments.moments import Moments
from ..moments.pairs import Pair
from ..moments.spans import Array, Index
from .other_examples import Others, other_examples
from .outcomes import (
    ABLATION,
    CONDITIONS,
    MATCHED,
    OTHERS,
    STITCHED,
    UNTOUCHED,
    UNTRAINED,
    Outcome,
    Transplant,
    control_of,
)
from .places import Output, Place, on_device, place_of
from .scores import Loss, class_labels, scores_of
from .untrained import untrained_copy

if TYPE_CHECKING:
    from torch import Tensor, nn

    from ..activations.torch_axes import Axes

Source = Literal["same", "others", "untrained"]
"""Whose activations predict: B's for the same examples, B's for other examples, or the untrained
network's.
"""
Values = Mapping[Source, "Tensor | None"]


@dataclass(frozen=True, eq=False)
class _Graft:
    """A replacement: neurons x of A's layer become neurons y of another layer times W, plus a
    constant.
    """

    x: Index
    y: Index
    W: Array
    constant: Array
    source: Source = "same"


Grafts = dict[str, "_Graft | None"]


def transplant(
    networks: Mapping[str, nn.Module],
    batches: Iterable[Batch],
    pair: Pair,
    match: Match,
    *,
    fit_batches: Iterable[Batch] | None = None,
    untrained: nn.Module | None = None,
    loss: Loss | None = None,
    seed: int = 0,
) -> Transplant:
    """Return the scores of network A with the matched neurons of a layer predicted from B's, and of
    controls.

    Parameters
    ----------
    networks : mapping of str to torch.nn.Module
        Those of the pair's layers "name:module": A has layer x, B has layer y.
    batches : iterable
        (inputs, labels), or dicts of keyword arguments with "labels", on which A is scored.
        Shuffled examples that the pair was not fitted on are preferable.
    pair : Pair
        The layers, (n, p) and (n, q), on which the coefficients are fitted.
    match : Match
        Of that pair.
    fit_batches : iterable, optional
        The batches of the pair, with or without labels, on which the coefficients of the untrained
        network are fitted. Without them this control is refused.
    untrained : torch.nn.Module, optional
        An untrained network of B's architecture; by default `untrained_copy(B, seed)`.
    loss : callable, optional
        A function of outputs and labels that returns one value for each example, (n,). By default
        the cross-entropy, with classes on the last axis and labels of -100 not counted; for
        sequences the mean over an example's positions.
    seed : int
        Seed of the untrained weights and of the other examples.

    Returns
    -------
    Transplant
        Outcomes by condition, and `.difference(control)`. `.refused` says why a condition is
        missing.

        - "untouched": A without changes.
        - "transplant": the matched neurons x predicted from B's matched neurons y by least squares.
        - "ablation": the same neurons at their means.
        - "other examples": the same predictions, each given to another of 256 examples. Every
          neuron keeps its mean and energy, and is unrelated to the example.
        - "untrained": the same neurons predicted from as many neurons of the untrained network,
          those of the lowest levels in its match profile with A's layer.
        - "stitch", "stitch ablation", "stitch other examples", "stitch untrained": the same for all
          neurons of A's layer, from all neurons of the other's, with a constant.

    Raises
    ------
    SpanmatchError
        If a layer does not exist; outputs do not correspond; labels are missing or are not classes;
        a loss is not finite, or there is not one for each example; or `untrained` is given without
        `fit_batches`, or these are not the batches of the pair.

    Notes
    -----
    With activations Y_B of B's matched neurons and least-squares coefficients W, the matched
    neurons of A become Y_B W, plus a constant if the match is centred. Networks run in evaluation
    mode without gradients, and their state is restored afterwards. The prediction is the class with
    the largest output.

    Cost: for each batch one forward pass of B, one of the untrained network and nine of A (five if
    the match is empty), with the layer's values for 256 examples in memory; for each fit batch one
    forward pass of A and one of the untrained network.

    References
    ----------
    Lenc, Vedaldi, CVPR 2015; Bansal, Nakkiran, Barak, NeurIPS 2021.

    Examples
    --------
    >>> import torch
    >>> import spanmatch as sm
    >>> _ = torch.manual_seed(0)
    >>> network = torch.nn.Sequential(torch.nn.Linear(4, 8), torch.nn.ReLU(), torch.nn.Linear(8, 2))
    >>> other, inputs = sm.untrained_copy(network, seed=1), torch.randn(400, 4)
    >>> labels = network(inputs).argmax(1)
    >>> pair = sm.capture({"a": network, "b": other}, [inputs]).pair("a:1", "b:1")
    >>> match = sm.maximum_match(pair, eps=0.6)
    >>> batches = [(inputs, labels)]
    >>> result = sm.transplant({"a": network, "b": other}, batches, pair, match)
    >>> result["untouched"].accuracy
    1.0
    >>> [outcome.condition for outcome in result.outcomes]
    ['untouched', 'transplant', 'ablation', 'other examples', 'stitch', 'stitch ablation', 'stitch other examples']
    """
    try:
        import torch
    except ImportError as error:
        raise missing_extra("PyTorch", "torch", "sm.transplant") from error
    check_match(pair, match)
    a, b = (place_of(networks, layer, pair.layout) for layer in (pair.x_layer, pair.y_layer))
    twin, refused = _twin(b, fit_batches, untrained, seed)
    with contextlib.ExitStack() as stack:
        for place in filter(None, (a, b, twin)):
            stack.enter_context(evaluating(place.network))
        stack.enter_context(torch.no_grad())
        grafts = _grafts(pair, match)
        if twin is not None and fit_batches is not None:
            grafts |= _untrained_grafts(_fitted(a, twin, fit_batches, pair), pair, match)
        grafts = {name: grafts[name] for name in CONDITIONS if name in grafts}
        others = Others(seed)
        scores: dict[str, list[Array]] = {name: [] for name in grafts}
        labels_of_batches = []
        for batch, values in _values(b, twin, tracked(batches, "transplanting"), pair, others):
            labels_of_batches.append(labels := _labels(batch))
            for name, graft in grafts.items():
                if graft is not None and not len(graft.x):  # nothing is replaced
                    scores[name].append(scores[UNTOUCHED][-1])
                elif graft is None or values[graft.source] is not None:
                    outputs = a.run(batch, None if graft is None else _overwriting(a, graft, values, pair))
                    scores[name].append(scores_of(outputs, labels, loss, name))
    if not labels_of_batches:
        raise SpanmatchError("no batches: give at least one")
    reason = others.refused or _sorted_by_label(labels_of_batches, seed)
    refused |= {name: reason for name in grafts if reason and name.endswith(OTHERS)}
    outcomes = tuple(
        Outcome(name, *_sizes(graft), *np.concatenate(scores[name], axis=1))
        for name, graft in grafts.items()
        if name not in refused
    )
    if np.isnan(outcomes[0].accuracy):
        refused["accuracy"] = "outputs are not class scores of the labels; class scores have classes on the last axis"
    return Transplant(
        provenance=match.provenance,
        eps=match.eps,
        n_examples=len(outcomes[0].losses),
        seed=seed,
        outcomes=outcomes,
        refused=refused,
    )


def _grafts(pair: Pair, match: Match) -> Grafts:
    """Return the replacement of each condition that needs no other network."""
    all_neurons = pair.active(centred=True)
    grafts: Grafts = {UNTOUCHED: None}
    for first, x, y, centred in ((MATCHED, match.x, match.y, match.provenance.centred), (STITCHED, *all_neurons, True)):
        maps = coefficients(pair, x, y, centred=centred)
        grafts[first] = _Graft(x, y, maps.x_from_y, maps.x_intercept)
        grafts[control_of(first, ABLATION)] = _Graft(x, y[:0], np.zeros((0, len(x))), pair.x_mean[x])
        grafts[control_of(first, OTHERS)] = _Graft(x, y, maps.x_from_y, maps.x_intercept, "others")
    return grafts


def _untrained_grafts(fitted: Pair, pair: Pair, match: Match) -> Grafts:
    """Return the replacements by an untrained network's neurons: as many as are matched, and all of
    them.
    """
    levels = match_profile(fitted, centred=match.provenance.centred).y_levels
    nearest = np.argsort(levels)[: min(len(match.y), np.count_nonzero(~np.isnan(levels)))]
    all_neurons = pair.active(centred=True)[0], fitted.active(centred=True)[1]
    grafts: Grafts = {}
    for first, x, y, centred in (
        (MATCHED, match.x, np.sort(nearest), match.provenance.centred),
        (STITCHED, *all_neurons, True),
    ):
        maps = coefficients(fitted, x, y, centred=centred)
        grafts[control_of(first, UNTRAINED)] = _Graft(x, y, maps.x_from_y, maps.x_intercept, "untrained")
    return grafts


def _twin(
    b: Place, fit_batches: Iterable[Batch] | None, untrained: nn.Module | None, seed: int
) -> tuple[Place | None, dict[str, str]]:
    """Return the untrained network's layer that corresponds to B's, or why there is none, by
    condition.
    """
    reason = "give fit_batches=, the batches of the pair, to fit its coefficients"
    if fit_batches is None and untrained is not None:
        raise SpanmatchError(f"untrained: {reason}")
    if fit_batches is not None:
        try:
            network = untrained_copy(b.network, seed) if untrained is None else untrained
            return place_of({UNTRAINED: network}, f"{UNTRAINED}:{b.path}", b.layout), {}
        except SpanmatchError as error:
            if untrained is not None:
                raise
            reason = f"{error}, and give it as untrained="
    return None, {control_of(first, UNTRAINED): reason for first in (MATCHED, STITCHED)}


def _fitted(a: Place, twin: Place, fit_batches: Iterable[Batch], pair: Pair) -> Pair:
    """Return the moments of A's layer and the untrained network's.

    Raises SpanmatchError if they have other rows than the pair.
    """
    moments = Moments(pairs=[(a.layer, twin.layer)], folds=1, null=False, method=pair.method, sample=0)
    first = 0
    for batch in tracked(cut(fit_batches), "fitting the untrained network"):
        ids = np.arange(first, first + examples_in(batch))
        first += len(ids)
        rows, examples_of_rows = {}, {}
        for place, width in zip((a, twin), pair.neurons, strict=True):
            rows[place.layer], examples_of_rows[place.layer] = place.rows(place.output(batch), width, batch, ids)
        moments.update(rows, examples_of_rows)
    if not first:
        raise SpanmatchError("fit_batches: no batches; give at least one")
    fitted = moments.pair(a.layer, twin.layer)
    if fitted.rows != pair.rows and first != pair.n_examples:
        raise SpanmatchError(
            f"fit_batches: {fitted.rows:,} rows of {first:,} examples, but the pair has {pair.rows:,} rows of "
            f"{pair.n_examples:,}; give the same examples"
        )
    return fitted


def _values(
    b: Place, twin: Place | None, batches: Iterable[Batch], pair: Pair, others: Others
) -> Iterator[tuple[Batch, Values]]:
    """Yield each batch with the values that predict A's neurons, neurons last."""
    width = pair.neurons[1]

    def ready(waiting: Iterable[tuple[Batch, Tensor, Tensor | None]]) -> Iterator[tuple[Batch, Values]]:
        for batch, same, other in waiting:
            untrained_values = None if twin is None else twin.neurons_last(twin.output(batch), width)
            yield batch, {"same": same, "others": other, "untrained": untrained_values}

    for batch in batches:
        values = b.neurons_last(b.output(batch), width)
        if len(values) != len(_labels(batch)):
            raise SpanmatchError(
                f"layer {b.layer!r} gives {tuple(values.shape)} for {len(_labels(batch))} labels; examples come first"
            )
        yield from ready(others.add(batch, values))
    yield from ready(others.end())


def _labels(batch: Batch) -> Sized:
    """Return the labels of a batch.  Raises SpanmatchError if it has none."""
    labels: Sized | None = (
        batch.get("labels") if isinstance(batch, Mapping) else batch[1] if isinstance(batch, tuple | list) else None
    )
    if labels is None:
        raise SpanmatchError("a batch without labels; give (inputs, labels), or a dict with 'labels'")
    return labels


def _overwriting(a: Place, graft: _Graft, values: Values, pair: Pair) -> Callable[[object, Axes], object]:
    """Return a function that replaces neurons of a layer's result."""
    source_values = values[graft.source]
    assert source_values is not None
    width = pair.neurons[0]

    def overwrite(result: object, axes: Axes) -> object:
        import torch

        output = Output(first_tensor(a.layer, result), axes)
        positions = a.neurons_last(output, width).shape[:-1]
        if positions != source_values.shape[:-1]:
            raise SpanmatchError(
                f"layers {a.layer!r} and {pair.y_layer!r} give, neurons last, {(*positions, width)} and "
                f"{tuple(source_values.shape)}: their positions do not correspond"
            )
        W, constant = (torch.from_numpy(array).to(output.tensor) for array in (graft.W, graft.constant))
        predictors = source_values[..., on_device(graft.y, source_values)].to(output.tensor)
        replaced = a.replaced(output, graft.x, predictors @ W + constant, width)
        return with_first_tensor(result, replaced)

    return overwrite


def _sizes(graft: _Graft | None) -> tuple[int, int]:
    """Return the number of neurons that are replaced, and of those that predict them."""
    return (0, 0) if graft is None else (len(graft.x), len(graft.y))


def _sorted_by_label(labels_of_batches: Sequence[Sized], seed: int) -> str:
    """Return why other examples are not a control: too many share the label of the example they
    replace.
    """
    labels = class_labels(labels_of_batches)
    if labels is None:
        return ""
    same_label = float(np.mean(labels[other_examples(len(labels), seed)] == labels))
    shuffled = float(np.sum((np.unique(labels, return_counts=True)[1] / len(labels)) ** 2))
    if shuffled < 1 and same_label <= (1 + shuffled) / 2:
        return ""
    if shuffled == 1:
        return "all examples have the same label"
    return f"{same_label:.0%} of them have the example's label ({shuffled:.0%} if shuffled); shuffle the batches"
