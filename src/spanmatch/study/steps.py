"""The steps of a study: each compares trained networks and gives one record of study.json.

To add a kind of step,

1. write the type of its record in schema.py, and add it to `StepRecord` there;
2. write a subclass of `Step` here, and add it to `STEPS`;
3. add the setting that asks for it to `CompareSettings`, and to the tables of docs/studies.md;
4. show its record in the report (report/assets/views/study/, report/figures.py) and, as a table, in `Study.write`.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar, Literal, TypedDict

import numpy as np
from torch import nn

from .._progress import announce
from ..activations import capture
from ..comparison import Comparison, compare
from ..errors import SpanmatchError
from ..interventions import Transplant, transplant
from ..match import match_profile, maximum_match
from ..moments.options import Pairs
from ..moments.pairs import Pair
from ..moments.provenance import network_and_layer
from ..saved_results import COMPARISON
from ..similarity import LayerMatrix, measures
from .compared_examples import compared_batches, labelled_batches, shown_examples
from .compared_layers import SampleOptions, checked_widths, layout_of, sample_of
from .first_layers import first_layer, input_covariance
from .given_networks import FEW
from .quantities import (
    BLOCKS_MEASURE,
    Values,
    blocks_of,
    eps_by_quantity,
    layer_records,
    quantities_of,
    records_of,
    spreads_of,
    transplanted,
)
from .runs import TrainedNetwork, TrainedVariant
from .seed_intervals import over_seeds
from .settings import MAIN, UNCHANGED, CompareSettings, Settings
from .weight_alignment import misalignment

if TYPE_CHECKING:
    from ..schema import (
        AlignmentStep,
        AlternativeRecord,
        AlternativesStep,
        ComparedStep,
        EpochsStep,
        MisalignmentRecord,
        RandomRecord,
        StepRecord,
    )

PairOfNetworks = tuple[tuple[str, str], str]
"""The names of two networks, and a layer that both have."""
QUANTITIES = (
    *("layers", "split", "max_examples", "batch", "eps", "centred", "positions", "pool", "units", "sample"),
    "measures",
)
"""The settings that s(eps) and measures of pairs of networks depend on."""
RANDOM_DRAWS = 20
"""Layers of random weights that a misalignment is compared with."""


class MadeFrom(TypedDict):
    """Everything that a step's results depend on: they are kept as long as it is the same."""

    version: list[int]
    compare: dict[str, object]
    runs: list[object]


@dataclass(frozen=True)
class Step(ABC):
    """One step of a study: a kind of comparison, of the networks of one variant or of two."""

    compare: CompareSettings
    variants: tuple[TrainedVariant, ...]
    kind: ClassVar[str]
    version: ClassVar[int]
    """To be raised when the same settings give other results, so that they are made again."""
    depends_on: ClassVar[tuple[str, ...]]
    """The settings of `compare` that its results depend on."""

    @classmethod
    @abstractmethod
    def requested(cls, settings: Settings) -> Iterable[tuple[str, ...]]:
        """Return the variants, by name, of each step of this kind that the settings ask for."""

    @abstractmethod
    def make(self, folder: Path) -> StepRecord:
        """Return the step's record; files that belong to it are written to the folder."""

    @property
    def name(self) -> str:
        """The name of the step, which is also that of its folder."""
        return "-".join([self.first_word, *(name for name in self.variant_names if name != MAIN)])

    @property
    def first_word(self) -> str:
        """What its name begins with."""
        return self.kind

    @property
    def variant_names(self) -> list[str]:
        """The names of its variants."""
        return [variant.name for variant in self.variants]

    @property
    def made_from(self) -> MadeFrom:
        """Everything that its results depend on."""
        return {
            "version": [COMPARISON[1], self.version],
            "compare": self.compare.model_dump(mode="json", include=set(self.depends_on)),
            "runs": [made_from for variant in self.variants for made_from in variant.made_from],
        }


class ComparisonStep(Step):
    """A comparison of whole networks, saved in a folder as `sm.compare` gives it."""

    kind: ClassVar[Literal["seeds", "across"]]

    @abstractmethod
    def comparison(self) -> Comparison:
        """Return the comparison."""

    @abstractmethod
    def numbers(self) -> dict[str, int]:
        """Return the number of each network in its variant, by the network's name in the comparison.

        Networks of two variants that have the same number may have the same seed.
        """

    def make(self, folder: Path) -> ComparedStep:
        """Return the step's record, and save the comparison in the folder."""
        comparison = self.comparison()
        comparison.write_results(folder)
        matrix = next((matrix for matrix in comparison.matrices if matrix.name == BLOCKS_MEASURE), None)
        return {
            "name": self.name,
            "kind": self.kind,
            "variants": self.variant_names,
            "rows": layer_records(comparison, self.numbers(), self.compare),
            "blocks": None if matrix is None else blocks_of(matrix),
            "transplants": transplanted(comparison.transplants, self.numbers()),
        }


class CompareSeeds(ComparisonStep):
    """All pairs of networks of a variant, at all layers, by everything that the settings ask for."""

    kind = "seeds"
    version = 1
    depends_on = (
        *QUANTITIES,
        *("folds", "simple_eps", "simple_layers", "sparse", "bins", "clusters", "evidence", "permutations"),
        *("top", "matrix"),
        *("transplants", "transplant_layers", "transplant_examples"),
    )

    @property
    def first_word(self) -> str:
        """What the networks differ in: seeds, or networks where they are trained already."""
        return self.variants[0].intervals_over

    @classmethod
    def requested(cls, settings: Settings) -> Iterable[tuple[str, ...]]:
        """Return every variant."""
        return _each_variant(settings)

    def comparison(self) -> Comparison:
        """Return the comparison, with matrices and transplants if they are asked for."""
        (variant,) = self.variants
        networks, settings = variant.networks(), self.compare
        comparison = compare(
            networks,
            compared_batches(variant.data, settings),
            layers=variant.layers(settings),
            clusters=settings.clusters,
            evidence=settings.evidence,
            permutations=settings.permutations,
            bins=settings.bins,
            sparse=settings.sparse,
            simple_eps=settings.simple_eps,
            simple_layers=settings.simple_layers,
            top=settings.top,
            inputs=shown_examples(variant.data, settings),
            notes=_notes(variant),
            eps=settings.eps,
            centred=settings.centred,
            folds=self.compare.folds,
            **sample_of(self.compare),
            **layout_of(self.compare),
        )
        if settings.matrix:
            comparison = replace(comparison, matrices=self._matrices(networks))
        if settings.transplants:
            comparison = replace(comparison, transplants=self._transplants())
        return comparison

    def numbers(self) -> dict[str, int]:
        """Return the number of each network, by the network's name in the comparison."""
        (variant,) = self.variants
        return {run.short_name: i for i, run in enumerate(variant.runs)}

    def _matrices(self, networks: Mapping[str, nn.Module]) -> tuple[LayerMatrix, ...]:
        """Return measures of all layers against all, within and between networks."""
        (variant,) = self.variants
        return compare(
            networks,
            compared_batches(variant.data, self.compare),
            layers=variant.layers(self.compare),
            pairs="all",
            pool="mean",
            folds=1,
            null=False,
            sample=0,
            evidence=False,
            clusters=False,
        ).matrices

    def _transplants(self) -> tuple[Transplant, ...]:
        """Return the transplants into each network from the next one, by layer and eps.

        Coefficients are fitted on training examples, and accuracy is of test examples. The untrained network of the
        controls is the second one as it was before training, or an untrained copy of it if that is not known.
        """
        (variant,) = self.variants
        if variant.data.is_text:
            raise SpanmatchError("compare.transplants: are of images; characters have no single label")
        pairs = _with_next(variant.runs, variant.runs)
        return tuple(one for run, donor in pairs for one in self._transplants_of(run, donor))

    def _transplants_of(self, run: TrainedNetwork, donor: TrainedNetwork) -> Iterator[Transplant]:
        """Yield the transplants into one network from another."""
        (variant,) = self.variants
        announce(f"  transplants from {donor.short_name} into {run.short_name}")
        data, compare = variant.data, self.compare
        networks = {one.short_name: one.network(data) for one in (run, donor)}
        at_most = compare.transplant_examples or compare.max_examples
        fit_batches = compared_batches(data, compare.model_copy(update={"split": "train", "max_examples": at_most}))
        layers = compare.transplant_layers or variant.layers(compare)
        moments = capture(networks, fit_batches, layers=layers, folds=1, null=False, sample=0, **layout_of(compare))
        untrained = donor.untrained(data)
        batches = labelled_batches(data, compare.batch, at_most)
        for x, y in moments.pairs:
            pair = moments.pair(x, y)
            for eps in compare.transplants:
                match = maximum_match(pair, eps, centred=compare.centred)
                yield transplant(networks, batches, pair, match, fit_batches=fit_batches, untrained=untrained)


class CompareVariants(ComparisonStep):
    """Each network of a variant against the next one of another, so that no two have the same seed."""

    kind = "across"
    version = 1
    depends_on = (*QUANTITIES, "folds")

    @classmethod
    def requested(cls, settings: Settings) -> Iterable[tuple[str, ...]]:
        """Return the pairs of variants in `compare.across`."""
        return settings.compare.across

    def comparison(self) -> Comparison:
        """Return the comparison of the layers that two networks have under the same name."""
        networks, patterns = self._networks(), self._patterns()
        return compare(
            networks,
            compared_batches(self.variants[0].data, self.compare),
            layers=patterns,
            eps=self.compare.eps,
            centred=self.compare.centred,
            clusters=False,
            evidence=False,
            pairs=self._pairs(networks, patterns),
            folds=self.compare.folds,
            **sample_of(self.compare),
            **layout_of(self.compare),
        )

    def numbers(self) -> dict[str, int]:
        """Return the number of each network in its variant, by the network's name in the comparison."""
        return {f"{v.name} {run.short_name}": i for v in self.variants for i, run in enumerate(v.runs)}

    def _networks(self) -> dict[str, nn.Module]:
        """Return the networks of both variants, on the data of the first."""
        data = self.variants[0].data
        return {f"{v.name} {run.short_name}": run.network(data) for v in self.variants for run in v.runs}

    def _patterns(self) -> dict[str, Sequence[str] | None]:
        """Return the patterns of layers by network."""
        return {f"{v.name} {run.short_name}": v.layers(self.compare) for v in self.variants for run in v.runs}

    def _pairs(
        self, networks: Mapping[str, nn.Module], patterns: Mapping[str, Sequence[str] | None]
    ) -> list[tuple[str, str]]:
        """Return the pairs of layers of one name.  Raises SpanmatchError if there are none."""
        x, y = self.variants
        few, pairs = x.data.prepared(x.data.test[:FEW]), []
        for run, other in _with_next(x.runs, y.runs):
            a, b = f"{x.name} {run.short_name}", f"{y.name} {other.short_name}"
            x_layers, y_layers = (
                checked_widths(name, networks[name], few, self.compare, patterns[name]) for name in (a, b)
            )
            pairs += [(f"{a}:{layer}", f"{b}:{layer}") for layer in x_layers if layer in y_layers]
        if not pairs:
            raise SpanmatchError(f"compare.across: {x.name} and {y.name} have no layers of one name")
        return pairs


class FollowTraining(Step):
    """Similarity over training: each network to itself at the end, and seeds to each other."""

    kind = "epochs"
    version = 2
    depends_on = (*QUANTITIES, "folds", "epochs")

    @classmethod
    def requested(cls, settings: Settings) -> Iterable[tuple[str, ...]]:
        """Return every variant, if there are epochs to follow."""
        return _each_variant(settings) if settings.compare.epochs else []

    def make(self, folder: Path) -> EpochsStep:
        """Return a row for each epoch, layer and quantity: "own", a mean over seeds; "between", over pairs of seeds."""
        (variant,) = self.variants
        epochs = variant.followed_epochs(self.compare)
        to_final, between = self._to_final(epochs), self._between(epochs)
        return {
            "name": self.name,
            "kind": "epochs",
            "variants": self.variant_names,
            "rows": [
                {
                    "epoch": epoch,
                    "layer": layer,
                    "quantity": quantity,
                    "eps": eps_by_quantity(self.compare).get(quantity),
                    "own": spread.to_dict(),
                    "between": spreads_of(between[epoch, layer])[quantity].to_dict(),
                }
                for (epoch, layer), values in to_final.items()
                for quantity, spread in spreads_of(values).items()
            ],
        }

    def _to_final(self, epochs: Sequence[int]) -> dict[tuple[int, str], dict[str, Values]]:
        """Return the quantities of each network and itself at the end, by epoch and layer, and network.

        A network runs together with all its epochs: once for each, not once for each comparison.
        """
        (variant,) = self.variants
        values: dict[tuple[int, str], dict[str, Values]] = {}
        for run in variant.runs:
            announce(f"  {variant.name} {run.short_name} over its epochs")
            networks = {"last": run.network(variant.data)}
            networks |= {str(epoch): run.network(variant.data, epoch) for epoch in epochs}
            layers = _layers_of(variant, networks["last"], self.compare)
            pairs = [(f"{epoch}:{layer}", f"last:{layer}") for epoch in epochs for layer in layers]
            for ((epoch, _), layer), quantities in self._quantities(networks, pairs).items():
                values.setdefault((int(epoch), layer), {})[run.short_name] = quantities
        return values

    def _between(self, epochs: Sequence[int]) -> dict[tuple[int, str], dict[tuple[str, str], Values]]:
        """Return the quantities of two seeds' networks, by epoch and layer, and pair of networks."""
        (variant,) = self.variants
        values: dict[tuple[int, str], dict[tuple[str, str], Values]] = {}
        for epoch in epochs:
            announce(f"  seeds after epoch {epoch}")
            for (networks, layer), quantities in self._quantities(variant.networks(epoch)).items():
                values.setdefault((epoch, layer), {})[networks] = quantities
        return values

    def _quantities(self, networks: Mapping[str, nn.Module], pairs: Pairs = "matching") -> dict[PairOfNetworks, Values]:
        """Return s(eps) and the measures, by pair of networks and layer."""
        (variant,) = self.variants
        return {
            key: quantities_of(pair, match_profile(pair, centred=self.compare.centred), self.compare)
            for key, pair in _pairs(variant, networks, self.compare, pairs)
        }


class CompareAlternatives(Step):
    """Seeds against seeds with rows made in other ways: what depends on that choice, and what does not."""

    kind = "alternatives"
    version = 2
    depends_on = (*QUANTITIES, "folds", "alternatives")

    @classmethod
    def requested(cls, settings: Settings) -> Iterable[tuple[str, ...]]:
        """Return every variant, if there are alternatives."""
        return _each_variant(settings) if settings.compare.alternatives else []

    def make(self, folder: Path) -> AlternativesStep:
        """Return a row for each alternative, layer and quantity; first those of the comparison of seeds itself."""
        choices = {UNCHANGED: self.compare}
        for alternative in self.compare.alternatives:
            choices[alternative.name] = self.compare.model_copy(update=alternative.changes)
        rows: dict[str, list[AlternativeRecord]] = {name: [] for name in choices}
        for alike in _by_rows(choices):
            for record in self._rows(alike):
                rows[record["alternative"]].append(record)
        return {
            "name": self.name,
            "kind": "alternatives",
            "variants": self.variant_names,
            "rows": [record for name in choices for record in rows[name]],
        }

    def _rows(self, choices: Mapping[str, CompareSettings]) -> Iterator[AlternativeRecord]:
        """Yield the rows of alternatives that compare the same moments."""
        (variant,) = self.variants
        announce(f"  {', '.join(choices)}")
        numbers = {run.short_name: i for i, run in enumerate(variant.runs)}
        values: dict[tuple[str, str], dict[tuple[int, int], Values]] = {}
        pairs = {}
        for ((a, b), layer), pair in _pairs(variant, variant.networks(), next(iter(choices.values()))):
            for name, choice in choices.items():
                profile = match_profile(pair, centred=choice.centred)
                quantities = quantities_of(pair, profile, choice)
                values.setdefault((name, layer), {})[numbers[a], numbers[b]] = quantities
                pairs[layer] = profile.provenance
        for (name, layer), by_numbers in values.items():
            about = pairs[layer]
            for record in records_of(layer, about.x_neurons, spreads_of(by_numbers), choices[name]):
                yield {"alternative": name, "n_rows": about.rows, "n_examples": about.n_examples, **record}


class AlignWeights(Step):
    """The misalignment of the first layer's weights and its inputs, over training, and that of random weights."""

    kind = "alignment"
    version = 1
    depends_on = ("epochs",)

    @classmethod
    def requested(cls, settings: Settings) -> Iterable[tuple[str, ...]]:
        """Return every variant, if alignment is asked for."""
        return _each_variant(settings) if settings.compare.alignment else []

    def make(self, folder: Path) -> AlignmentStep:
        """Return the misalignment by epoch.

        Raises SpanmatchError if the data are text, or the first layer is neither linear nor a convolution, or has
        fewer neurons than inputs.
        """
        (variant,) = self.variants
        data = variant.data
        if data.is_text:
            raise SpanmatchError("compare.alignment: is of images; text has no covariance of inputs")
        covariance = input_covariance(first_layer(variant.runs[0].network(data)), data)
        values = {}
        for epoch in variant.followed_epochs(self.compare):
            weights = [_weights(network) for network in variant.networks(epoch).values()]
            values[epoch] = [misalignment(covariance, np.cov(W.T)) for W in weights]
        neurons, inputs = weights[-1].shape
        return {
            "name": self.name,
            "kind": "alignment",
            "variants": self.variant_names,
            "neurons": neurons,
            "inputs": inputs,
            "epochs": _with_changes(values),
            "random": _of_random_weights(covariance, (neurons, inputs)),
        }


STEPS: tuple[type[Step], ...] = (
    CompareSeeds,
    FollowTraining,
    CompareAlternatives,
    AlignWeights,
    CompareVariants,
)
"""Every kind of step, in the order in which those of one variant are made."""


def planned_steps(settings: Settings, variants: Mapping[str, TrainedVariant]) -> list[Step]:
    """Return the steps that the settings ask for: those of one variant together, those of two variants last."""
    steps = [
        step(settings.compare, tuple(variants[name] for name in names))
        for step in STEPS
        for names in step.requested(settings)
    ]
    order = list(variants)
    return sorted(steps, key=lambda s: order.index(s.variant_names[0]) if len(s.variants) == 1 else len(order))


def _each_variant(settings: Settings) -> list[tuple[str, ...]]:
    """Return the variants of steps that are of one variant each."""
    return [(variant.name,) for variant in settings.variants]


def _with_next(
    runs: Sequence[TrainedNetwork], others: Sequence[TrainedNetwork]
) -> Iterator[tuple[TrainedNetwork, TrainedNetwork]]:
    """Return each network with the next one of the others; the last one with the first."""
    return zip(runs, [*others[1:], others[0]], strict=True)


def _notes(variant: TrainedVariant) -> dict[str, str]:
    """Return what the report says of a comparison of the networks of a variant."""
    accuracies = [f"{run.short_name} {_accuracy_in_words(run)}" for run in variant.runs]
    return {
        "Data": variant.data.words,
        "Network": variant.architecture,
        "Test accuracy": ", ".join(accuracies),
    }


def _layers_of(variant: TrainedVariant, network: nn.Module, compare: CompareSettings) -> list[str]:
    """Return the names of the layers that are compared."""
    few = variant.data.prepared(variant.data.test[:FEW])
    return list(checked_widths(variant.name, network, few, compare, variant.layers(compare)))


def _pairs(
    variant: TrainedVariant, networks: Mapping[str, nn.Module], compare: CompareSettings, pairs: Pairs = "matching"
) -> Iterator[tuple[PairOfNetworks, Pair]]:
    """Yield pairs of networks at every layer, without null: by default all.

    Measures that are corrected for dependent rows need folds.
    """
    moments = capture(
        networks,
        compared_batches(variant.data, compare),
        layers=variant.layers(compare),
        pairs=pairs,
        folds=compare.folds,
        null=False,
        **_sample_of_measures(compare),
        **layout_of(compare),
    )
    for x, y in moments.pairs:
        (a, layer), (b, _) = network_and_layer(x), network_and_layer(y)
        yield ((a, b), layer), moments.pair(x, y)


def _by_rows(choices: Mapping[str, CompareSettings]) -> list[dict[str, CompareSettings]]:
    """Return the alternatives in groups of those that are made of the same rows, and differ in `centred` only."""
    groups: dict[str, dict[str, CompareSettings]] = {}
    for name, choice in choices.items():
        groups.setdefault(choice.model_dump_json(exclude={"centred"}), {})[name] = choice
    return list(groups.values())


def _sample_of_measures(compare: CompareSettings) -> SampleOptions:
    """Return how many examples to sample for the measures of the settings: none if none of them needs a sample."""
    needs = {measure.name: measure.needs for measure in measures()}
    return sample_of(compare) if any(needs[name] == "sample" for name in compare.measures) else {"sample": 0}


def _accuracy_in_words(run: TrainedNetwork) -> str:
    """Return the final test accuracy of a network, or why there is none."""
    accuracy = run.history()[-1]["test_accuracy"]
    return f"none ({run.reason})" if accuracy is None else f"{accuracy:.1%}"


def _weights(network: nn.Module) -> np.ndarray:
    """Return the weights (neurons, inputs) of the first layer."""
    weights: np.ndarray = first_layer(network).weight.detach().flatten(1).double().numpy()
    return weights


def _with_changes(values: Mapping[int, Sequence[float]]) -> list[MisalignmentRecord]:
    """Return the misalignment after each epoch, and its change since the first epoch, of each network for itself."""
    start = next(iter(values.values()))
    return [
        {
            "epoch": epoch,
            **over_seeds(misalignments).to_dict(),
            "change": over_seeds([now - before for now, before in zip(misalignments, start, strict=True)]).to_dict(),
        }
        for epoch, misalignments in values.items()
    ]


def _of_random_weights(covariance: np.ndarray, shape: tuple[int, int]) -> RandomRecord:
    """Return the misalignment of layers of this shape with independent Gaussian weights."""
    random = np.random.default_rng(0)
    draws = [misalignment(covariance, np.cov(random.standard_normal(shape).T)) for _ in range(RANDOM_DRAWS)]
    return {"draws": RANDOM_DRAWS, "value": float(np.mean(draws)), "low": min(draws), "high": max(draws)}
