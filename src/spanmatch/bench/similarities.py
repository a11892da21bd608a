"""The similarities of pairs of layers by every measure, computed once and kept in files."""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

import numpy as np
from rich.progress import Progress

from .._threads import as_many_as_help
from .._values import Json
from ..errors import SpanmatchError
from ..moments.moments import Moments
from ..moments.pairs import Pair
from .candidates import Candidate
from .representation import Array, LayerKey, PairKey, Representation
from .tasks import ResultsFile, run_tasks

FOLDS = 4
NAN = float("nan")
MOST_PAIRS = 64
"""Pairs of layers whose moments are held at once."""


@dataclass
class Similarities:
    """The similarities by one measure, and why there are none."""

    values: dict[PairKey, float] = field(default_factory=dict)
    """Larger for more similar layers; nan where the measure is not defined."""
    reason: str = ""
    """Why the measure is not defined for the first pair for which it is not."""

    def add(self, key: PairKey, result: Mapping[str, Json]) -> None:
        """Add the result for a pair of layers."""
        value, reason = result["value"], result["reason"]
        self.values[key] = NAN if value is None else float(value)  # type: ignore[arg-type]
        self.reason = self.reason or str(reason)


def similarities(
    candidates: Sequence[Candidate],
    networks: Sequence[Representation],
    keys: Iterable[PairKey],
    sample: int,
    folder: Path,
    workers: int,
    bar: Progress,
) -> dict[str, Similarities]:
    """Return the similarities of pairs of layers by each measure, by the measure's name.

    Parameters
    ----------
    candidates : sequence of Candidate
        The measures.
    networks : sequence of Representation
        The networks whose layers are compared.
    keys : iterable of PairKey
        The pairs of layers.
    sample : int
        How many examples to sample, for the measures that need rows.
    folder : Path
        A folder in which results are kept, a file for each two networks: what is there is not computed again.
    workers : int
        How many processes compute at once.
    bar : Progress
        A progress display, of pairs of networks.
    """
    tasks = list(_tasks(candidates, networks, keys, sample, folder))
    run_tasks(tasks, workers, bar, "pairs of networks")
    results = {candidate.name: Similarities() for candidate in candidates}
    for task in tasks:
        kept = task.file.read()
        for candidate in candidates:
            of_candidate = kept[candidate.digest]
            for key in task.keys:
                result = of_candidate[_case(computed(candidate, key))]
                results[candidate.name].add(key, result)  # type: ignore[arg-type]
    return results


def computed(candidate: Candidate, key: PairKey) -> PairKey:
    """Return the pair whose similarity is computed for a pair: of a symmetric measure, one of the two orders."""
    return min(key, key[::-1]) if candidate.symmetric else key


@dataclass(frozen=True)
class _PairTask:
    """The similarities of layers of two networks, or of one, by all measures."""

    candidates: Sequence[Candidate]
    layers: Mapping[LayerKey, Array]
    keys: Sequence[PairKey]
    sample: int
    file: ResultsFile

    def __call__(self) -> None:
        """Compute what is not kept yet, and keep it."""
        kept, missing = self.file.read(), defaultdict[PairKey, list[Candidate]](list)
        for candidate in self.candidates:
            known = kept.get(candidate.digest, {})
            for key in dict.fromkeys(computed(candidate, key) for key in self.keys):
                if _case(key) not in known:
                    missing[key].append(candidate)
        if not missing:
            return
        new: dict[str, dict[str, Json]] = defaultdict(dict)
        for key, pair in self._pairs(missing):
            for candidate in missing[key]:
                new[candidate.digest][_case(key)] = _result(candidate, pair)
        self.file.add(new)

    def _pairs(self, keys: Collection[PairKey]) -> Iterator[tuple[PairKey, Pair]]:
        """Return pairs of layers with their moments, some at a time."""
        unordered = list(dict.fromkeys(min(key, key[::-1]) for key in keys))
        for start in range(0, len(unordered), MOST_PAIRS):
            some = unordered[start : start + MOST_PAIRS]
            for (x, y), pair in _pairs_of(some, self.layers, self.sample):
                yield from ((key, pair if key == (x, y) else pair.swapped) for key in ((x, y), (y, x)) if key in keys)


def pair_of_layers(key: PairKey, layers: Mapping[LayerKey, Array], sample: int) -> Pair:
    """Return a pair of layers, given their rows."""
    ((_, pair),) = _pairs_of([key], layers, sample)
    return pair


def _pairs_of(keys: Sequence[PairKey], layers: Mapping[LayerKey, Array], sample: int) -> Iterator[tuple[PairKey, Pair]]:
    """Return pairs of layers from the same moments."""
    used = sorted({layer for key in keys for layer in key})
    names = {layer: f"{i}:{layer[1]}" for i, layer in enumerate(used)}
    pairs = [(names[x], names[y]) for x, y in keys]
    moments = Moments(pairs=pairs, folds=FOLDS, null=False, sample=sample, method="qr")
    moments.update({names[layer]: layers[layer] for layer in used})
    yield from ((key, moments.pair(names[key[0]], names[key[1]])) for key in keys)


def _result(candidate: Candidate, pair: Pair) -> dict[str, Json]:
    """Return the similarity by a measure, or why there is none."""
    value, reason = None, ""
    with as_many_as_help(sum(pair.neurons)):
        try:
            value = candidate.similarity(pair)
        except SpanmatchError as error:
            reason = str(error)
    if value is not None and not np.isfinite(value):
        value, reason = None, f"{candidate.name}: its value is {value}"
    return {"value": value, "reason": reason}


def _tasks(
    candidates: Sequence[Candidate],
    networks: Sequence[Representation],
    keys: Iterable[PairKey],
    sample: int,
    folder: Path,
) -> Iterator[_PairTask]:
    """Return a task for each two networks of which layers are compared."""
    by_name = {network.network: Digested(network) for network in networks}
    by_networks: dict[tuple[str, str], list[PairKey]] = defaultdict(list)
    for key in dict.fromkeys(keys):
        x, y = sorted((key[0][0], key[1][0]))
        by_networks[x, y].append(key)
    for (x, y), pairs in by_networks.items():
        layers = {layer: by_name[layer[0]].network.layers[layer[1]] for key in pairs for layer in key}
        names = "~".join(name.replace("/", "-") for name in dict.fromkeys((x, y)))
        made_from = f"{by_name[x].digest} {by_name[y].digest} sample {sample} folds {FOLDS}"
        yield _PairTask(candidates, layers, pairs, sample, ResultsFile(folder / f"{names}.json", made_from))


@dataclass(frozen=True)
class Digested:
    """A network with a short name of what its layers hold."""

    network: Representation

    @cached_property
    def digest(self) -> str:
        """A digest of the names and rows of all layers."""
        digest = hashlib.sha256()
        for name, rows in self.network.layers.items():
            digest.update(f"{name}\0{rows.shape}\0{rows.dtype}\0".encode())
            digest.update(np.ascontiguousarray(rows).data)
        return digest.hexdigest()[:16]


def _case(key: PairKey) -> str:
    """Return the name of a pair of layers in a file."""
    (x, i), (y, j) = key
    return f"{x}\t{i}\t{y}\t{j}"
