"""
Clusters of neurons over two layers
===================================

Groups of neurons of both layers that go together are found from their correlations alone. Here, three
groups are planted, and the neurons shuffled.
"""

import matplotlib.pyplot as plt
import numpy as np

import spanmatch as sm

r = np.random.default_rng(0)
group = r.permutation(np.repeat([0, 1, 2], [10, 7, 5]))
causes = r.standard_normal((900, 3))


def view():
    signs = r.choice([-1, 1], len(group))
    return causes[:, group] * signs + 0.8 * r.standard_normal((900, len(group)))


pair = sm.pair(view(), view())

# %%
# In their original order the correlations show nothing. By cluster they are blocks.

clusters = sm.clusters(pair)
left, right = plt.subplots(1, 2, figsize=(11, 4.6), layout="constrained")[1]
clusters.plot(left, by_cluster=False)
clusters.plot(right)
print(clusters)

# %%
# Why three? The eigenvalues of the graph's Laplacian have a wide gap after the third, below the bound
# that chance correlations reach.

clusters.plot_eigenvalues(plt.figure(figsize=(6.4, 3.4), layout="constrained").subplots())

# %%
# Hierarchical clusters have a tree, of neurons of both layers: blue of x, orange of y.

tree = sm.clusters(pair, method="hierarchical")
tree.plot_tree(plt.figure(figsize=(9, 3.6), layout="constrained").subplots())
plt.show()
