"""The command line: spanmatch demo, compare, study, bench, report, layers."""

from __future__ import annotations

import contextlib
import json
import re
import sys
import warnings
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer
from rich.console import Console
from rich.markup import escape

from .. import __about__
from .._defaults import EPS, EVIDENCE_UP_TO
from ..errors import BadArgument, SpanmatchError, SpanmatchWarning

if TYPE_CHECKING:
    from ..bench import Bench
    from ..comparison import Comparison
    from ..schema import ComparisonRecord
    from ..study import Study

WIDEST = 1000
"""Columns of a terminal that cuts no table."""
FAILED, BAD_USAGE, INTERRUPTED = 1, 2, 130
DEFAULT_EPS = " ".join(f"{eps:g}" for eps in EPS)

FEW_EXAMPLES = 4
"""Examples that layers are listed for."""
SIDE_BY_SIDE = "spanmatch-report.html"
"""The report of several folders, in the current one."""
LARGE_MOMENTS = 200e6
"""Bytes above which moments are written only if that is asked for."""
Data = Annotated[
    str | None,
    typer.Option(
        help="Inputs to run the networks on: .npy, .npz, .safetensors, .txt (one text a line), .csv (a column of "
        "texts), a folder of images, or file.py:function."
    ),
]
Size = Annotated[int | None, typer.Option(min=1, help="Pixels along each side that images in a folder are resized to.")]
Normalise = Annotated[
    Literal["unit", "imagenet"] | None,
    typer.Option(
        help="Pixels of images in a folder: unit: from 0 to 1 (default); imagenet: then with ImageNet's mean and "
        "deviation of each channel."
    ),
]
TextColumn = Annotated[
    str | None, typer.Option(help="Column of a .csv with the texts; by default the only one with texts.")
]
InputName = Annotated[
    str | None, typer.Option("--input", help="Which of several named arrays is the networks' input, as image or x.")
]
ConstantInputs = Annotated[
    list[str] | None,
    typer.Option(
        metavar="NAME=VALUE",
        help="Input of ONNX graphs that is the same for all examples: sr=16000, or state=zeros for an array of "
        "zeros; can be repeated.",
    ),
]
ChannelAxis = Annotated[
    Literal["auto", "first", "last"],
    typer.Option(
        help="Where the neurons of outputs with more than two axes are: on the second axis or on the last; auto: as "
        "followed through the network."
    ),
]
Download = Annotated[
    bool, typer.Option("--download", help="Download models, hf:NAME, that are not in the local cache.")
]

app = typer.Typer(
    no_args_is_help=True,
    rich_markup_mode="rich",
    pretty_exceptions_show_locals=False,
    help="To what extent did two neural networks learn the same representations?",
)


@app.callback(invoke_without_command=True)
def _root(
    version: Annotated[bool, typer.Option("--version", help="Print the version and exit.", is_eager=True)] = False,
) -> None:
    if version:
        typer.echo(f"spanmatch {__about__.VERSION}")
        raise typer.Exit


@app.command()
def demo(
    out: Annotated[Path, typer.Option(help="Folder for the results.")] = Path("spanmatch-demo"),
    as_json: Annotated[bool, typer.Option("--json", help="Print the results as JSON instead of a table.")] = False,
) -> None:
    """Train small networks on handwritten digits from three seeds, and compare them layer by layer."""
    with _exit_codes():
        from ..study import DEMO, run_study

        _finish_study(run_study(DEMO, out), as_json, wide=False)


@app.command()
def study(
    file: Annotated[Path | None, typer.Argument(help="The study, a TOML file; --init writes one.")] = None,
    init: Annotated[str | None, typer.Option(metavar="NAME", help="Write a commented NAME.toml, and exit.")] = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Check the study and print its plan, without loading data or training.")
    ] = False,
    out: Annotated[Path | None, typer.Option(help="Folder for the results; by default as the file says.")] = None,
    workers: Annotated[
        int | None, typer.Option(min=1, help="Number of networks to train at once; by default the number of cores.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print the results as JSON instead of tables.")] = False,
    wide: Annotated[bool, typer.Option("--wide", help="Print tables as wide as they are, with full names.")] = False,
) -> None:
    """Compare networks of several seeds, which are trained first, or trained already, as described in a TOML file.

    Resumable: rerun to continue.
    """
    with _exit_codes(kept="finished work is kept; rerun the command to continue"):
        from .. import study as studies

        if init is not None:
            _write_first(init, studies.DEMO)
            return
        if file is None:
            raise BadArgument("give a TOML file, or --init NAME to write one")
        if dry_run:
            Console(highlight=False).print("\n".join(studies.dry_run(file)), markup=False, soft_wrap=True)
            return
        _finish_study(studies.run_study(file, out, workers), as_json, wide)


@app.command()
def bench(
    tests: Annotated[
        list[str] | None, typer.Option(help="Tests, by name, separated by commas; by default all.", metavar="NAMES")
    ] = None,
    measures: Annotated[
        list[str] | None,
        typer.Option(
            help="Measures, by name, separated by commas; or file.py:function of your own, a function of a pair or of "
            "two arrays, which without names is tested beside all others.",
            metavar="NAMES",
        ),
    ] = None,
    networks: Annotated[
        list[str] | None,
        typer.Option(help="Sets of networks, by name, separated by commas; by default all.", metavar="NAMES"),
    ] = None,
    data: Annotated[
        Path | None,
        typer.Option(help="A folder or an archive of images, one folder for each class, to train further networks on."),
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option(
            help="Folder for the results, and what is kept for the next run; by default spanmatch-bench, or "
            "spanmatch-bench-quick."
        ),
    ] = None,
    quick: Annotated[bool, typer.Option("--quick", help="Few networks and examples: to try it.")] = False,
    workers: Annotated[
        int | None, typer.Option(min=1, help="Number of processes; by default the number of cores.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print the results as JSON instead of a table.")] = False,
    wide: Annotated[bool, typer.Option("--wide", help="Print the scores in all tests too.")] = False,
) -> None:
    """Test measures of similarity, your own among them, where the answer is known.

    Trains networks first. Resumable: rerun to continue.
    """
    with _exit_codes(kept="finished work is kept; rerun the command to continue"):
        from ..bench import run_bench

        _finish_bench(
            run_bench(
                _listed(measures),
                tests=_listed(tests),
                networks=_listed(networks),
                data=data,
                out=out,
                quick=quick,
                workers=workers,
            ),
            as_json,
            wide,
        )


@app.command()
def report(
    folders: Annotated[
        list[Path],
        typer.Argument(
            metavar="FOLDER...",
            help="The folder of a comparison, a study or a benchmark; or several of comparisons and studies, to be "
            "shown side by side.",
        ),
    ],
    out: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="File to write. [default: report.html in the folder; of several folders, spanmatch-report.html here]",
        ),
    ] = None,
) -> None:
    """Rebuild the report from saved results, or show several results side by side."""
    with _exit_codes():
        from .._files import write_text, writing

        for folder in folders:
            if not folder.is_dir():
                raise SpanmatchError(
                    f"{folder}: no such folder; give the folder of a comparison, a study or a benchmark"
                )
        if len(folders) > 1:
            path = out or Path(SIDE_BY_SIDE)
            write_text(path, _side_by_side(folders))
        elif out is not None:
            path = out
            _write_report(folders[0], path)
        else:
            with writing(folders[0]) as written:
                _write_report(folders[0], written / "report.html")
            path = folders[0] / "report.html"
        Console(highlight=False).print(f"Report: {escape(str(path))}", soft_wrap=True)


def _write_report(folder: Path, path: Path) -> None:
    """Write the report of the results in a folder."""
    from .._files import write_text
    from ..bench import Bench
    from ..report import render
    from ..saved_results import read_comparison
    from ..study import Study

    if (folder / "study.json").is_file():
        Study.load(folder).report(path)
    elif (folder / "bench.json").is_file():
        Bench.load(folder).report(path)
    else:
        write_text(path, render(read_comparison(folder)))


def _side_by_side(folders: list[Path]) -> str:
    """Return the report of several folders of comparisons and studies."""
    from ..report import render_side_by_side
    from ..saved_results import read_comparison
    from ..study import Study

    names = [folder.resolve().name for folder in folders]
    comparisons: dict[str, ComparisonRecord] = {}
    for name, folder in zip(names, folders, strict=True):
        title = name if names.count(name) == 1 else str(folder)
        if (folder / "bench.json").is_file():
            raise SpanmatchError(
                f"{folder}: a benchmark has a report of its own; give folders of comparisons and studies"
            )
        if not (folder / "study.json").is_file():
            comparisons[title] = read_comparison(folder)
            continue
        steps = Study.load(folder).comparisons
        comparisons |= {f"{title}: {step}" if len(steps) > 1 else title: record for step, record in steps.items()}
    if len(comparisons) < 2:
        raise SpanmatchError(
            f"{' '.join(map(str, folders))}: the same folder, or without comparisons; give two or more"
        )
    return render_side_by_side(comparisons)


@app.command()
def compare(
    a: Annotated[
        str,
        typer.Argument(
            help="file.py:function\\[@weights], package.module:function, hf:NAME, .onnx, a folder of transformers, or "
            "stored activations."
        ),
    ],
    b: Annotated[str, typer.Argument(help="The second network, of the same kind.")],
    data: Data = None,
    size: Size = None,
    normalise: Normalise = None,
    text_column: TextColumn = None,
    rows_by: Annotated[
        str | None,
        typer.Option(
            metavar="NAME", help="Column or array of row ids in stored activations, to join rows by; by default 'ids'."
        ),
    ] = None,
    input_name: InputName = None,
    constant: ConstantInputs = None,
    channels: ChannelAxis = "auto",
    layers: Annotated[
        list[str] | None,
        typer.Option(
            help="Layer name or shell pattern, such as '*relu*'; of one network alone, NAME:PATTERN with its name, a "
            "or b; can be repeated."
        ),
    ] = None,
    match: Annotated[
        Literal["name", "depth", "best"],
        typer.Option(
            help="Which layers are compared: of the same name, of the nearest relative depth, or each layer of A with "
            "its most similar layer of B."
        ),
    ] = "name",
    measure: Annotated[
        str, typer.Option(help="Measure of similar layers, for --match best and tables, such as cka.")
    ] = "debiased cka",
    pair: Annotated[
        list[str] | None,
        typer.Option(metavar="LAYER=LAYER", help="A layer of A and one of B to compare; can be repeated."),
    ] = None,
    eps: Annotated[
        str | None,
        typer.Option(
            help=f"Values of eps for the tables, in \\[0, 1); by default {DEFAULT_EPS}, or chosen from the levels "
            "where s(eps) is 0 or 1 at all of them."
        ),
    ] = None,
    out: Annotated[Path, typer.Option(help="Folder for the results.")] = Path("spanmatch-compare"),
    as_json: Annotated[bool, typer.Option("--json", help="Print the results as JSON instead of a table.")] = False,
    wide: Annotated[
        bool, typer.Option("--wide", help="Print tables as wide as they are, with all measures and full names.")
    ] = False,
    centred: Annotated[bool, typer.Option("--centred", help="Subtract each neuron's mean first.")] = False,
    method: Annotated[
        Literal["gram", "qr", "single"],
        typer.Option(
            help="gram: sums of products; qr: resolves far smaller distances, "
            "several times slower; single: faster, less precise."
        ),
    ] = "gram",
    units: Annotated[
        Literal["channel", "location"], typer.Option(help="What counts as a neuron of a convolution.")
    ] = "channel",
    positions: Annotated[
        int | None, typer.Option(min=1, help="Number of positions to sample from each example of a convolution.")
    ] = None,
    sample: Annotated[
        int | None,
        typer.Option(
            min=0,
            help="Number of examples whose rows are kept, for measures and p-values that need rows; 0 for none; by "
            "default 1,000, or none if they take too much memory.",
        ),
    ] = None,
    sample_rows: Annotated[
        Literal["flat", "mean", "last"] | None,
        typer.Option(
            help="What is kept of an example with several rows: all of them, flattened, their mean, or the last one; "
            "by default flat, of tokens mean."
        ),
    ] = None,
    seed: Annotated[int, typer.Option(min=0, help="Seed of the samples of positions and of examples.")] = 0,
    folds: Annotated[
        int, typer.Option(min=1, help="Number of folds of the examples, for intervals and held-out values.")
    ] = 8,
    null: Annotated[bool, typer.Option(help="Keep a null pairing, for values under the null.")] = True,
    batch_size: Annotated[
        int | None,
        typer.Option(min=1, help="Examples in a batch of --data; by default 256, of image files 64, of texts 16."),
    ] = None,
    simple: Annotated[
        bool, typer.Option("--simple", help="Also find minimum and simple matches, at every eps.")
    ] = False,
    simple_layers: Annotated[
        list[str] | None, typer.Option(help="Restrict --simple to these layers; can be repeated.")
    ] = None,
    clusters: Annotated[bool, typer.Option(help="Cluster the neurons of both networks.")] = True,
    sparse: Annotated[
        list[str] | None,
        typer.Option(help="Predict the neurons of these layers from few neurons of the other network; '*' for all."),
    ] = None,
    evidence: Annotated[
        bool | None,
        typer.Option(
            help=f"Intervals, null and held-out values; by default for up to {EVIDENCE_UP_TO} neurons together."
        ),
    ] = None,
    permutations: Annotated[
        int | None,
        typer.Option(
            min=0,
            help="With evidence, number of permutations for p-values and calibrated values; 0 for none; by default as "
            "many as each measure is worth, up to 999.",
        ),
    ] = None,
    measures: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME",
            help="Compute and test only this measure, such as 'debiased cka'; repeatable; by default all.",
        ),
    ] = None,
    pairs: Annotated[
        Literal["all"] | None, typer.Option(help="all: also compare every layer with every other, as a matrix.")
    ] = None,
    pool: Annotated[
        str | None,
        typer.Option(help="mean or last (token): one row an example; or a number of positions along each axis."),
    ] = None,
    top: Annotated[
        int,
        typer.Option(
            min=0, help="Number of inputs to show that activate each neuron most; as pictures, if --data holds images."
        ),
    ] = 0,
    max_memory_gb: Annotated[
        float | None, typer.Option(help="Largest memory that the moments may take, in GB.")
    ] = None,
    scheduler: Annotated[
        str | None,
        typer.Option(
            help="Read stored activations with Dask: a scheduler's address, or the number of processes to start."
        ),
    ] = None,
    checkpoint: Annotated[
        Path | None,
        typer.Option(
            help="File to write the moments to every five minutes, and to continue from after an interruption."
        ),
    ] = None,
    download: Download = False,
    save_moments: Annotated[
        bool | None,
        typer.Option(help=f"Write the moments too; by default if they take at most {LARGE_MOMENTS / 1e6:.0f} MB."),
    ] = None,
    transplant: Annotated[
        float | None,
        typer.Option(
            min=0,
            max=1,
            metavar="EPS",
            help="Also predict A's neurons that are matched at this eps from B's within A, layer by layer, and report "
            "A's accuracy; needs --labels.",
        ),
    ] = None,
    labels: Annotated[
        str | None,
        typer.Option(help="Class labels of the examples of --data: a .npy or .txt file, or an array's name in --data."),
    ] = None,
    bins: Annotated[
        int | None, typer.Option(min=2, help="Number of bins, to also find partners by mutual information.")
    ] = None,
) -> None:
    """Compare two networks, or two sets of stored activations, layer by layer."""
    kept = "nothing was written" if checkpoint is None else f"rerun the command to continue from {checkpoint}"
    with _exit_codes(kept):
        from .._files import writing
        from ..activations import from_names
        from ..activations.constants import parsed_constants
        from ..comparison import compare as run
        from ..comparison.result import SOME_FILES
        from . import layer_names
        from .transplanting import read_labels, with_transplants

        if (transplant is None) != (labels is None):
            raise BadArgument("--transplant and --labels: give both or none")
        shown, constants = None if eps is None else _eps(eps), parsed_constants(constant or ())
        if pair and (pairs or match != "name"):
            raise BadArgument("--pair: give it without --match and --pairs; it lists what is compared")
        names = _names(a, b)
        _check_sources(
            (a, b),
            data,
            of_networks={"--input": input_name, "--constant": constant, "--channels": channels != "auto"},
            of_stored={"--rows-by": rows_by, "--scheduler": scheduler},
            of_data={"--size": size, "--normalise": normalise, "--text-column": text_column, "--labels": labels},
        )
        networks = {
            name: from_names.network(t, download=download) if from_names.names_network(t) else Path(t)
            for name, t in zip(names, (a, b), strict=True)
        }
        source_options = {"scheduler": scheduler, "rows_by": rows_by, "input": input_name, "constants": constants}
        there: dict[str, Any] = {name: value for name, value in source_options.items() if value}
        if sample is not None:
            there["sample"] = sample
        classes = None if transplant is None else read_labels(labels, data)
        batches = None
        if data is not None:
            batches = from_names.data(data, batch_size, size=size, normalise=normalise, text_column=text_column)
        with writing(out, replaces=SOME_FILES) as written:
            comparison = run(
                networks,
                batches,
                eps=shown,
                centred=centred,
                simple_eps=(shown or EPS) if simple else (),
                simple_layers=simple_layers,
                clusters=clusters,
                sparse=sparse or (),
                bins=bins,
                evidence=evidence,
                permutations=permutations,
                measures=_listed(measures) or None,
                match=match,
                measure=measure,
                pairs=layer_names.listed_pairs(pair, names) if pair else pairs,
                pool=int(pool) if pool is not None and pool.isdecimal() else pool,
                top=top,
                inputs=from_names.pictures(data, size) if top and data else None,
                max_memory_gb=max_memory_gb,
                notes={names[0]: a, names[1]: b, **_data_note(data, batches)},
                layers=None if layers is None else layer_names.patterns_by_network(layers, names),
                units=units,
                positions=positions,
                seed=seed,
                sample_rows=sample_rows,
                folds=folds,
                null=null,
                method=method,
                channels=channels,
                checkpoint=checkpoint,
                **there,
            )
            if transplant is not None:
                assert classes is not None
                comparison = with_transplants(comparison, networks, batches, classes, transplant, input_name)
            is_saved = comparison.moments.nbytes <= LARGE_MOMENTS if save_moments is None else save_moments
            (comparison.save if is_saved else comparison.write_results)(written)
        _finish(comparison, out, as_json, wide)
        if not (is_saved or as_json):
            size_in_gb = comparison.moments.nbytes / 1e9
            Console(highlight=False).print(
                f"Moments of {size_in_gb:.2g} GB were not written; --save-moments writes them."
            )


@app.command()
def layers(
    network: Annotated[str, typer.Argument(help="As for compare, but for stored activations.")],
    data: Data = None,
    size: Size = None,
    normalise: Normalise = None,
    text_column: TextColumn = None,
    input_name: InputName = None,
    constant: ConstantInputs = None,
    channels: ChannelAxis = "auto",
    as_json: Annotated[bool, typer.Option("--json", help="Print the layers as JSON instead of a table.")] = False,
    download: Download = False,
) -> None:
    """List the layers of a network: what they are called, their shapes, and which are compared by default."""
    with _exit_codes():
        from ..activations import from_names, runs
        from ..activations import layers as layers_of
        from ..activations.constants import parsed_constants
        from . import tables

        if not from_names.names_network(network) and not (Path(network).exists() and runs(network)):
            raise BadArgument(f"{network}: no network; give file.py:function, package.module:function, hf:NAME, ...")
        _check_data(
            data, {"--size": size, "--normalise": normalise, "--text-column": text_column, "--input": input_name}
        )
        is_name = from_names.names_network(network)
        batch = None
        if data is not None:
            batches = from_names.data(data, FEW_EXAMPLES, size=size, normalise=normalise, text_column=text_column)
            batch = next(iter(batches))
        found = layers_of(
            from_names.network(network, download=download) if is_name else Path(network),
            batch,
            channels=channels,
            input=input_name,
            constants=parsed_constants(constant or ()),
        )
        if as_json:
            typer.echo(json.dumps([asdict(layer) for layer in found], indent=1))
            return
        console = Console(highlight=False)
        console.print(tables.of_layers(found))
        console.print(tables.about_layers(found, has_batch=batch is not None))


@app.command()
def features(
    sources: Annotated[
        list[Path],
        typer.Argument(
            help="A .npz of scipy.sparse.save_npz for each dictionary, rows x features, or one folder of "
            "sm.SparseFeatures."
        ),
    ],
    examples: Annotated[
        Path | None, typer.Option(help=".npy with the example of each row, such as the document of a token.")
    ] = None,
    out: Annotated[Path, typer.Option(help="Folder for the results.")] = Path("spanmatch-features"),
    candidates: Annotated[int, typer.Option(min=1, help="Features that each can choose from at first.")] = 32,
    min_active_rows: Annotated[
        int, typer.Option(min=1, help="Rows in which a feature must be active to be given a partner.")
    ] = 10,
    max_memory_gb: Annotated[
        float | None, typer.Option(help="Largest memory to take beyond the rows, in GB; by default half of all.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print partners.json instead of tables.")] = False,
    wide: Annotated[bool, typer.Option("--wide", help="Print tables as wide as they are.")] = False,
) -> None:
    """Find the partners of sparse features, as of sparse autoencoders, in other dictionaries."""
    with _exit_codes():
        from ..dictionaries.from_files import features_of_files, ids_of_file
        from . import feature_tables

        rows = features_of_files(sources, None if examples is None else ids_of_file(examples))
        feature_tables.make_folder(out)
        results = feature_tables.partners_of_all(
            rows, candidates=candidates, min_active_rows=min_active_rows, max_memory_gb=max_memory_gb
        )
        feature_tables.write_partners(out, rows, results)
        if as_json:
            sys.stdout.write((out / "partners.json").read_text(encoding="utf-8"))
            return
        console = _console(wide)
        for table in feature_tables.of_partners(rows, results):
            console.print(table)
        console.print(f"Tables: {escape(str(out / 'partners.csv'))}, features.csv", soft_wrap=True)


def main() -> None:
    """Run the command line."""
    app()


def _check_sources(
    texts: tuple[str, str],
    data: str | None,
    *,
    of_networks: Mapping[str, object],
    of_stored: Mapping[str, object],
    of_data: Mapping[str, object],
) -> None:
    """Raise BadArgument unless there are two networks with data or two of stored activations, and options fit."""
    from ..activations import from_names, runs

    missing = [text for text in texts if not from_names.names_network(text) and not Path(text).exists()]
    if missing:
        raise BadArgument(f"{missing[0]}: no such file or folder")
    for text in texts:
        if Path(text).suffix == ".py" and not from_names.names_network(text):
            raise BadArgument(f"{text}: name the function or class in it that makes the network, as {text}:NAME")
    are_run = [from_names.names_network(text) or runs(text) for text in texts]
    if are_run[0] != are_run[1]:
        raise BadArgument(f"{texts[0]} and {texts[1]}: give two networks or two of stored activations, not one of each")
    if are_run[0] and data is None:
        raise BadArgument("--data is missing: what are the networks to be run on?")
    if are_run[0]:
        for option in _given(of_stored):
            raise BadArgument(f"{option} is for stored activations; networks see the same inputs")
    else:
        for option in _given({"--data": data, **of_networks}):
            raise BadArgument(
                f"{option} is for networks, and {texts[0]} is read as stored activations, which are compared as they "
                f"are; if it holds weights, name what makes their network: file.py:function@{texts[0]}"
            )
    _check_data(data, of_data)


def _check_data(data: str | None, options: Mapping[str, object]) -> None:
    """Raise BadArgument if there are options of data without data."""
    if data is None and _given(options):
        raise BadArgument(f"{', '.join(_given(options))}: for --data, which is missing")


def _given(options: Mapping[str, object]) -> list[str]:
    """Return the options that were given."""
    return [name for name, value in options.items() if value]


@contextlib.contextmanager
def _exit_codes(kept: str = "nothing was written") -> Iterator[None]:
    """Turn what went wrong into a message on standard error and an exit code; warnings of spanmatch into a line."""
    try:
        with warnings.catch_warnings():
            warnings.showwarning = _warn
            yield
    except BadArgument as error:
        _complain(error)
        raise typer.Exit(BAD_USAGE) from error
    except SpanmatchError as error:
        _complain(error)
        raise typer.Exit(FAILED) from error
    except KeyboardInterrupt as interrupt:
        _complain(f"interrupted; {kept}")
        raise typer.Exit(INTERRUPTED) from interrupt


def _warn(
    message: Warning | str,
    category: type[Warning],
    filename: str,
    lineno: int,
    file: object = None,
    line: str | None = None,
) -> None:
    is_of_spanmatch = issubclass(category, SpanmatchWarning)
    text = str(message) if is_of_spanmatch else warnings.formatwarning(message, category, filename, lineno, line)
    Console(stderr=True, highlight=False, soft_wrap=True).print(f"[yellow]warning:[/] {escape(text)}")


def _complain(message: object) -> None:
    Console(stderr=True, highlight=False, soft_wrap=True).print(f"[bold red]error:[/] {escape(str(message))}")


def _eps(text: str) -> list[float]:
    try:
        values = [float(part) for part in text.replace(",", " ").split()]
    except ValueError as error:
        raise BadArgument(f"--eps {text!r}: give numbers in [0, 1), as '{DEFAULT_EPS}'") from error
    wrong = [value for value in values if not 0 <= value < 1]
    if wrong or not values:
        raise BadArgument(f"--eps {text!r}: {wrong[0]:g} is not in [0, 1)" if wrong else "--eps: give at least one")
    return values


def _data_note(data: str | None, batches: object) -> dict[str, str]:
    """Return what the report says of the data: where they are from, and how images were prepared."""
    from ..activations.image_batches import ImageBatches

    if data is None:
        return {}
    return {"Data": f"{data}: {batches.words}" if isinstance(batches, ImageBatches) else data}


def _names(a: str, b: str) -> tuple[str, str]:
    """Return short names of the two: of their weights, functions, arguments or files, whichever differ first."""
    parts = _parts_of_name(a), _parts_of_name(b)
    for names in zip(*parts, strict=True):
        if all(names) and names[0] != names[1]:
            return names
    return "a", "b"


def _parts_of_name(text: str) -> tuple[str, str, str, str]:
    """Return the file of weights, the function, the function with its arguments, and the file or model, in short."""
    from ..activations import code_names, hub

    if hub.is_hub_name(text):
        return "", "", "", text.rpartition("/")[2].removeprefix(hub.HUB)
    if not code_names.names_function(text):
        return "", "", "", Path(text.partition(":")[0]).stem
    code = code_names.parsed(text)
    place = Path(code.place).stem if code.is_file else code.place
    return Path(code.weights).stem, code.function, code.called.replace(":", " "), place


def _finish(comparison: Comparison, folder: Path, as_json: bool, wide: bool) -> None:
    if as_json:
        sys.stdout.write((folder / "comparison.json").read_text(encoding="utf-8"))
        return
    from . import pairing_tables, tables

    console = _console(wide)
    for table in tables.of_comparison(comparison, wide=wide):
        console.print(table)
    for shown in pairing_tables.of_comparison(comparison):
        console.print(shown)
    _print_layouts(console, tables.layouts_of((pair.name, pair.provenance.layout) for pair in comparison))
    _print_warnings(console, tables.warnings_of(comparison))
    _print_report(console, folder)


def _finish_study(study: Study, as_json: bool, wide: bool) -> None:
    if as_json:
        sys.stdout.write((study.folder / "study.json").read_text(encoding="utf-8"))
        return
    from . import tables

    console = _console(wide)
    for table in tables.of_study(study):
        console.print(table)
    _print_layouts(console, tables.layouts_of(tables.layouts_of_study(study)))
    for comparison in study.comparisons.values():
        _print_warnings(console, tables.refusals_of_transplants(comparison["transplants"]))
    _print_warnings(console, tables.missing_accuracies(study))
    _print_report(console, study.folder)


def _finish_bench(result: Bench, as_json: bool, wide: bool) -> None:
    if as_json:
        sys.stdout.write((result.folder / "bench.json").read_text(encoding="utf-8"))
        return
    from . import bench_tables

    console = _console(wide)
    for table in bench_tables.of_bench(result, wide=wide):
        console.print(table)
    _print_warnings(console, bench_tables.warnings_of(result))
    for note in bench_tables.notes_of(result):
        console.print(note, style="dim")
    _print_report(console, result.folder)


def _listed(values: Iterable[str] | None) -> list[str]:
    """Return the names in options that can be repeated, each with names between commas."""
    return [name.strip() for value in values or () for name in value.split(",") if name.strip()]


def _console(wide: bool) -> Console:
    """Return where results are printed: as wide as the terminal, or as the widest table."""
    return Console(highlight=False, width=WIDEST if wide else None)


def _print_layouts(console: Console, layouts: Iterable[str]) -> None:
    for layout in layouts:
        console.print(escape(layout), style="dim")


def _print_warnings(console: Console, named: Iterable[tuple[str, str]]) -> None:
    for name, warning in named:
        console.print(f"[yellow]warning:[/] {escape(name)}: {escape(warning)}", soft_wrap=True)


def _print_report(console: Console, folder: Path) -> None:
    console.print(f"Report: {escape(str(folder / 'report.html'))}", soft_wrap=True)


def _write_first(name: str, template: Path) -> None:
    """Write the commented study under a name.  Raises BadArgument if there is such a file."""
    from .._files import write_text

    path = Path(name if name.endswith(".toml") else f"{name}.toml")
    if path.exists():
        raise BadArgument(f"{path} is there already; give another name")
    if not re.fullmatch(r"[\w.+-]+", path.stem):
        raise BadArgument(f"--init {name!r}: give letters, digits and . + - _ alone")
    text = re.sub('^name = "demo"', f'name = "{path.stem}"', template.read_text(encoding="utf-8"), count=1, flags=re.M)
    write_text(path, text)
    Console(highlight=False).print(f"Wrote {escape(str(path))}; run it with: spanmatch study {escape(str(path))}")
