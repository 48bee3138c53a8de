"""The last day of a device as drawings: what raises an alarm looks like it, and each stretch can be read as well."""

from __future__ import annotations

from django.utils import timezone, translation

from central.iot.charts import Strip, charts
from central.iot.known import device_types
from central.iot.points import QUARTER_MS, Bucket
from tests.central.engines import ON_SQLITE
from tests.central.street import NOON


@ON_SQLITE
def test_stretches_of_a_word_are_joined_and_alarms_stand_out(centre):
    first = NOON - NOON % QUARTER_MS - 12 * QUARTER_MS
    states = ["running", "running", "idle", "idle", "idle", "stopped", "stopped", "trapped"]
    quarters = [Bucket(first + n * QUARTER_MS, {"state": state}) for n, state in enumerate(states)]
    with translation.override("zh-hans"), timezone.override("Asia/Shanghai"):
        (strip,) = charts(device_types()["lift"], quarters, NOON, "zh-hans")
    assert isinstance(strip, Strip)
    assert [said for _, _, said in strip.rows] == ["困人", "停运", "待机", "运行"]
    assert [(until - at) // QUARTER_MS for at, until, _ in strip.rows] == [1, 2, 3, 2]
    looks = [look for _, _, look, _, _ in strip.parts]
    assert looks[2:] == ["sev-major", "sev-critical"]
    assert looks[0] != looks[1], "words that are no alarm differ too"
    for (x, width, *_), (following, *_) in zip(strip.parts, strip.parts[1:], strict=False):
        assert abs(x + width - following) < 0.01
