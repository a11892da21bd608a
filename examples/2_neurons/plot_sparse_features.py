"""
Do two sparse autoencoders learn the same features?
===================================================

Two dictionaries of 2,000 features, each active in a few rows of a thousand. Two thirds of the features
of the second are those of the first, in another order and with noise; the others are its own.
"""

import matplotlib.pyplot as plt
import numpy as np
import scipy.sparse

import spanmatch as sm

rows, width, shared = 20_000, 2_000, 1_300
r = np.random.default_rng(0)
order = r.permutation(width)
rates = np.minimum(8 * width ** r.uniform(-1, 0, width) / 200, 0.02)


def batch(n):
    """Return the rows of two dictionaries: sparse matrices of n x 2,000."""
    fires = scipy.sparse.csr_array(r.random((n, width)) < rates)
    strengths = fires.multiply(r.gamma(2, size=(n, width))).tocsr()
    own = scipy.sparse.csr_array((r.random((n, width)) < rates) * r.gamma(2, size=(n, width)))
    kept = np.arange(width) < shared
    noisy = strengths.multiply((r.random((n, width)) < 0.8) * kept) + own.multiply(~kept)
    return strengths, noisy.tocsr()[:, order]


features = sm.SparseFeatures()
for start in range(0, rows, 1000):
    first, second = batch(1000)
    features.update({"seed 0:sae": first, "seed 1:sae": second}, example_ids=np.arange(start, start + 1000) // 20)
print(features)

# %%
# Every feature gets a partner, but only those above the threshold are more than the null pairing, in
# which rows of the second dictionary are of other examples. On the half of the examples that did not
# choose the partner, partners by chance have no correlation.

partners = sm.feature_partners(features, "seed 0:sae", "seed 1:sae")
partners.plot()
print(partners)
print(f"{partners.share_matched:.0%} have a partner; {shared / width:.0%} have a copy. Gap: {partners.gap:.1e}")

# %%
# How often a feature must be active for its partner to be found:

found = np.isin(np.arange(width), partners.x[partners.significant])
has_copy = np.arange(width) < shared
edges = np.quantile(partners.x_firing_rate, np.linspace(0, 1, 9))
octile = np.clip(np.searchsorted(edges, partners.x_firing_rate, side="right") - 1, 0, 7)
shares = [found[has_copy & (octile == k)].mean() for k in range(8)]
ax = plt.figure(figsize=(6.4, 3.6), layout="constrained").subplots()
ax.plot(np.sqrt(edges[:-1] * edges[1:]) * rows, shares, marker="o")
ax.set(xscale="log", xlabel="rows in which a feature is active", ylabel="share of copies found", ylim=(0, 1.05))

# %%
# Three dictionaries: which features are in all of them?

three = sm.SparseFeatures()
for _ in range(10):
    first, second = batch(1000)
    three.update({"seed 0:sae": first, "seed 1:sae": second, "seed 2:sae": first[:, ::-1]})
universality = sm.feature_universality(three, "sae")
universality.plot()
print(universality)
plt.show()
