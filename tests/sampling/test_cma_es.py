"""CMA-ES whose state is rebuilt from the history."""

from itertools import islice

import numpy as np

from kpbench.engine.evaluate import known_parameters
from kpbench.sampling.cma_es import cma_es
from kpbench.sampling.points import settled, share, told_elsewhere
from kpbench.space.reading import read_space

TEXT = """family = "cnn"
[network]
depth = [2, 3, 4, 5]
[training]
lr = { low = 1e-4, high = 1e-1, log = true }
shift = { low = 0.0, high = 10.0 }
"""


def test_it_comes_near_a_planted_optimum_asked_anew_for_each_trial(tmp_path):
    (tmp_path / "s.toml").write_text(TEXT)
    space = read_space(tmp_path / "s.toml", known_parameters())
    cells, distances = [], []
    for number in range(84):
        point = next(cma_es(space, told_elsewhere(space, cells), number))
        gap = [
            share(p, point[name]) - goal for (name, p), goal in zip(space.factors.items(), (0.9, 0.2, 0.7), strict=True)
        ]
        distances.append(float(np.square(gap).sum()))
        cells.append((settled(space, point), -distances[-1]))
    assert np.mean(distances[-21:]) < 0.3 * np.mean(distances[:21])


def test_one_parameter_is_enough(tmp_path):
    (tmp_path / "s.toml").write_text('family = "cnn"\n[training]\nlr = { low = 1e-4, high = 1e-1, log = true }\n')
    space = read_space(tmp_path / "s.toml", known_parameters())
    for point in islice(cma_es(space, [], 0), 20):
        assert list(point) == ["training.lr"]
        assert 1e-4 <= point["training.lr"] <= 1e-1
