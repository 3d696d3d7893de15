"""What holds for every suite. pytest.ini puts tests/support on the path: `from harness import ...`
works in each."""

import resource

import pytest
from unix_sockets import short_directory

# Thousands of clients are thousands of descriptors in this process too.
_, HARD = resource.getrlimit(resource.RLIMIT_NOFILE)
resource.setrlimit(resource.RLIMIT_NOFILE, (HARD, HARD))


@pytest.fixture
def place():
    with short_directory() as directory:
        yield directory
