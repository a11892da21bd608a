"""Null, intervals, held-out distances, enough rows, and assessments."""

from __future__ import annotations

import doctest
import importlib

import layers
import numpy as np
import oracles
import pytest
from numpy.testing import assert_allclose

import spanmatch as sm

MEASURES = [measure for measure in sm.measures() if measure.needs == "moments"]
OF_SAMPLES = [measure.name for measure in sm.measures() if measure.needs == "sample"]


def fold_of(n: int) -> np.ndarray:
    return oracles.fold_of(np.arange(n))


# ---- null


def test_the_null_is_the_measure_of_rows_of_other_examples():
    X, Y = layers.correlated(n=200, p=7, q=5)
    rolled = sm.pair(X, Y[oracles.partners(np.arange(200))])
    pair = sm.pair(X, Y)
    for measure in MEASURES:
        if measure.estimator == "held out":
            with pytest.raises(sm.SpanmatchError, match=f"{measure.name}: it needs 3 folds with rows"):
                sm.null(pair, measure)
            continue
        found = sm.null(pair, measure)
        assert found.null_value == pytest.approx(float(measure(rolled)), rel=1e-7)
        assert found.value == pytest.approx(float(measure(pair)))
        assert found.excess == found.value - found.null_value and found.name == measure.name
    assert sm.null(pair, sm.cka).excess > 0.2
    independent = sm.pair(*layers.random(n=3000, p=6, q=6))
    assert abs(sm.null(independent, sm.cka).excess) < 0.01
    assert sm.null(pair, lambda pair: sm.match_profile(pair).similarity(0.5)).name == "<lambda>"
    with pytest.raises(sm.SpanmatchError, match="no null pairing was kept"):
        sm.null(sm.pair(X, Y, null=False), sm.cka)


def test_what_is_no_measure_or_no_pair_is_refused():
    X, Y = layers.random()
    pair = sm.pair(X, Y)
    for ask in (sm.null, sm.jackknife):
        with pytest.raises(sm.SpanmatchError, match=r"measure='cka': give a function of a pair, such as sm\.cka"):
            ask(pair, "cka")
    for ask in (
        *(sm.cka, sm.cca, sm.procrustes, sm.linear_regression, sm.match_area, sm.match_profile, sm.exact_structure),
        *(sm.correlation, sm.one_to_one, sm.sparse_map, sm.clusters, sm.rows_needed, sm.profile_evidence),
        *(lambda X: sm.maximum_match(X, 0.3), lambda X: sm.null(X, sm.cka), lambda X: sm.jackknife(X, sm.cka)),
        *(lambda X: sm.minimum_match(X, ("x", 0), 0.3), lambda X: sm.simple_matches(X, 0.3), lambda X: sm.cka(X, X)),
    ):
        with pytest.raises(
            sm.SpanmatchError, match=r"expected a pair of layers, got ndarray; create one with sm.pair\(X, Y\)"
        ):
            ask(X)


# ---- the null of data that are sorted


def digit_layers() -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The last layers of two networks of random features, fitted to scikit-learn's digits, and the classes."""
    from sklearn.datasets import load_digits

    images, classes = load_digits(return_X_y=True)

    def layer(seed: int) -> np.ndarray:
        r = np.random.default_rng(seed)
        features = np.maximum(images / 4 @ r.standard_normal((64, 64)) / 16 + r.standard_normal(64), 0)
        logits = 6 * features @ np.linalg.lstsq(features, np.eye(10)[classes] - 0.1, rcond=None)[0]
        powers = np.exp(logits - logits.max(axis=1, keepdims=True))
        return powers / powers.sum(axis=1, keepdims=True)

    return layer(1), layer(2), classes


DIGITS = digit_layers()


def in_batches(X, Y, order, size, ids=None, **options):
    moments = sm.Moments(**options)
    for start in range(0, len(order), size):
        rows = order[start : start + size]
        moments.update({"a:l": X[rows], "b:l": Y[rows]}, None if ids is None else ids[rows])
    return moments.pair("a:l", "b:l")


@pytest.mark.parametrize(("size", "method"), [(32, "gram"), (100, "qr"), (100, "single"), (500, "gram")])
def test_the_null_of_data_sorted_by_class_is_refused(size, method):
    X, Y, classes = DIGITS
    order = np.argsort(classes, kind="stable")
    pair = in_batches(X, Y, order, size, method=method)
    assert pair.partner_similarity > (0.3 if size <= 100 else 0.05)
    for ask in (lambda: pair.null, lambda: sm.null(pair, sm.cka), lambda: pair.swapped.null):
        with pytest.raises(sm.SpanmatchError, match=r"layer '[ab]:l' those are alike \(similarity 0\..*shuffle"):
            ask()
    neighbours = sm.pair(X[order], Y[np.roll(order, -1)])
    assert float(sm.cka(neighbours)) > 0.8  # what it would be: each paired with the next


def test_the_null_of_shuffled_data_is_kept_however_it_came():
    X, Y, classes = DIGITS
    order = np.argsort(classes, kind="stable")
    shuffled = np.random.default_rng(0).permutation(order)
    ids = np.argsort(order)  # the place of each among the sorted
    found = [
        sm.null(pair, sm.cka)
        for pair in (
            in_batches(X, Y, shuffled, 100),  # by a loader that shuffles
            in_batches(X, Y, shuffled, 100, ids),  # the same, with ids in the order of the classes
            in_batches(X, Y, order, 2000),  # sorted, but all in one batch
        )
    ]
    for result in found:
        assert result.null_value < 0.01 and result.value > 0.9 and abs(result.partner_similarity) < 0.01
    # In the order of ids the partner would be of the same class.
    together = [rows[np.argsort(ids[rows])] for rows in np.array_split(shuffled, 18)]
    paired = sm.pair(X[np.concatenate(together)], Y[np.concatenate([np.roll(rows, -1) for rows in together])])
    assert float(sm.cka(paired)) > 0.3


@pytest.mark.parametrize(("n", "size"), [(12, 3), (40, 2), (64, 32), (300, 30)])
@pytest.mark.parametrize("neurons", [1, 8])
def test_few_shuffled_examples_are_not_refused(n, size, neurons):
    r = np.random.default_rng(0)
    for _ in range(20):
        X, Y = r.standard_normal((2, n, neurons)) + 3
        pair = in_batches(X, Y, np.arange(n), size)
        assert np.isfinite(pair.null.xy).all()


def test_positions_that_are_alike_do_not_make_examples_alike():
    """Most of the variance is of the position: the null keeps it, and it is no reason to refuse the null."""
    r = np.random.default_rng(0)
    ids = np.repeat(np.arange(600), 16)
    positions = 5 * np.tile(r.standard_normal((16, 4)), (600, 1))
    X, Y = (positions + r.standard_normal((9600, 4)) for _ in range(2))
    pair = in_batches(X, Y, np.arange(9600), 800, ids)
    assert abs(pair.partner_similarity) < 0.01
    assert sm.null(pair, sm.cka).null_value > 0.8
    assert in_batches(X, Y, np.arange(9600), 800).partner_similarity < 0.01  # positions as examples of their own


def test_rows_of_one_example_taken_for_examples_are_alike():
    r = np.random.default_rng(0)
    ids = np.repeat(np.arange(100), 20)
    X, Y = (np.repeat(r.standard_normal((100, 3)), 20, axis=0) + r.standard_normal((2000, 3)) for _ in range(2))
    with pytest.raises(sm.SpanmatchError, match="where several rows are of one example, give example_ids="):
        _ = in_batches(X, Y, np.arange(2000), 100).null
    assert sm.null(in_batches(X, Y, np.arange(2000), 100, ids), sm.cka).null_value < 0.1


def test_a_comparison_of_sorted_data_goes_on_and_says_why_there_is_no_null(monkeypatch, tmp_path):
    X, Y, classes = DIGITS
    order = np.argsort(classes, kind="stable")
    networks = {"a": {"head": X[order]}, "b": {"head": Y[order]}}
    monkeypatch.setattr(importlib.import_module("spanmatch.activations.from_files"), "VALUES_AT_ONCE", 2000)
    comparison = sm.compare(networks, evidence=True)
    found = comparison["head"].evidence
    for measure in found.measures:
        assert np.isnan(measure.null_value)
        if measure.name in OF_SAMPLES:
            continue
        assert "those are alike" in measure.reason and "shuffle" in measure.reason
        if measure.estimator != "in sample" and np.isnan(measure.low):  # Sorted rows may look dependent.
            assert "neighbouring rows are alike" in measure.reason
    assert np.isnan(found.profile.null).all() and np.isfinite(found.profile.held_out).all()
    assert 100 < found.rows.effective_sample_size <= len(X)
    comparison.save(tmp_path)
    header, *table = (line.split(",") for line in (tmp_path / "measures.csv").read_text().splitlines())
    assert {row[header.index("null_value")] for row in table} == {""}
    shuffled = np.random.default_rng(0).permutation(order)
    kept = sm.compare({"a": {"head": X[shuffled]}, "b": {"head": Y[shuffled]}}, evidence=True)["head"].evidence
    assert kept["cka"].reason == "" and kept["cka"].null_value < 0.01 and kept.rows.enough
    unasked = sm.compare(networks, evidence=True, null=False)["head"].evidence
    assert "no null pairing was kept" in unasked["cka"].reason and np.isnan(unasked["cka"].null_value)


def test_the_command_line_says_that_the_null_is_refused(monkeypatch, tmp_path):
    from typer.testing import CliRunner

    from spanmatch.cli.commands import app

    X, Y, classes = DIGITS
    order = np.argsort(classes, kind="stable")
    np.savez(tmp_path / "a.npz", head=X[order])
    np.savez(tmp_path / "b.npz", head=Y[order])
    monkeypatch.setattr(importlib.import_module("spanmatch.activations.from_files"), "VALUES_AT_ONCE", 2000)
    found = CliRunner().invoke(app, ["compare", str(tmp_path / "a.npz"), str(tmp_path / "b.npz"), "--evidence"])
    assert found.exit_code == 0, found.output
    assert "those are alike" in found.output and "nan" not in found.output


# ---- jackknife


def cka_of(pair: sm.Pair) -> float:
    """CKA, of which no range is declared, so that its interval is symmetric about the value."""
    return float(sm.cka(pair))


@pytest.mark.parametrize("n", [32, 163])
def test_the_jackknife_is_that_of_the_rows(n):
    X, Y = layers.correlated(n=n, p=4, q=4)
    found = sm.jackknife(sm.pair(X, Y), cka_of, level=0.9)
    whole, fold = float(sm.cka(sm.pair(X, Y))), fold_of(n)
    values = np.array([float(sm.cka(sm.pair(X[fold != k], Y[fold != k]))) for k in range(8)])
    assert found.value == pytest.approx(whole)
    if n == 32:  # folds of equal size: the textbook's formula
        error = np.sqrt(7 / 8 * np.sum((values - values.mean()) ** 2))
        assert found.error == pytest.approx(error, rel=1e-9)
        assert found.bias == pytest.approx(7 * (values.mean() - whole), rel=1e-6)
        assert found.high - found.low == pytest.approx(2 * 1.8945786 * error, rel=1e-6)  # Student's t, 7 degrees
    h = n / np.bincount(fold)
    pseudo = h * whole - (h - 1) * values
    mean = np.sum(pseudo / h)
    assert found.error == pytest.approx(np.sqrt(np.mean((pseudo - mean) ** 2 / (h - 1))), rel=1e-9)
    assert found.low < found.value < found.high and found.folds == 8 and float(found) == found.value


def test_the_jackknife_of_a_mean_is_its_standard_error():
    X, Y = layers.random(n=64, p=1, q=1)
    found = sm.jackknife(sm.pair(X, Y), lambda pair: pair.x_mean[0])
    means = [X[fold_of(64) == k, 0].mean() for k in range(8)]
    assert found.error == pytest.approx(np.std(means, ddof=1) / np.sqrt(8), rel=1e-9)
    assert found.bias == pytest.approx(0, abs=1e-12)


def test_intervals_cover_what_they_claim():
    """Truth from the population; 200 samples of 400 rows. Nominal 95% should give 90 to 99%."""
    r = np.random.default_rng(0)
    A, B = r.standard_normal((5, 4)), r.standard_normal((5, 4))
    xx, yy, xy = A.T @ A + np.eye(4), B.T @ B + np.eye(4), A.T @ B
    truth = {
        "debiased cka": np.linalg.norm(xy) ** 2 / np.linalg.norm(xx) / np.linalg.norm(yy),
        "linear regression": np.trace(xy.T @ np.linalg.solve(xx, xy)) / np.trace(yy),
        "procrustes": np.linalg.svd(xy, compute_uv=False).sum() / np.sqrt(np.trace(xx) * np.trace(yy)),
    }
    measures = {m.name: m for m in sm.measures() if m.name in truth}
    inside = dict.fromkeys(truth, 0)
    for _ in range(200):
        causes = r.standard_normal((400, 5))
        pair = sm.pair(causes @ A + r.standard_normal((400, 4)), causes @ B + r.standard_normal((400, 4)))
        for name, measure in measures.items():
            found = sm.jackknife(pair, measure)
            inside[name] += found.low <= truth[name] <= found.high
    for name, count in inside.items():
        assert 0.90 <= count / 200 <= 0.99, name


def test_rows_of_one_example_stay_together_in_intervals():
    r = np.random.default_rng(0)
    examples = np.repeat(np.arange(80), 10)
    X = np.repeat(r.standard_normal((80, 3)), 10, axis=0) + 0.1 * r.standard_normal((800, 3))
    Y = X + np.repeat(r.standard_normal((80, 3)), 10, axis=0)
    right = sm.jackknife(sm.pair(X, Y, example_ids=examples), sm.linear_regression)
    order = np.random.default_rng(1).permutation(800)
    wrong = sm.jackknife(sm.pair(X[order], Y[order]), sm.linear_regression)
    assert right.error > 1.8 * wrong.error


def test_intervals_need_folds_and_a_level():
    X, Y = layers.random()
    with pytest.raises(sm.SpanmatchError, match="0 folds; intervals need moments with folds=8"):
        sm.jackknife(sm.pair(X, Y, folds=1), sm.cka)
    with pytest.raises(sm.SpanmatchError, match="level=95: give a number between 0 and 1"):
        sm.jackknife(sm.pair(X, Y), sm.cka, level=95)


# ---- held out


@pytest.mark.parametrize("centred", [False, True])
@pytest.mark.parametrize("method", ["gram", "qr"])
def test_held_out_distances_are_those_of_rows_not_fitted(method, centred):
    X, Y = layers.correlated(n=164)
    pair = sm.pair(X + 1, Y - 2, method=method)
    X, Y = X + 1, Y - 2
    profile = sm.match_profile(pair, centred=centred)
    eps = profile.stability(float(np.quantile(profile.x_levels, 0.7))).high - 1e-6
    match = profile.at(eps)
    assert 5 < len(match.x) < 40
    found, fold = sm.held_out(pair, match), fold_of(164)
    left, whole = np.zeros((8, len(match.x))), np.zeros((8, len(match.x)))
    for k in range(8):
        train, test = fold != k, fold == k
        A, T = Y[:, match.y], X[:, match.x]
        a, t = (A[train].mean(axis=0), T[train].mean(axis=0)) if centred else (0.0, 0.0)
        W = np.linalg.lstsq(A[train] - a, T[train] - t, rcond=None)[0]
        left[k] = ((T[test] - t - (A[test] - a) @ W) ** 2).sum(axis=0)
        whole[k] = ((T[test] - t) ** 2).sum(axis=0)
    assert_allclose(found.x_distances, np.sqrt(left.sum(axis=0) / whole.sum(axis=0)), rtol=1e-7)
    assert_allclose(found.x_folds, np.sqrt(left / whole), rtol=1e-7)
    shift = (X.mean(axis=0), Y.mean(axis=0)) if centred else (0, 0)
    assert_allclose(
        found.y_in_sample, oracles.distances((Y - shift[1])[:, match.y], (X - shift[0])[:, match.x]), rtol=1e-7
    )
    distances = np.concatenate([found.x_distances, found.y_distances])
    assert found.share == np.mean(distances <= eps) < 1
    seen = np.concatenate([found.x_in_sample, found.y_in_sample])
    assert found.optimism == pytest.approx((distances - seen).mean()) and found.optimism > 0


def test_a_true_match_holds_and_a_chance_match_does_not():
    X, Y = layers.planted(n=4000)
    true = sm.held_out(pair := sm.pair(X, Y), sm.maximum_match(pair, 0.01))
    assert true.share == 1 and abs(true.optimism) < 1e-6
    assert "share 1.000 within eps" in repr(true) and len(repr(true)) < 120
    chance = sm.pair(*layers.random(n=60, p=40, q=40))
    match = sm.maximum_match(chance, 0.7)
    assert match.similarity > 0.9 and sm.held_out(chance, match).share < 0.05


def test_held_out_of_what_is_not_there():
    X, Y = layers.random()
    pair = sm.pair(X, Y)
    nothing = sm.held_out(pair, sm.maximum_match(pair, 0.1))
    assert np.isnan(nothing.share) and len(nothing.x_distances) == 0
    with pytest.raises(sm.SpanmatchError, match="no folds were kept"):
        sm.held_out(one := sm.pair(X, Y, folds=1), sm.maximum_match(one, 0.1))
    moments = sm.Moments()
    moments.update({"a:l": X, "b:l": Y})
    with pytest.raises(sm.SpanmatchError, match="a match of 'x' and 'y', but a pair of 'a:l' and 'b:l'"):
        sm.held_out(moments.pair("a:l", "b:l"), sm.maximum_match(pair, 0.1))


def test_neurons_silent_outside_a_fold_predict_nothing():
    X, Y = layers.correlated(n=400, p=8, q=8)
    X[fold_of(400) != 3, 2] = 0.0
    pair = sm.pair(X, Y)
    found = sm.held_out(pair, sm.maximum_match(pair, 0.999))
    place = list(found.x).index(2)
    assert found.x_folds[3, place] == pytest.approx(1)
    rest = next(rest for k, (rest, _) in enumerate(pair.splits()) if k == 3)
    assert rest.energy("x")[2] == rest.energy("x", centred=True)[2] == 0
    assert found.y_distances.max() < 1.1
    assert np.isfinite(found.y_distances).all() and np.isnan(found.x_folds[[0, 1, 2, 4, 5, 6, 7], place]).all()


def test_profile_evidence_puts_it_together():
    X, Y = layers.planted(n=800)
    Y = Y + 0.03 * np.random.default_rng(1).standard_normal(Y.shape)
    pair = sm.pair(X, Y)
    profile, eps = sm.match_profile(pair), [0.05, 0.35, 0.5, 0.98]
    assert 0 < profile.similarity(0.35) < 1
    found = sm.profile_evidence(pair, eps=eps)
    assert_allclose(found.similarity, profile.similarity(eps))
    corrected = sm.match_profile(pair, corrected=True)
    assert_allclose(found.corrected, corrected.similarity(eps))
    has_interval = found.corrected <= 0.75
    assert has_interval.any() and (found.low <= found.corrected)[has_interval].all()
    assert (found.corrected <= found.high)[has_interval].all()
    assert np.isnan(found.low[~has_interval]).all() and found.reason == ""
    assert_allclose(found.null, sm.match_profile(pair.null).similarity(eps))
    held = [sm.held_out(pair, profile.at(value)) for value in eps]
    expected = [h.share * profile.similarity(value) if len(h.x) else 0 for h, value in zip(held, eps, strict=True)]
    assert_allclose(found.held_out, expected)
    more = sm.profile_evidence(pair, eps=eps, held=[0.4, 0.5])
    assert more.held_out_eps.tolist() == [0.05, 0.35, 0.4, 0.5, 0.98]
    assert more.held_out_at(0.4) == sm.held_out(pair, profile.at(0.4)).share * profile.similarity(0.4) > 0
    with pytest.raises(
        sm.SpanmatchError, match=r"eps 0.45: the held-out share was computed at 0.05, 0.35, 0.4, 0.5, 0.98"
    ):
        more.held_out_at(0.45)
    assert np.isnan(sm.profile_evidence(sm.pair(X, Y, null=False), eps=eps).null).all()
    assert "of x and y at 4 eps: s(0." in repr(found) and len(repr(found)) < 140
    matplotlib = pytest.importorskip("matplotlib")
    matplotlib.use("Agg")
    assert len(found.plot().lines) == 4


# ---- enough rows


def test_independent_rows_are_worth_themselves():
    found = sm.rows_needed(sm.pair(*layers.random(n=2000, p=30, q=40)), eps=0.5)
    assert found.effective_sample_size == 2000 and found.provenance.n_examples == found.provenance.rows == 2000
    assert found.needed == int(np.ceil(40 / (1 - 0.75**2) + 1)) and found.enough and found.advice == ""
    assert found.chance_distance == pytest.approx(np.sqrt(1 - 40 / (found.effective_sample_size - 1)))


def test_rows_of_one_example_are_worth_less():
    r = np.random.default_rng(0)
    examples = np.repeat(np.arange(200), 10)
    X, Y = (np.repeat(r.standard_normal((200, 30)), 10, axis=0) for _ in range(2))
    found = sm.rows_needed(sm.pair(X, Y, example_ids=examples), eps=0.95)
    assert found.provenance.n_examples == 200 and found.effective_sample_size == pytest.approx(200, rel=0.15)
    assert found.enough is False and found.more == pytest.approx(found.needed / found.effective_sample_size)
    assert "effective sample size of 2,000 rows of 200 examples is" in found.advice
    # The word of the theory: at the rows needed, chance is halfway from eps to 1.
    n = found.needed - 1
    assert np.sqrt(1 - 30 / n) == pytest.approx((1 + 0.95) / 2, abs=0.002)


def test_rows_needed_of_what_cannot_be():
    X, Y = layers.random()
    with pytest.raises(sm.SpanmatchError, match="layer 'y' never varies"):
        sm.rows_needed(sm.pair(X, np.zeros((300, 2))))
    with pytest.raises(sm.SpanmatchError, match=r"eps=1: give a number in \[0, 1\)"):
        sm.rows_needed(sm.pair(X, Y), eps=1)
    assert sm.rows_needed(sm.pair(X, Y, null=False)).effective_sample_size == 300


# ---- assessments


def test_what_a_layer_does_not_allow_is_missing_with_its_reason():
    X, Y = layers.correlated(n=160, p=6, q=5)
    never = "layer 'y' never varies, so that there is nothing to compare"
    for constant in (0.0, 2.5):
        pair = sm.pair(X, np.full((160, 3), constant))
        found = sm.assess(pair, sm.match_profile(pair))
        assert [measure.name for measure in found.measures] == [measure.name for measure in sm.measures()]
        for measure in found.measures:
            assert np.isnan([measure.value, measure.low, measure.high, measure.null_value, measure.p_value]).all()
            assert measure.reason == never
        assert found.rows is None and set(found.refusals.values()) == {never}
        assert found.refusals.keys() == {"rows needed", *(measure.name for measure in sm.measures())}
        assert found.profile is not None
        saved = found.to_dict()
        assert saved["rows"] is None and found.measures[0].to_dict()["value"] is None
    pair = sm.pair(X, Y, null=False)
    found = sm.assess(pair, sm.match_profile(pair))
    for measure in found.measures:
        assert np.isfinite(measure.value) and np.isfinite(measure.null_value) == (measure.name in OF_SAMPLES)
        if measure.name in OF_SAMPLES:
            assert np.isnan([measure.low, measure.high]).all() and "a measure of the sample" in measure.reason
            continue
        assert "no null pairing was kept" in measure.reason or measure.estimator == "held out"
        if measure.estimator in ("unbiased", "corrected"):
            assert measure.low < measure.value < measure.high and measure.bias == 0
    assert np.isnan(found["svcca"].bias) and "bias of a value in sample is unknown" in found["svcca"].reason
    assert found.refusals == {}
    whole = sm.pair(X, Y)
    for measure in sm.assess(whole, sm.match_profile(whole)).measures:
        if measure.name in OF_SAMPLES:
            continue
        assert (measure.reason == "") == np.isfinite(measure.low)
        assert np.isfinite(measure.null_value) == (measure.estimator != "held out")
    with pytest.raises(sm.SpanmatchError, match="no folds were kept; evidence needs moments with folds=8"):
        sm.assess(one := sm.pair(X, Y, folds=1), sm.match_profile(one))


def test_a_measure_that_has_a_value_and_no_interval_gives_the_value():
    X = layers.random(n=160, p=6)[0]
    Y = np.zeros((160, 3))
    one_fold = np.flatnonzero(fold_of(160) == 3)
    Y[one_fold] = np.round(layers.random(n=len(one_fold), p=3)[0])  # varies in one fold alone
    Y[one_fold[0]] = 0
    pair = sm.pair(X, Y)
    found = sm.assess(pair, sm.match_profile(pair))
    for measure in found.measures:
        if measure.name in {"rbf cka", "debiased rbf cka"}:
            assert np.isnan(measure.value) and "the median distance of the sampled examples is 0" in measure.reason
        elif np.isnan(measure.low):
            assert np.isnan(measure.high) and ("never varies" in measure.reason or "no interval" in measure.reason)
            assert measure.value == float(next(m for m in sm.measures() if m.name == measure.name)(pair))
    assert "never varies" in found["debiased cka"].reason
    assert found.rows is not None and found.profile is not None
    missing = {"debiased cka", "adjusted pillai", "adjusted linear regression", "rbf cka", "debiased rbf cka"}
    assert found.refusals.keys() == missing


@pytest.mark.parametrize("module", ["null_pairing", "intervals", "held_out_distances", "sample_size"])
def test_examples_in_docstrings(module):
    result = doctest.testmod(importlib.import_module(f"spanmatch.evidence.{module}"))
    assert result.attempted > 0 and result.failed == 0
