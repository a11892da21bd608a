"""Does a match matter to the network? Its neurons are replaced by what the other network's neurons say they should be.

In network A, the matched neurons of a layer are overwritten by their linear prediction from B's matched neurons, and
A's forward pass goes on. Controls say what it means if A does as well as before: the same neurons at their means, the
same predictions made for other examples, and predictions from a network that has learned nothing.
Sources: docs/meaning.md; stitching of full layers: Lenc and Vedaldi, CVPR 2015; Bansal, Nakkiran, Barak, NeurIPS 2021.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from .._progress import tracked
from ..activations.from_networks import cut
from ..activations.outputs import examples_in
from ..activations.torch import evaluating, first_tensor
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
from .places import Place, on_device, place_of
from .scores import Loss, class_labels, scores_of
from .untrained import untrained_copy

if TYPE_CHECKING:
    from torch import Tensor, nn

Source = Literal["same", "others", "untrained"]
"""Whose activations predict: B's for the same examples, B's for other examples, or the untrained network's."""
Values = Mapping[Source, "Tensor | None"]


@dataclass(frozen=True, eq=False)
class _Graft:
    """Neurons x of A's layer as neurons y of another times W, plus a constant."""

    x: Index
    y: Index
    W: Array
    constant: Array
    source: Source = "same"


Grafts = dict[str, "_Graft | None"]


def transplant(
    networks: Mapping[str, nn.Module],
    batches: Iterable[Any],
    pair: Pair,
    match: Match,
    *,
    fit_batches: Iterable[Any] | None = None,
    untrained: nn.Module | None = None,
    loss: Loss | None = None,
    seed: int = 0,
) -> Transplant:
    """Return how well network A does with the matched neurons of a layer predicted from B's, and with controls.

    Parameters
    ----------
    networks : mapping of str to torch.nn.Module
        Those of the pair's layers "name:module": A has layer x, B has layer y.
    batches : iterable
        (inputs, labels), or dicts of keyword arguments with "labels", for which A is scored; better of examples that
        the pair has not seen, and shuffled.
    pair : Pair
        What the coefficients are fitted on, (n, p) and (n, q), in the layout of the layers.
    match : Match
        Of that pair.
    fit_batches : iterable, optional
        The batches that the pair is of, with or without labels, to fit the coefficients of the untrained network on.
        Without them there is no such control.
    untrained : torch.nn.Module, optional
        A network of B's architecture that was never trained; by default `untrained_copy(B, seed)`.
    loss : callable, optional
        Of outputs and labels, one value for each example (n,); by default the cross-entropy, with classes on the last
        axis and labels of -100 not counted; of sequences the mean over an example's positions.
    seed : int
        Of the untrained weights, and of which other example is taken.

    Returns
    -------
    Transplant
        Outcomes by condition, `.difference(control)`, and in `.refused` why a control is missing.

        - "untouched": A as it is.
        - "transplant": the matched neurons x predicted from B's matched neurons y by least squares.
        - "ablation": the same neurons at their means.
        - "other examples": the same predictions, each given to another of 256 examples: every neuron keeps its mean
          and its energy, and says nothing of the example.
        - "untrained": the same neurons predicted from as many neurons of the untrained network, those of the lowest
          levels in its match profile with A's layer.
        - "stitch", "stitch ablation", "stitch other examples", "stitch untrained": the same for all neurons of A's
          layer, from all of the other's, with a constant.

    Raises
    ------
    SpanmatchError
        If a layer is not there; outputs do not correspond; labels are missing or are no classes; a loss is not finite
        or not one value for each example; `untrained` is given without `fit_batches`, or those are not of the pair.

    Notes
    -----
    Networks run in evaluation mode without gradients and are left as they were. Accuracy is by the largest output.
    Cost: for each batch a forward pass of B and of the untrained network and nine of A, and the layer's values for 256
    examples in memory; for each fit batch one of A and of the untrained network.

    References
    ----------
    Lenc, Vedaldi, CVPR 2015; Bansal, Nakkiran, Barak, NeurIPS 2021.
    """
    try:
        import torch
    except ImportError as error:
        raise missing_extra("PyTorch", "torch", "sm.transplant") from error
    check_match(pair, match)
    a, b = place_of(networks, pair.x_layer), place_of(networks, pair.y_layer)
    twin, refused = _twin(b, fit_batches, untrained, seed)
    with contextlib.ExitStack() as stack:
        for place in filter(None, (a, b, twin)):
            stack.enter_context(evaluating(place.network))
        stack.enter_context(torch.inference_mode())
        grafts = _grafts(pair, match)
        if twin is not None and fit_batches is not None:
            grafts |= _untrained_grafts(_fitted(a, twin, fit_batches, pair), pair, match)
        grafts = {name: grafts[name] for name in CONDITIONS if name in grafts}
        others = Others(seed)
        scores: dict[str, list[Array]] = {name: [] for name in grafts}
        labelled = []
        for batch, values in _values(b, twin, tracked(batches, "transplanting"), pair, others):
            labelled.append(labels := _labels(batch))
            for name, graft in grafts.items():
                if graft is None or values[graft.source] is not None:
                    with _grafted(a, graft, values, pair):
                        outputs = a.run(batch)
                    scores[name].append(scores_of(outputs, labels, loss, name))
    if not labelled:
        raise SpanmatchError("no batches: give at least one")
    reason = others.refused or _sorted_by_label(labelled, seed)
    refused |= {name: reason for name in grafts if reason and name.endswith(OTHERS)}
    outcomes = tuple(
        Outcome(name, *_sizes(graft), *np.concatenate(scores[name], axis=1))
        for name, graft in grafts.items()
        if name not in refused
    )
    if np.isnan(outcomes[0].accuracy):
        refused["accuracy"] = "outputs are no class scores of the labels: those have classes on a last axis"
    return Transplant(
        provenance=match.provenance,
        eps=match.eps,
        n_examples=len(outcomes[0].losses),
        seed=seed,
        outcomes=outcomes,
        refused=refused,
    )


def _grafts(pair: Pair, match: Match) -> Grafts:
    """Return what is replaced under each condition that asks for no other network."""
    everyone = pair.active(centred=True)
    grafts: Grafts = {UNTOUCHED: None}
    for first, x, y, centred in ((MATCHED, match.x, match.y, match.provenance.centred), (STITCHED, *everyone, True)):
        maps = coefficients(pair, x, y, centred=centred)
        grafts[first] = _Graft(x, y, maps.x_from_y, maps.x_intercept)
        grafts[control_of(first, ABLATION)] = _Graft(x, y[:0], np.zeros((0, len(x))), pair.x_mean[x])
        grafts[control_of(first, OTHERS)] = _Graft(x, y, maps.x_from_y, maps.x_intercept, "others")
    return grafts


def _untrained_grafts(fitted: Pair, pair: Pair, match: Match) -> Grafts:
    """Return the replacements by an untrained network's neurons: as many as are matched, and all of them."""
    levels = match_profile(fitted, centred=match.provenance.centred).y_levels
    nearest = np.argsort(levels)[: min(len(match.y), np.count_nonzero(~np.isnan(levels)))]
    everyone = pair.active(centred=True)[0], fitted.active(centred=True)[1]
    grafts: Grafts = {}
    for first, x, y, centred in (
        (MATCHED, match.x, np.sort(nearest), match.provenance.centred),
        (STITCHED, *everyone, True),
    ):
        maps = coefficients(fitted, x, y, centred=centred)
        grafts[control_of(first, UNTRAINED)] = _Graft(x, y, maps.x_from_y, maps.x_intercept, "untrained")
    return grafts


def _twin(
    b: Place, fit_batches: Iterable[Any] | None, untrained: nn.Module | None, seed: int
) -> tuple[Place | None, dict[str, str]]:
    """Return the layer of an untrained network that corresponds to B's, or why there is none, by condition."""
    reason = "give fit_batches=, the batches that the pair is of, to fit its coefficients on"
    if fit_batches is None and untrained is not None:
        raise SpanmatchError(f"untrained: {reason}")
    if fit_batches is not None:
        try:
            network = untrained_copy(b.network, seed) if untrained is None else untrained
            return place_of({UNTRAINED: network}, f"{UNTRAINED}:{b.path}"), {}
        except SpanmatchError as error:
            if untrained is not None:
                raise
            reason = f"{error}, and give it as untrained="
    return None, {control_of(first, UNTRAINED): reason for first in (MATCHED, STITCHED)}


def _fitted(a: Place, twin: Place, fit_batches: Iterable[Any], pair: Pair) -> Pair:
    """Return the moments of A's layer and the untrained network's.

    Raises SpanmatchError if they are of fewer or other rows than the pair.
    """
    moments = Moments(pairs=[(a.layer, twin.layer)], folds=1, null=False, method=pair.method)
    first = 0
    for batch in tracked(cut(fit_batches), "fitting the untrained network"):
        ids = np.arange(first, first + examples_in(batch))
        first += len(ids)
        rows, each = {}, {}
        for place, width in zip((a, twin), pair.neurons, strict=True):
            rows[place.layer], each[place.layer] = place.rows(place.output(batch), width, batch, ids)
        moments.update(rows, each)
    if not first:
        raise SpanmatchError("fit_batches: no batches; give at least one")
    fitted = moments.pair(a.layer, twin.layer)
    if fitted.rows != pair.rows and first != pair.n_examples:
        raise SpanmatchError(
            f"fit_batches: {fitted.rows:,} rows of {first:,} examples, but the pair is of {pair.rows:,} rows of "
            f"{pair.n_examples:,}; give the same examples, so that the control is fitted on as many"
        )
    return fitted


def _values(
    b: Place, twin: Place | None, batches: Iterable[Any], pair: Pair, others: Others
) -> Iterator[tuple[Any, Values]]:
    """Yield each batch with what predicts A's neurons, neurons last."""
    width = pair.neurons[1]

    def ready(waiting: Iterable[tuple[Any, Tensor, Tensor | None]]) -> Iterator[tuple[Any, Values]]:
        for batch, same, other in waiting:
            fresh = None if twin is None else twin.neurons_last(twin.output(batch), width)
            yield batch, {"same": same, "others": other, "untrained": fresh}

    for batch in batches:
        values = b.neurons_last(b.output(batch), width)
        if len(values) != len(_labels(batch)):
            raise SpanmatchError(
                f"layer {b.layer!r} gives {tuple(values.shape)} for {len(_labels(batch))} labels; examples come first"
            )
        yield from ready(others.add(batch, values))
    yield from ready(others.end())


def _labels(batch: Any) -> Any:
    labels = (
        batch.get("labels") if isinstance(batch, Mapping) else batch[1] if isinstance(batch, tuple | list) else None
    )
    if labels is None:
        raise SpanmatchError("a batch without labels; give (inputs, labels), or a dict with 'labels'")
    return labels


def _grafted(a: Place, graft: _Graft | None, values: Values, pair: Pair) -> contextlib.AbstractContextManager[None]:
    """Overwrite neurons of a layer's output while this lasts."""
    if graft is None:
        return contextlib.nullcontext()
    theirs = values[graft.source]
    assert theirs is not None

    def overwrite(output: Any) -> Any:
        import torch

        tensor = first_tensor(a.layer, output)
        mine = a.neurons_last(tensor, pair.neurons[0])
        if mine.shape[:-1] != theirs.shape[:-1]:
            raise SpanmatchError(
                f"layers {a.layer!r} and {pair.y_layer!r} give, neurons last, {tuple(mine.shape)} and "
                f"{tuple(theirs.shape)}: their positions do not correspond"
            )
        W, constant = (torch.from_numpy(values).to(tensor) for values in (graft.W, graft.constant))
        changed = mine.clone()
        changed[..., on_device(graft.x, tensor)] = theirs[..., on_device(graft.y, theirs)].to(tensor) @ W + constant
        replaced = a.neurons_back(changed, tensor)
        return (replaced, *output[1:]) if isinstance(output, tuple) else replaced

    return a.changed(overwrite)


def _sizes(graft: _Graft | None) -> tuple[int, int]:
    """Return how many neurons are replaced, and from how many they are predicted."""
    return (0, 0) if graft is None else (len(graft.x), len(graft.y))


def _sorted_by_label(labelled: list[Any], seed: int) -> str:
    """Say why other examples are no control: they have the same label far more often than shuffled ones would."""
    labels = class_labels(labelled)
    if labels is None:
        return ""
    same = float(np.mean(labels[other_examples(len(labels), seed)] == labels))
    shuffled = float(np.sum((np.unique(labels, return_counts=True)[1] / len(labels)) ** 2))
    if shuffled < 1 and same <= (1 + shuffled) / 2:
        return ""
    if shuffled == 1:
        return "all examples have the same label"
    return f"{same:.0%} of them have the example's own label, shuffled it would be {shuffled:.0%}: shuffle the batches"
