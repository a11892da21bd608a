"""
The first profile
=================

Two layers see the same six causes, each through its own mixture of them, with noise. How many of
their neurons match? The answer depends on the distance eps that is allowed, so it is a curve.
"""

import matplotlib.pyplot as plt
import numpy as np

import spanmatch as sm

r = np.random.default_rng(0)
causes = r.standard_normal((1000, 6))


def view(neurons):
    noise = 10 ** r.uniform(-2, 0, neurons)  # some neurons are noisier than others
    return causes @ r.standard_normal((6, neurons)) / 6**0.5 + noise * r.standard_normal((1000, neurons))


pair = sm.pair(view(24), view(20))  # rows are observations, columns are neurons

# %%
# Every neuron has a *level*: the smallest eps at which it is in the maximum match. The curve s(eps) is
# the share of neurons whose level is at most eps. Dotted is the same for layers whose rows do not
# correspond: what chance gives.

profile = sm.match_profile(pair)
ax = profile.plot(label="two views of the same causes")
sm.match_profile(pair.null).plot(ax, color="0.5", linestyle=":", label="under the null")
ax.legend()
print(profile)

# %%
# Where is a natural eps? In wide steps of the curve the match does not change. The widest one here is the
# last, where all neurons match.

low, high = profile.gaps(1)[0]
middle = (low + high) / 2
ax = profile.plot()
profile.stability(middle).plot(ax)
print(f"the same match from eps {low:.2f} to {high:.2f}")

# %%
# The match at one eps is a group of neurons of each layer. Each neuron of one group is within eps of the
# span of the other.

match = profile.at(0.3)
match.plot(plt.figure(figsize=(8, 2.6), layout="constrained").subplots())
print(match)
assert match.verify(pair)
plt.show()
