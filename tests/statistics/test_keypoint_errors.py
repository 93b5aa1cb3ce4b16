"""Metrics of keypoints: cases by hand, equality with loops, scipy and the scorer on random faces, and their sums."""

import json
import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats
from torch import nn

from kpbench.faces.faces import KEYPOINTS
from kpbench.statistics.keypoint_errors import CED_AT, SCALARS, SIDES, keypoint_metrics
from kpbench.statistics.scale import rmse_px
from kpbench.task.benchmark import read_benchmark
from kpbench.task.score import score_from_mse
from kpbench.task.scorer import official_mse
from kpbench.training.predict import Labelled, predict
from tests.course_files import blob_faces


def true_faces(count):
    """Faces with eye centres 50 px apart and outer corners 60 px apart, everything else in the middle."""
    faces = np.full((count, 15, 2), 48.0)
    faces[:, 0], faces[:, 1] = (73, 40), (23, 40)
    faces[:, 3], faces[:, 5] = (78, 40), (18, 40)
    return faces


def random_faces(count=60, seed=0):
    """(predicted, true, people): errors that people share, in pixels."""
    rng = np.random.default_rng(seed)
    true = true_faces(count) + rng.normal(0, 4, (count, 15, 2))
    people = rng.integers(0, 12, count)
    return true + rng.normal(0, 2, (count, 15, 2)) + rng.normal(0, 1, (12, 1, 2))[people], true, people


def test_every_point_off_by_3_and_4_pixels():
    """Radial error 5, RMSE sqrt(25 / 2); 5 / 50 is an NME of 0.1, 5 / 60 that of the outer corners."""
    true = true_faces(4)
    found = keypoint_metrics(true + np.array([3, -4]), true)
    assert found.faces == found.sized == 4 and found.people is None
    assert found.mse == pytest.approx((9 + 16) / 2 / 48**2)
    assert found.score == pytest.approx(1152 / 12.5) and found.rmse_px == pytest.approx(math.sqrt(12.5))
    radial = (found.radial_mean_px, found.radial_median_px, found.radial_p90_px, found.radial_p99_px)
    assert radial == (5.0, 5.0, 5.0, 5.0)
    assert found.nme == pytest.approx(0.1) and found.nme_outer == pytest.approx(5 / 60)
    assert (found.auc_08, found.failure_08, found.pck_05, found.pck_10) == (0.0, 1.0, 0.0, 1.0)
    assert (found.bias_x_px, found.bias_y_px) == (3.0, -4.0)
    assert found.ced[:-1] == tuple((at, 0.0) for at in CED_AT[:-1])  # an NME of 0.1 is a rounding above 0.1
    for one in found.keypoints:
        assert (one.radial_px, one.bias_x_px, one.bias_y_px, one.spread_x_px, one.spread_y_px) == (5, 3, -4, 0, 0)
        assert (one.interval.low, one.interval.high) == (5.0, 5.0)
    assert all((one.left_px, one.right_px, one.difference_px) == (5.0, 5.0, 0.0) for one in found.sides)


def test_one_wrong_point_in_one_of_two_faces():
    """The left mouth corner of the second face is 30 px too far right; the other 29 points are exact."""
    true = true_faces(2)
    predicted = true.copy()
    mouth = KEYPOINTS.index("mouth_left_corner")
    predicted[1, mouth, 0] += 30
    found = keypoint_metrics(predicted, true)
    assert found.mse == pytest.approx(900 / 60 / 48**2) and found.rmse_px == pytest.approx(math.sqrt(15))
    assert found.radial_mean_px == 1.0 and found.radial_median_px == found.radial_p90_px == 0.0
    # Of 30 ordered values the 99th percentile lies at place 28.71: 0.71 of the way from 0 to 30.
    assert found.radial_p99_px == pytest.approx(21.3)
    # NME of the second face: 30 / 15 / 50 = 0.04, half of 0.08: the areas are 1 and a half.
    assert found.nme == pytest.approx(0.02) and found.nme_outer == pytest.approx(30 / 15 / 60 / 2)
    assert found.auc_08 == pytest.approx(0.75) and found.failure_08 == 0.0
    assert found.pck_05 == found.pck_10 == pytest.approx(29 / 30)
    wrong = found.keypoints[mouth]
    assert (wrong.name, wrong.radial_px, wrong.bias_x_px, wrong.spread_x_px) == ("mouth_left_corner", 15, 15, 15)
    assert wrong.rmse_px == pytest.approx(15.0)  # sqrt(900 / 4)
    (side,) = [one for one in found.sides if one.difference_px]
    assert (side.name, side.left_px, side.right_px, side.difference_px) == ("mouth_corner", 15.0, 0.0, 15.0)
    half = stats.t.ppf(0.975, 1) * 15
    assert (side.interval.low, side.interval.high) == pytest.approx((15 - half, 15 + half))


def test_exact_points_score_without_end():
    true = true_faces(3)
    found = keypoint_metrics(true, true, conditions={"light": np.arange(3.0)})
    assert found.score == math.inf and found.nme == 0.0 and found.auc_08 == found.pck_05 == 1.0
    assert found.conditions == ()
    assert found.as_json()["score"] is None
    json.dumps(found.as_json(), allow_nan=False)


def test_the_sides_are_six_pairs_of_left_and_right():
    names = [(KEYPOINTS[left], KEYPOINTS[right]) for left, right in SIDES]
    assert len(names) == 6
    assert all(right == left.replace("left", "right") for left, right in names)


@pytest.mark.parametrize("seed", range(3))
def test_the_whole_equals_plain_loops(seed):
    predicted, true, people = random_faces(seed=seed)
    found = keypoint_metrics(predicted, true, people)
    n = len(true)
    mses, radial, nmes, outers, hits = [], [], [], [], {0.05: 0, 0.1: 0}
    for face in range(n):
        d = math.dist(true[face, 0], true[face, 1])
        far = [math.dist(predicted[face, k], true[face, k]) for k in range(15)]
        mses.append(sum(((a - b) / 48) ** 2 for k in range(15) for a, b in zip(*(x[face, k] for x in (predicted, true)),
                                                                                strict=True)) / 30)  # fmt: skip
        radial += far
        nmes.append(sum(far) / 15 / d)
        outers.append(sum(far) / 15 / math.dist(true[face, 3], true[face, 5]))
        for limit in hits:
            hits[limit] += sum(one / d <= limit for one in far)
    radial.sort()

    def percentile(q):
        place = q * (len(radial) - 1)
        low = math.floor(place)
        return radial[low] + (place - low) * (radial[min(low + 1, len(radial) - 1)] - radial[low])

    mse = sum(mses) / n
    expected = {
        "mse": mse, "score": 1 / (2 * mse), "rmse_px": 48 * math.sqrt(mse), "radial_mean_px": sum(radial) / len(radial),
        "radial_median_px": percentile(0.5), "radial_p90_px": percentile(0.9), "radial_p99_px": percentile(0.99),
        "nme": sum(nmes) / n, "nme_outer": sum(outers) / n,
        "auc_08": sum(max(0.0, 0.08 - one) for one in nmes) / n / 0.08,
        "failure_08": sum(one > 0.08 for one in nmes) / n, "pck_05": hits[0.05] / n / 15, "pck_10": hits[0.1] / n / 15,
        "bias_x_px": sum(predicted[f, k, 0] - true[f, k, 0] for f in range(n) for k in range(15)) / n / 15,
        "bias_y_px": sum(predicted[f, k, 1] - true[f, k, 1] for f in range(n) for k in range(15)) / n / 15,
    }  # fmt: skip
    assert {name: getattr(found, name) for name in expected} == pytest.approx(expected)
    assert 0 < found.pck_05 < found.pck_10 < 1 and 0 < found.auc_08 < 1 and 0 < found.failure_08 < 1
    assert found.people == len(set(people.tolist()))
    assert dict(found.ced)[0.05] == sum(one <= 0.05 for one in nmes) / n


def test_each_keypoint_equals_scipys_description():
    predicted, true, _ = random_faces(seed=4)
    found = keypoint_metrics(predicted, true)
    for at, one in enumerate(found.keypoints):
        dx, dy = (predicted[:, at] - true[:, at]).T
        radial = np.hypot(dx, dy)
        usual = stats.ttest_1samp(radial, 0.0).confidence_interval(0.95)
        assert (one.name, one.radial_px) == (KEYPOINTS[at], pytest.approx(radial.mean()))
        assert (one.interval.low, one.interval.high) == pytest.approx((usual.low, usual.high))
        assert (one.bias_x_px, one.bias_y_px) == pytest.approx((stats.tmean(dx), stats.tmean(dy)))
        assert (one.spread_x_px, one.spread_y_px) == pytest.approx((stats.tstd(dx, ddof=0), stats.tstd(dy, ddof=0)))
    for (left, right), side in zip(SIDES, found.sides, strict=True):
        pair = [np.hypot(*(predicted[:, at] - true[:, at]).T) for at in (left, right)]
        usual = stats.ttest_rel(*pair).confidence_interval(0.95)
        assert side.difference_px == pytest.approx(pair[0].mean() - pair[1].mean())
        assert (side.interval.low, side.interval.high) == pytest.approx((usual.low, usual.high))


@given(st.integers(0, 10_000), st.integers(1, 40))
@settings(max_examples=40, deadline=None)
def test_the_table_of_keypoints_sums_to_the_score(seed, count):
    found = keypoint_metrics(*random_faces(count, seed=seed))
    assert np.mean([one.mse for one in found.keypoints]) == pytest.approx(found.mse, rel=1e-12)
    assert score_from_mse(float(np.mean([one.mse for one in found.keypoints]))) == pytest.approx(found.score, rel=1e-12)
    assert np.mean([one.radial_px for one in found.keypoints]) == pytest.approx(found.radial_mean_px)
    assert np.mean([one.bias_x_px for one in found.keypoints]) == pytest.approx(found.bias_x_px)
    for one in found.keypoints:
        parts = (one.bias_x_px, one.bias_y_px, one.spread_x_px, one.spread_y_px)
        assert one.rmse_px**2 == pytest.approx(sum(part**2 for part in parts) / 2)
        assert one.rmse_px * math.sqrt(2) + 1e-9 >= one.radial_px >= math.hypot(one.bias_x_px, one.bias_y_px) - 1e-9


def test_the_score_is_the_official_one_of_a_network():
    torch.manual_seed(0)
    network = nn.Sequential(nn.Flatten(), nn.Linear(96 * 96, 30)).eval()
    coordinates, faces = read_benchmark().coordinates, blob_faces(9)
    found = keypoint_metrics(predict(network, faces, coordinates), faces.keypoints, faces.subjects)
    official = official_mse(network, Labelled(faces, coordinates))
    assert found.mse == pytest.approx(official, rel=1e-5)
    assert found.rmse_px == pytest.approx(rmse_px(official), rel=1e-5)


def test_intervals_are_over_people_where_they_are_known():
    predicted, true, people = random_faces(200, seed=5)
    by_face, by_person = keypoint_metrics(predicted, true), keypoint_metrics(predicted, true, people)
    wider = [
        (b.interval.high - b.interval.low) / (a.interval.high - a.interval.low)
        for a, b in zip(by_face.keypoints, by_person.keypoints, strict=True)
    ]
    assert np.mean(wider) > 1.2
    assert by_face.scalars() == by_person.scalars()
    alone = keypoint_metrics(predicted[:3], true[:3], np.zeros(3, int))
    assert alone.people == 1 and alone.keypoints[0].interval is None and alone.sides[0].interval is None


def test_a_face_without_a_size_is_counted_and_left_out_of_what_is_normalised():
    predicted, true, _ = random_faces(20, seed=6)
    true[3, 1] = true[3, 0]
    found, others = (keypoint_metrics(*(np.delete(side, gone, 0) for side in (predicted, true))) for gone in ([], [3]))
    assert (found.faces, found.sized) == (20, 19)
    assert (found.nme, found.pck_05, found.auc_08) == (others.nme, others.pck_05, others.auc_08)
    assert found.nme_outer != others.nme_outer  # its outer corners lie apart
    none = keypoint_metrics(predicted[3:4], true[3:4])
    assert none.nme is None and none.pck_10 is None and none.ced == ()
    assert set(none.scalars()) == set(SCALARS) - {"nme", "auc_08", "failure_08", "pck_05", "pck_10"}
    json.dumps(none.as_json(), allow_nan=False)


def test_conditions_are_those_of_the_mse():
    predicted, true, people = random_faces(240, seed=7)
    blur = np.repeat([0.0, 1.0], 120)
    predicted[120:] = true[120:] + 2 * (predicted[120:] - true[120:])
    found = keypoint_metrics(predicted, true, people, conditions={"blur": blur})
    (one,) = found.conditions
    low, high = (part.mse for part in one.slices)
    assert one.p_adjusted < 1e-6 and high > 2.5 * low
    assert (low + high) / 2 == pytest.approx(found.mse)


def test_the_value_is_plain_in_json():
    found = keypoint_metrics(*random_faces(12))
    back = json.loads(json.dumps(found.as_json(), allow_nan=False))
    assert back["rmse_px"] == found.rmse_px and back["keypoints"][2]["name"] == "left_eye_inner_corner"
    assert back["keypoints"][0]["interval"] == [found.keypoints[0].interval.low, found.keypoints[0].interval.high]
    assert all(type(value) is float for value in found.scalars().values()) and set(found.scalars()) == set(SCALARS)


@pytest.mark.parametrize(
    ("predicted", "true", "message"),
    [
        (np.zeros((2, 14, 2)), np.zeros((2, 15, 2)), r"predicted keypoints must be \(N, 15, 2\).*\(2, 14, 2\)"),
        (np.zeros((2, 15, 2)), np.zeros((2, 30)), "true keypoints must be"),
        (np.zeros((0, 15, 2)), np.zeros((0, 15, 2)), "at least one face"),
        (np.zeros((2, 15, 2)), np.zeros((3, 15, 2)), "2 predicted faces for 3 true ones"),
        (np.full((2, 15, 2), np.nan), np.zeros((2, 15, 2)), "every predicted coordinate must be finite"),
        (np.zeros((2, 15, 2)), np.full((2, 15, 2), np.inf), "every true coordinate must be finite"),
    ],
)
def test_odd_input_is_refused(predicted, true, message):
    with pytest.raises(ValueError, match=message):
        keypoint_metrics(predicted, true)
