"""One result of every public class, for tests of what all results have."""

from __future__ import annotations

from functools import cache
from pathlib import Path

import layers
import numpy as np
import torch
from bench_records import bench_record

import spanmatch as sm

LONG = "encoder.layers.0.<b>self_attn</b>.a_name_of_sixty_letters_and_more.out"


@cache
def results() -> tuple[object, ...]:
    """Return one result of every public class."""
    X, Y = layers.correlated(n=240, p=6, q=5)
    two = {"a": {LONG: X}, "b": {LONG: Y}}
    comparison = sm.compare(two, bins=3, sparse="*", simple_eps=[0.9], evidence=True, pairs="all", top=2)
    first = comparison[0]
    alignment, of_first = first.alignment, comparison.moments.pair(first.x_layer, first.y_layer)
    match, pair = first.profile.at(0.9), sm.pair(X, Y)
    network = torch.nn.Sequential(torch.nn.Linear(6, 4), torch.nn.ReLU())
    tracker = sm.Tracker(network, [torch.randn(40, 6)], against="previous")
    tracker.step(0), tracker.step(1)
    scored = {"untouched": np.ones(40), "transplant": np.r_[np.ones(20), np.zeros(20)], "ablation": np.zeros(40)}
    transplant = layers.transplant(tuple(sm.Outcome(n, 4, 3, 1 - own, own) for n, own in scored.items()))
    layer_list = sm.layers(network, torch.zeros(3, 6))
    spread = {"value": 0.2, "low": 0.1, "high": 0.3, "minimum": 0.1, "maximum": 0.4}
    row = {"layer": LONG, "neurons": 6, "quantity": "s(0.5)", "eps": 0.5, "estimate": "in sample"} | spread
    step = {"name": "seeds", "kind": "seeds", "rows": [row, row], "transplants": []}
    variants = [{"name": "all", "epochs": [{"epoch": k, "test_accuracy": spread} for k in range(3)]}]
    record = {"name": "first", "runs": [], "steps": [step], "variants": variants, "intervals_over": "seeds"}
    bench = sm.Bench(Path("bench"), bench_record(n_measures=3, n_sets=1))
    study = sm.Study(Path("study"), record)
    return (
        *(
            comparison,
            first,
            first.profile,
            first.evidence,
            *first.measures,
            first.evidence.profile,
            first.evidence.rows,
        ),
        *(first.change, comparison.changes(), comparison.correspondence(), comparison.correspondence().counterparts[0]),
        *(comparison.matrix("cka"), comparison.score("cka"), first.provenance, comparison.moments, of_first, match),
        *(match.coefficients(of_first), first.profile.stability(0.5), *first.simple, *first.simple[0].matches[:1]),
        *(
            sm.minimum_match(of_first, ("x", int(match.x[0])), 0.9),
            sm.exact_structure(sm.pair(*layers.planted())),
            sm.held_out(of_first, match),
        ),
        *(alignment, alignment.bipartite, alignment.correlation, *alignment.maps, alignment.clusters),
        *(alignment.clusters.clusters[0], sm.mutual_information(of_first), sm.jackknife(pair, sm.cka)),
        *(sm.null(pair, sm.cka), sm.permutation_test(pair, sm.cka), sm.cca(pair), sm.procrustes(pair)),
        *(pair.sample, comparison.significance("mutual knn", 9)),
        *(measure(pair) for measure in sm.measures()),
        *(sm.cka(pair), *sm.measures(), comparison.moments.top(first.x_layer), transplant),
        *(transplant["ablation"], transplant.difference("ablation"), layer_list, layer_list[0], study, bench, tracker),
        *(*tracker.steps, *tracker.steps[-1].layers.values(), sm.over_seeds([0.1, 0.2, 0.3]), universality()),
        *sparse_features(),
    )


def sparse_features() -> tuple[object, ...]:
    """Return the results of dictionaries of sparse features."""
    X = np.maximum(layers.random(n=200, p=6, q=5)[0], 0)
    features = sm.SparseFeatures()
    features.update({f"a:{LONG}": X, f"b:{LONG}": X[:, ::-1]})
    names = list(features.layers)
    return features, sm.feature_partners(features, *names), sm.feature_universality(features, LONG)


def universality() -> sm.Universality:
    """Return the result of a layer of three networks."""
    X, Y = layers.correlated(n=120, p=6, q=5)
    networks = {"a": {LONG: X}, "b": {LONG: Y}, "c": {LONG: X + Y[:, :1]}}
    return sm.compare(networks, clusters=False, evidence=False).universality[0]
