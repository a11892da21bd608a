"""The command line: spanmatch demo, compare, study, report."""

from __future__ import annotations

import contextlib
import re
import sys
import warnings
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import numpy as np
import typer
from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from .. import __about__
from .._files import write_text, writing
from ..errors import BadArgument, SpanmatchError, SpanmatchWarning

if TYPE_CHECKING:
    from ..alignment import Alignment, Clusters, LayerAlignment
    from ..comparison.comparing import Comparison
    from ..evidence import Evidence, RowsNeeded
    from ..match import MatchProfile
    from ..moments.spans import Array
    from ..schema import ComparedStep, IntervalRecord, LayerRecord, SpreadRecord, TransplantRecord
    from ..study import Study

    Results = tuple[MatchProfile, LayerAlignment, Evidence | None]

FAILED, BAD_USAGE, INTERRUPTED = 1, 2, 130
PAPER_EPS = "0.15 0.2 0.25 0.3 0.5"

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode="rich",
    pretty_exceptions_show_locals=False,
    help="To what extent did two neural networks learn the same representations?",
)


@app.callback(invoke_without_command=True)
def _root(
    version: Annotated[bool, typer.Option("--version", help="Print the version and leave.", is_eager=True)] = False,
) -> None:
    if version:
        typer.echo(f"spanmatch {__about__.VERSION}")
        raise typer.Exit


@app.command()
def demo(
    out: Annotated[Path, typer.Option(help="Folder for the results.")] = Path("spanmatch-demo"),
    as_json: Annotated[bool, typer.Option("--json", help="Print the results as JSON instead of a table.")] = False,
) -> None:
    """Train small networks on digits from three seeds, and compare them at every layer."""
    with _exit_codes():
        from ..study import DEMO, run_study

        _finish_study(run_study(DEMO, out), as_json)


@app.command()
def study(
    file: Annotated[Path | None, typer.Argument(help="A TOML file; --init writes one.")] = None,
    init: Annotated[str | None, typer.Option(metavar="NAME", help="Write NAME.toml, commented, and leave.")] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Check everything without data and training.")] = False,
    out: Annotated[Path | None, typer.Option(help="Folder for the results; by default the file says.")] = None,
    workers: Annotated[int | None, typer.Option(min=1, help="Networks to train at once; by default the cores.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print the results as JSON instead of tables.")] = False,
) -> None:
    """Train networks from several seeds and compare them, as a TOML file says; go on where it was stopped."""
    with _exit_codes(kept="what was done is kept: run it again to go on"):
        from .. import study as studies

        if init is not None:
            _write_first(init, studies.DEMO)
            return
        if file is None:
            raise BadArgument("give a TOML file, or --init NAME to write one")
        if dry_run:
            Console(highlight=False).print("\n".join(studies.dry_run(file)), markup=False, soft_wrap=True)
            return
        _finish_study(studies.run_study(file, out, workers), as_json)


@app.command()
def report(
    folder: Annotated[Path, typer.Argument(help="Results of a comparison or a study.")],
) -> None:
    """Make the page anew from saved results."""
    with _exit_codes():
        from ..report import render
        from ..saved_results import read_comparison
        from ..study import Study

        if not folder.is_dir():
            raise SpanmatchError(f"{folder}: no such folder; give the folder of a comparison or a study")
        with writing(folder) as written:
            path = written / "report.html"
            if (folder / "study.json").is_file():
                Study.load(folder).report(path)
            else:
                write_text(path, render(read_comparison(folder)))
        Console(highlight=False).print(f"Report: {escape(str(folder / path.name))}", soft_wrap=True)


@app.command()
def compare(
    a: Annotated[
        str, typer.Argument(help="file.py:function[@weights], .onnx, a folder of transformers, or stored activations.")
    ],
    b: Annotated[str, typer.Argument(help="The other network, of the same kind.")],
    data: Annotated[
        str | None,
        typer.Option(help="What to run networks on: .npy, .npz, .safetensors, .txt (lines), or file.py:function."),
    ] = None,
    layers: Annotated[
        list[str] | None, typer.Option(help="Layer name or shell pattern, as '*relu*'; can be repeated.")
    ] = None,
    eps: Annotated[str, typer.Option(help="Values for the table, in \\[0, 1).")] = PAPER_EPS,
    out: Annotated[Path, typer.Option(help="Folder for the results.")] = Path("spanmatch-compare"),
    as_json: Annotated[bool, typer.Option("--json", help="Print the results as JSON instead of a table.")] = False,
    centred: Annotated[bool, typer.Option("--centred", help="Take each neuron's mean out first.")] = False,
    method: Annotated[
        Literal["gram", "qr", "single"],
        typer.Option(help="qr resolves far smaller distances, several times slower; single far larger ones, faster."),
    ] = "gram",
    units: Annotated[
        Literal["channel", "location"], typer.Option(help="What is a neuron of a convolution.")
    ] = "channel",
    positions: Annotated[
        int | None, typer.Option(min=1, help="Sample so many positions of each example of a convolution.")
    ] = None,
    seed: Annotated[int, typer.Option(min=0, help="Seed of that sample.")] = 0,
    folds: Annotated[int, typer.Option(min=1, help="Folds to keep apart for evidence.")] = 8,
    null: Annotated[bool, typer.Option(help="Keep a pairing in which nothing corresponds, for evidence.")] = True,
    batch_size: Annotated[
        int | None, typer.Option(min=1, help="Examples in a batch of --data; by default 256, of texts 16.")
    ] = None,
    simple: Annotated[
        bool, typer.Option("--simple", help="Find minimum and simple matches too, at every eps.")
    ] = False,
    simple_layers: Annotated[
        list[str] | None, typer.Option(help="Do so only for these layers; can be repeated.")
    ] = None,
    clusters: Annotated[bool, typer.Option(help="Cluster the neurons of both networks.")] = True,
    sparse: Annotated[
        list[str] | None,
        typer.Option(help="Predict the neurons of these layers from few of the other network's; '*' for all."),
    ] = None,
    evidence: Annotated[
        bool | None,
        typer.Option(help="Intervals, chance and held-out values; by default for layers of up to 128 neurons."),
    ] = None,
    pairs: Annotated[
        Literal["matching", "all"], typer.Option(help="all: put all layers against all others too, as a matrix.")
    ] = "matching",
    pool: Annotated[
        str | None,
        typer.Option(help="mean or last (token): one row an example; or a number of positions along each axis."),
    ] = None,
    top: Annotated[
        int,
        typer.Option(min=0, help="Show so many inputs that excite each neuron most; pictures, if --data holds images."),
    ] = 0,
    max_memory_gb: Annotated[float | None, typer.Option(help="The most that moments may take, in GB.")] = None,
    scheduler: Annotated[
        str | None,
        typer.Option(help="Read stored activations with Dask: a scheduler's address, or how many processes to start."),
    ] = None,
    checkpoint: Annotated[
        Path | None, typer.Option(help="Write moments there every five minutes, and go on from there after a stop.")
    ] = None,
    bins: Annotated[
        int | None, typer.Option(min=2, help="Look for partners by mutual information too, with so many bins.")
    ] = None,
) -> None:
    """Compare two networks, or two files of activations, at all layers of the same name."""
    kept = "nothing was written" if checkpoint is None else f"rerun the command to continue from {checkpoint}"
    with _exit_codes(kept):
        from ..activations import from_names, runs
        from ..comparison.comparing import compare as run

        shown = _eps(eps)
        missing = [text for text in (a, b) if not from_names.is_code(text) and not Path(text).exists()]
        if missing:
            raise BadArgument(f"{missing[0]}: no such file or folder")
        run_them = [from_names.is_code(text) or runs(text) for text in (a, b)]
        if run_them[0] != run_them[1]:
            raise BadArgument(f"{a} and {b}: give two networks or two of stored activations, not one of each")
        if run_them[0] and data is None:
            raise BadArgument("--data is missing: what are the networks to be run on?")
        if not run_them[0] and data is not None:
            raise BadArgument("--data is for networks; files of activations are compared as they are")
        names = _names(a, b)
        networks = {
            name: from_names.network(t) if from_names.is_code(t) else Path(t)
            for name, t in zip(names, (a, b), strict=True)
        }
        there: dict[str, Any] = {} if scheduler is None else {"scheduler": scheduler}
        batches = from_names.data(data, batch_size) if data is not None else None
        with writing(out) as written:
            comparison = run(
                networks,
                batches,
                eps=shown,
                centred=centred,
                simple_eps=shown if simple else (),
                simple_layers=simple_layers,
                clusters=clusters,
                sparse=sparse or (),
                bins=bins,
                evidence=evidence,
                pairs=pairs,
                pool=int(pool) if pool is not None and pool.isdecimal() else pool,
                top=top,
                inputs=from_names.pictures(data) if top and data else None,
                max_memory_gb=max_memory_gb,
                notes={names[0]: a, names[1]: b, **({"Data": data} if data else {})},
                layers=layers,
                units=units,
                positions=positions,
                seed=seed,
                folds=folds,
                null=null,
                method=method,
                checkpoint=checkpoint,
                **there,
            )
            comparison.save(written)
        _finish(comparison, out, as_json)


def main() -> None:
    """Run the command line."""
    app()


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
    own = issubclass(category, SpanmatchWarning)
    text = str(message) if own else warnings.formatwarning(message, category, filename, lineno, line)
    Console(stderr=True, highlight=False, soft_wrap=True).print(f"[yellow]warning:[/] {escape(text)}")


def _complain(message: object) -> None:
    Console(stderr=True, highlight=False, soft_wrap=True).print(f"[bold red]error:[/] {escape(str(message))}")


def _eps(text: str) -> list[float]:
    try:
        values = [float(part) for part in text.replace(",", " ").split()]
    except ValueError as error:
        raise BadArgument(f"--eps {text!r}: give numbers in [0, 1), as '{PAPER_EPS}'") from error
    wrong = [value for value in values if not 0 <= value < 1]
    if wrong or not values:
        raise BadArgument(f"--eps {text!r}: {wrong[0]:g} is not in [0, 1)" if wrong else "--eps: give at least one")
    return values


def _names(a: str, b: str) -> tuple[str, str]:
    """Return short names of the two: of their weights, functions or files, whichever differ first."""
    for part in (_weights, _function, _stem):
        names = part(a), part(b)
        if all(names) and names[0] != names[1]:
            return names
    return "a", "b"


def _weights(text: str) -> str:
    return Path(text.partition("@")[2]).stem


def _function(text: str) -> str:
    return text.partition("@")[0].rpartition(":")[2] if ".py:" in text else ""


def _stem(text: str) -> str:
    return Path(text.partition(":")[0]).stem


def _finish(comparison: Comparison, folder: Path, as_json: bool) -> None:
    if as_json:
        sys.stdout.write((folder / "comparison.json").read_text(encoding="utf-8"))
        return
    console = Console(highlight=False)
    console.print(_table(comparison))
    console.print(_partners_table(comparison))
    if any(comparison.assessments):
        console.print(_evidence_table(comparison))
    if comparison.universality:
        console.print(_universality_table(comparison))
    if comparison.simple:
        console.print(_simple_table(comparison))
    for name, warning in _warnings(comparison):
        console.print(f"[yellow]warning:[/] {escape(name)}: {escape(warning)}", soft_wrap=True)
    console.print(f"Report: {escape(str(folder / 'report.html'))}", soft_wrap=True)


def _warnings(comparison: Comparison) -> Iterator[tuple[str, str]]:
    """Yield what to heed, and what could not be had, by the pair of layers."""
    for name, profile in zip(comparison.names(), comparison.profiles, strict=True):
        for warning in profile.warnings:
            yield name, warning
    for name, assessed in zip(comparison.names(), comparison.assessments, strict=True):
        if assessed is None:
            continue
        if assessed.rows is not None and not assessed.rows.enough:
            yield name, assessed.rows.advice
        if assessed.reasons:
            yield name, f"not all evidence can be had: {'; '.join(assessed.reasons)}"


def _write_first(name: str, template: Path) -> None:
    """Write the commented study under a name.  Raises BadArgument if there is such a file."""
    path = Path(name if name.endswith(".toml") else f"{name}.toml")
    if path.exists():
        raise BadArgument(f"{path} is there already; give another name")
    if not re.fullmatch(r"[\w.+-]+", path.stem):
        raise BadArgument(f"--init {name!r}: give letters, digits and . + - _ alone")
    text = template.read_text(encoding="utf-8")
    write_text(path, text.replace('name = "demo"       ', f'name = "{path.stem}"'.ljust(20), 1))
    Console(highlight=False).print(f"Wrote {escape(str(path))}; run it with: spanmatch study {escape(str(path))}")


def _finish_study(study: Study, as_json: bool) -> None:
    if as_json:
        sys.stdout.write((study.folder / "study.json").read_text(encoding="utf-8"))
        return
    console = Console(highlight=False)
    console.print(_accuracy_table(study))
    for step in study.results["steps"]:
        if step["kind"] in ("seeds", "across"):
            for table in _step_tables(step):
                console.print(table)
            _show_transplants(study.comparisons[step["name"]]["transplants"], console)
    console.print(f"Report: {escape(str(study.folder / 'report.html'))}", soft_wrap=True)


def _accuracy_table(study: Study) -> Table:
    seeds = len(study.results["settings"]["seeds"])
    table = _titled(f"{study.results['name']}: test accuracy over {seeds} seeds", "mean", "95% interval", "from", "to")
    table.columns[0].header = "variant"
    for name, found in study.accuracy.items():
        interval = "-" if found["low"] is None else f"{found['low']:.1%} to {found['high']:.1%}"
        table.add_row(
            escape(name), f"{found['value']:.1%}", interval, f"{found['minimum']:.1%}", f"{found['maximum']:.1%}"
        )
    return table


def _step_tables(step: ComparedStep) -> Iterator[Table]:
    """Yield the table of s(eps), and that of the measures: together they are too wide for a terminal."""
    shares = [row for row in step["rows"] if row["quantity"].startswith("s(")]
    measures = [row for row in step["rows"] if row not in shares]
    title = f"{step['name']}: {{}}, mean over pairs ±95% over seeds"
    yield _over_seeds(title.format("share matched by eps"), shares)
    if measures:
        yield _over_seeds(title.format("measures"), measures)


TRANSPLANT_CONTROLS = {"ablation": "ablated", "other examples": "other examples", "untrained": "untrained"}
"""What transplants are compared with, as tables head it."""


def _show_transplants(transplants: Sequence[TransplantRecord], console: Console) -> None:
    """Print accuracies, what the transplant has more than each control, and why something is missing."""
    if not transplants:
        return
    first = transplants[0]
    a, b = (first[layer].partition(":")[0] for layer in ("x_layer", "y_layer"))
    title = f"Accuracy of {escape(a)} with the neurons matched at eps {first['eps']:g} predicted from {escape(b)}"
    accuracies = _titled(title, "neurons", "untouched", "predicted", *TRANSPLANT_CONTROLS.values())
    title = f"Predicted less control, in points, with 95% intervals over {first['n_examples']:,} examples"
    differences = _titled(title, *TRANSPLANT_CONTROLS.values())
    for found in transplants:
        outcomes = {outcome["condition"]: outcome for outcome in found["outcomes"]}
        less = {d["control"]: d["accuracy"] for d in found["differences"] if d["condition"] == "transplant"}
        layer, names = escape(found["x_layer"].partition(":")[2]), ("untouched", "transplant", *TRANSPLANT_CONTROLS)
        shown = [_percent(outcomes[name]["accuracy"]) if name in outcomes else "-" for name in names]
        accuracies.add_row(layer, str(outcomes["transplant"]["neurons"]), *shown)
        differences.add_row(layer, *(_points(less.get(name)) for name in TRANSPLANT_CONTROLS))
    console.print(accuracies)
    console.print(differences)
    reasons = {(found["x_layer"], what): reason for found in transplants for what, reason in found["refused"].items()}
    for (layer, what), reason in reasons.items():
        console.print(f"[yellow]warning:[/] {escape(layer)}, {what}: {escape(reason)}", soft_wrap=True)


def _percent(value: float | None) -> str:
    return "-" if value is None else f"{value:.1%}"


def _points(difference: IntervalRecord | None) -> str:
    """Return a difference of accuracies with its interval, in points; nothing for one that cannot be had."""
    if difference is None:
        return "-"
    value, low, high = difference["value"], difference["low"], difference["high"]
    if value is None or low is None or high is None:
        return "-"
    return f"{100 * value:+.1f} ({100 * low:.1f}, {100 * high:.1f})"


def _over_seeds(title: str, rows: Sequence[LayerRecord]) -> Table:
    quantities = list(dict.fromkeys(row["quantity"] for row in rows))
    table = _titled(title, "neurons", *(name.removeprefix("s(").removesuffix(")") for name in quantities))
    by_layer: dict[str, list[LayerRecord]] = {}
    for row in rows:
        by_layer.setdefault(row["layer"], []).append(row)
    for layer, own in by_layer.items():
        table.add_row(escape(layer), str(own[0]["neurons"]), *map(_with_interval, own))
    return table


def _with_interval(spread: SpreadRecord) -> str:
    value, high = spread["value"], spread["high"]
    if value is None:
        return "-"
    return f"{value:.2f}" + ("" if high is None else f" ±{high - value:.2f}")


def _titled(title: str, *columns: str) -> Table:
    table = Table(title=title, title_justify="left", title_style="bold", box=SIMPLE_HEAD)
    table.add_column("layer", overflow="fold")
    for column in columns:
        table.add_column(column, justify="right")
    return table


def _by_layer(comparison: Comparison) -> Iterator[tuple[str, list[Results]]]:
    """Yield the results of each layer, of one pair of networks or, to be put together, of several."""
    found: dict[str, list[Results]] = {}
    several = len(comparison.networks) > 2
    rows = zip(comparison.profiles, comparison.convergence, comparison.assessments, strict=True)
    for name, results in zip(comparison.names(), rows, strict=True):
        profile = results[0]
        same = profile.x_layer.partition(":")[2] == profile.y_layer.partition(":")[2]
        key = profile.x_layer.partition(":")[2] if several and same else name
        found.setdefault(key, []).append(results)
    yield from found.items()


def _several(comparison: Comparison) -> str:
    count = len(comparison.networks)
    return f", mean over {count * (count - 1) // 2} pairs of networks" if count > 2 else ""


def _spread(values: Sequence[int]) -> str:
    return "/".join(map(str, dict.fromkeys(values)))


def _table(comparison: Comparison) -> Table:
    *first, last = map(escape, comparison.networks)
    names = f"{', '.join(first)} and {last}" if first else last
    title = f"{names}: share of neurons in the maximum match, by eps{_several(comparison)}"
    table = _titled(title, "neurons", "silent", "rows", *(f"{eps:g}" for eps in comparison.eps))
    for layer, results in _by_layer(comparison):
        profiles = [profile for profile, _, _ in results]
        shares = np.mean([profile.similarity(comparison.eps) for profile in profiles], axis=0)
        silent = dict.fromkeys(
            side for p in profiles for side in ((p.x_layer, len(p.x_silent)), (p.y_layer, len(p.y_silent)))
        )
        row: list[Any] = [
            escape(layer),
            _spread([width for profile in profiles for width in (profile.x_neurons, profile.y_neurons)]),
            "/".join(str(count) for _, count in silent),
            f"{profiles[0].rows:,}",
        ]
        table.add_row(*row, *("-" if np.isnan(share) else f"{share:.3f}" for share in shares))
    return table


def _partners_table(comparison: Comparison) -> Table:
    title = f"One-to-one partners: median correlation, and what else there is{_several(comparison)}"
    table = _titled(title, "bipartite", "semi", "within", "by chance", "clear partner", "clusters")
    for layer, results in _by_layer(comparison):
        found = [aligned for _, aligned, _ in results]
        medians = [
            np.mean([_median(curve(a)) for a in found])
            for curve in (
                lambda a: a.bipartite.strength,
                lambda a: a.semi.strength,
                lambda a: np.concatenate([a.bipartite.x_baseline, a.bipartite.y_baseline]),
            )
        ]
        clear = np.mean([_clear(a.bipartite) for a in found])
        groups = "/".join(dict.fromkeys(_clusters(a.clusters) for a in found if a.clusters is not None)) or "-"
        chance = found[0].chance_correlation
        table.add_row(escape(layer), *(f"{m:.2f}" for m in medians), f"{chance:.2f}", f"{clear:.0%}", groups)
    return table


def _clusters(clusters: Clusters) -> str:
    """Return how many there are, with a question mark if no clear gap between the eigenvalues tells it."""
    return f"{len(clusters)}{'' if clusters.clear else '?'}"


def _median(values: Array) -> float:
    return float(np.median(values)) if len(values) else float("nan")


def _clear(a: Alignment) -> float:
    """Return the share of partners that are each other's best by more than chance correlations differ."""
    least = np.minimum(a.margin, a.back_margin)
    return float(np.mean(least > a.chance_correlation)) if len(least) else float("nan")


def _evidence_table(comparison: Comparison) -> Table:
    middle, largest = comparison.eps[len(comparison.eps) // 2], max(comparison.eps)
    title = f"Measures \\[by chance], and what the rows are worth at eps {middle:g}{_several(comparison)}"
    table = _titled(title, "rows worth", "needed", "cka, debiased", "procrustes", "R^2", f"s({largest:g}) held out")
    for layer, results in _by_layer(comparison):
        assessed = [a for _, _, a in results if a is not None]
        if not assessed:
            continue
        rows = [a.rows for a in assessed if a.rows is not None]
        counts = _effective_and_needed(rows) if rows else ("-", "-")
        cells = [_beside_chance(assessed, name) for name in ("debiased cka", "procrustes", "linear regression")]
        held = [a.profile.held_out_at(largest) for a in assessed if a.profile is not None]
        table.add_row(escape(layer), *counts, *cells, f"{np.mean(held):.2f}" if np.isfinite(held).any() else "-")
    return table


def _effective_and_needed(rows: Sequence[RowsNeeded]) -> tuple[str, str]:
    """Return the least effective rows of some pairs of networks, and the most that are needed."""
    worth, needed = float(np.min([r.effective_sample_size for r in rows])), max(r.needed for r in rows)
    known = "unknown" if np.isnan(worth) else f"{worth:,.0f}"
    return f"{'' if worth >= needed else '[yellow]'}{known}", f"{needed:,}"


def _beside_chance(assessed: Sequence[Evidence], name: str) -> str:
    """Return a measure with its null, means over the pairs of networks for which it can be had."""
    kept = [a[name] for a in assessed if not np.isnan(a[name].value)]
    if not kept:
        return "-"
    value, null = (float(np.mean([getattr(m, field) for m in kept])) for field in ("value", "null_value"))
    return f"{value:.2f}" + ("" if np.isnan(null) else f" \\[{null:.2f}]")


def _universality_table(comparison: Comparison) -> Table:
    first = comparison.universality[0]
    title = (
        f"In how many other networks a neuron has a partner of {first.min_correlation:g} or more, and is in the match "
        f"at eps {first.eps:g}; chains of partners that close"
    )
    ranks = "/".join(map(str, range(len(comparison.networks))))
    table = _titled(title, f"partner in {ranks}", f"matched in {ranks}", "chains that close", "by chance")
    for found in comparison.universality:
        shares = [100 * counts / counts.sum() for counts in found.distribution().values()]
        cells = ["/".join(f"{value:.0f}" for value in share) + "%" for share in shares]
        closing = ("-" if np.isnan(share) else f"{share:.0%}" for share in (found.consistency, found.chance))
        table.add_row(escape(found.layer), *cells, *closing)
    return table


def _simple_table(comparison: Comparison) -> Table:
    title = "Smallest groups found around each neuron (minimum matches), by eps"
    table = _titled(title, "eps", "neurons matched", "median size", "from", "to", "different")
    names = dict(zip(((p.x_layer, p.y_layer) for p in comparison.profiles), comparison.names(), strict=True))
    for found in comparison.simple:
        sizes = sorted(found.sizes.values())
        spread = [f"{sizes[len(sizes) // 2]}", f"{sizes[0]}", f"{sizes[-1]}"] if sizes else ["-"] * 3
        name = names[found.x_layer, found.y_layer]
        table.add_row(escape(name), f"{found.eps:g}", str(len(sizes)), *spread, str(len(found)))
    return table
