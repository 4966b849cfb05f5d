"""Memory is kept for the next tensor."""

import sys

import pytest


@pytest.mark.skipif(sys.platform != 'linux', reason='a matter of glibc')
def test_freed_memory_is_used_again(fresh_process):
    given_back, kept = fresh_process['faults']  # of 400 MB, in pages of 2 MB or less
    assert kept < 100 < given_back
