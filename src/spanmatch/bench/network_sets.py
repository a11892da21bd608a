"""The networks that measures are tested on: which studies train them, and what of their layers is compared."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from importlib.resources import as_file, files
from pathlib import Path
from typing import Literal

from .._files import Path_
from ..errors import BadArgument, among
from ..study.runs import TrainedVariant, variants_of
from ..study.settings import Settings, Variant, read_settings
from ..study.train import Run
from ..study.workers import train_all

Rows = Literal["examples", "pooled", "last", "flattened"]
Kind = Literal["seeds", "layers", "random labels", "augmentation", "shortcut"]
ROWS: dict[Rows, str] = {
    "examples": "one row for each example",
    "pooled": "one row for each image: the mean of each channel over positions",
    "last": "one row for each text: its last character",
    "flattened": "one row for each image: all channels at all positions, in their principal components",
}
TESTS: dict[Kind, tuple[str, ...]] = {
    "seeds": (
        "same layer",
        "order of depth",
        "accuracy",
        "predictions",
        "probabilities",
        "deleted components",
        "probe accuracy",
        "decodability",
    ),
    "layers": ("same layer", "order of depth"),
    "random labels": ("random labels",),
    "augmentation": ("augmentation",),
    "shortcut": ("shortcut",),
}
"""The names of the tests of each kind of networks."""
MLP = ("relu*", "fc6")
CNN = ("relu*", "fc")
CNN_WITH_POOL = ("relu*", "pool", "fc")
TEXT_LAYERS = ("blocks.*[0-9]", "head")
FLATTENED_ROWS = 128
"""Of flattened feature maps as many examples are compared: the fewer, the more features outnumber them."""


@dataclass(frozen=True)
class NetworkSet:
    """Networks that a measure is tested on."""

    name: str
    study: str
    """The file in bench/studies that trains them."""
    rows: Rows
    layers: tuple[str, ...]
    """Names or patterns of the layers that are compared, the output among them."""
    kind: Kind = "seeds"
    """Which tests they are for: those of seeds, of layers alone, or one of groups."""
    variants: tuple[str, ...] = ()
    """The variants of the study; all if there are none."""
    n_rows: int = 1000
    """The most examples."""
    sample: int = 300
    """How many of them are sampled for measures that need rows."""
    seeds: int | None = None
    """How many networks of each variant; by default all."""
    ranked: bool = True
    """Whether ranks over all tests count it: not if some measures cannot be applied."""
    kept_as: str = ""
    """The folder of what measures gave, if it is not called as the set is."""
    needs_data: bool = False
    """Whether it is trained on images that the caller gives."""

    @property
    def tests(self) -> tuple[str, ...]:
        """The names of its tests."""
        return TESTS[self.kind]


def _shares(variant: str) -> tuple[str, ...]:
    """Return variants with a share of 25 to 100 percent."""
    return tuple(f"{variant}-{share}" for share in (25, 50, 75, 100))


DIGITS = (
    NetworkSet("digits-mlp", "digits-mlp", "examples", MLP),
    NetworkSet("digits-cnn", "digits-cnn", "pooled", CNN),
    NetworkSet(
        "digits-cnn-flattened",
        "digits-cnn",
        "flattened",
        CNN_WITH_POOL,
        "layers",
        n_rows=FLATTENED_ROWS,
        ranked=False,
    ),
    NetworkSet(
        "digits-random-labels", "digits-groups", "examples", MLP, "random labels", ("clean", *_shares("random-labels"))
    ),
    NetworkSet(
        "digits-augmentation",
        "digits-groups",
        "examples",
        MLP,
        "augmentation",
        ("clean", *(f"noise-{deviation}" for deviation in ("0.5", "1", "2", "4"))),
    ),
    NetworkSet("digits-shortcut", "digits-groups", "examples", MLP, "shortcut", ("shortcut-0", *_shares("shortcut"))),
)
TEXT = (
    NetworkSet("text", "text", "last", TEXT_LAYERS, n_rows=2000),
    NetworkSet(
        "text-random-labels",
        "text-groups",
        "last",
        TEXT_LAYERS,
        "random labels",
        ("clean", *_shares("random-labels")),
        n_rows=2000,
    ),
)
IMAGES = (
    NetworkSet("images-cnn", "images-cnn", "pooled", CNN, n_rows=2000, needs_data=True),
    NetworkSet(
        "images-cnn-flattened",
        "images-cnn",
        "flattened",
        CNN_WITH_POOL,
        "layers",
        n_rows=FLATTENED_ROWS,
        ranked=False,
        needs_data=True,
    ),
)
QUICK = ("digits-mlp", "digits-random-labels", "digits-augmentation", "digits-shortcut")
"""The sets of a quick run."""


def network_sets(names: Sequence[str] | None, data: Path_ | None, *, quick: bool) -> list[NetworkSet]:
    """Return sets of networks by name.

    Parameters
    ----------
    names : sequence of str, optional
        Their names; by default those of digits and of text, and those of images if there are data.
    data : path, optional
        A folder or an archive of images.
    quick : bool
        Whether to take fewer networks, of digits alone.

    Returns
    -------
    list of NetworkSet

    Raises
    ------
    BadArgument
        If there is no set of a name, or it needs data.
    """
    known = {network_set.name: network_set for network_set in (*DIGITS, *TEXT, *IMAGES)}
    if isinstance(names, str):
        raise BadArgument(f"networks={names!r}: give a list")
    for name in names or ():
        if name not in known:
            raise BadArgument(f"networks: none are called {name!r}{among(name, known)}")
        if known[name].needs_data and data is None:
            raise BadArgument(f"networks: {name} are trained on images; give data=, a folder or an archive of images")
    if not names:
        names = (
            QUICK
            if quick
            else [network_set.name for network_set in (*DIGITS, *TEXT, *(IMAGES if data is not None else ()))]
        )
    chosen = [known[name] for name in dict.fromkeys(names)]
    return [_fewer(network_set) for network_set in chosen] if quick else chosen


def _fewer(network_set: NetworkSet) -> NetworkSet:
    """Return a set of fewer networks, rows and sampled examples."""
    variants = network_set.variants and (network_set.variants[0], network_set.variants[2], network_set.variants[-1])
    return replace(
        network_set,
        kept_as=f"{network_set.name}-quick",
        variants=variants,
        n_rows=300,
        sample=100,
        seeds=4 if network_set.kind in ("seeds", "layers") else 3,
    )


def settings_of(network_set: NetworkSet, data: Path_ | None) -> Settings:
    """Return the settings of the study that trains a set of networks."""
    with as_file(files("spanmatch.bench") / "studies" / f"{network_set.study}.toml") as path:
        settings = read_settings(path)
    variants = [
        variant for variant in settings.variants if not network_set.variants or variant.name in network_set.variants
    ]
    if network_set.needs_data:
        variants = [_with_data(variant, data) for variant in variants]
    return settings.model_copy(update={"variants": tuple(variants), "seeds": settings.seeds[: network_set.seeds]})


def _with_data(variant: Variant, data: Path_ | None) -> Variant:
    """Return a variant that is trained on a folder or an archive of images."""
    path = str(Path(str(data)).resolve())
    return variant.model_copy(update={"data": variant.data.model_copy(update={"path": path})})


def trained(network_set: NetworkSet, data: Path_ | None, folder: Path, workers: int) -> dict[str, TrainedVariant]:
    """Return the trained networks of a set by variant, trained now as far as they are not.

    Parameters
    ----------
    network_set : NetworkSet
        The set.
    data : path, optional
        The images of a set that needs some.
    folder : Path
        Where weights are kept.
    workers : int
        How many networks to train at once.
    """
    settings, place = settings_of(network_set, data), folder / network_set.study
    variants = variants_of(settings, place, Path())
    place.mkdir(parents=True, exist_ok=True)
    runs = [run for variant in variants.values() for run in variant.runs if isinstance(run, Run)]
    train_all(runs, Path(), place, workers)
    return variants
