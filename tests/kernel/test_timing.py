"""The two statistics of times: the median with its interval, and the mean of the literature."""

import pytest

from kernelraft.kernel.gpu.timing import mean, median

TIMES = [10.0, 12.0, 11.0, 13.0, 54.0] * 20


def test_the_median_does_not_see_an_outlier_and_lies_in_its_interval() -> None:
    found = median(TIMES)
    assert found.middle == 12.0
    assert found.low <= found.middle <= found.high < 54.0


def test_the_mean_does_and_its_interval_is_of_standard_errors() -> None:
    found = mean(TIMES)
    assert found.middle == 20.0
    assert found.high - found.middle == found.middle - found.low == pytest.approx(1.96 * 17.12 / 10, rel=1e-3)
