"""
Which measure does best?
========================

A benchmark asks every measure questions whose answers are known. This one is
`spanmatch bench --quick --networks digits-mlp --tests "same layer,order of depth"`, which takes a
minute, so its results are read from a file.
"""

from pathlib import Path

import matplotlib.pyplot as plt

import spanmatch as sm

folder = Path(__file__).parent if "__file__" in globals() else Path()  # the gallery runs it in its folder
bench = sm.Bench.load(folder / "quick_benchmark")
print(bench)

# %%
# Mean ranks over the tests, with intervals where there are enough tests. Orange are measures of the
# maximum match. These few networks are too few for conclusions: a full benchmark takes longer.

bench.plot()

# %%
# The scores behind the ranks, by test. The first test asks for the same layer in another network, the
# second for the order of the layers by depth.

bench.plot_scores()
plt.show()
