"""Signals end a command as they should."""

import signal

import pytest

from kpbench.cli.signals import end_by_sigterm


def test_a_stopped_job_ends_as_ctrl_c_and_the_alarm_of_rays_handler_is_put_off():
    before = signal.getsignal(signal.SIGTERM)
    try:
        end_by_sigterm()
        signal.alarm(30)
        with pytest.raises(KeyboardInterrupt):
            signal.raise_signal(signal.SIGTERM)
        assert signal.alarm(0) == 0
    finally:
        signal.signal(signal.SIGTERM, before)
