"""Fixtures of the end-to-end tests. A file may set SETTINGS (configuration keys); its appliance is made once for the file."""

import pathlib
import sys

import pytest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))

from harness.appliance import Appliance  # noqa: E402
from harness.citizen import Town  # noqa: E402


@pytest.fixture(scope="module")
def town():
    return Town()


@pytest.fixture(scope="module")
def appliances():
    """Makes appliances; all are ended and erased with the file's last test, whatever happened."""
    made = []

    def make(settings=None):
        made.append(Appliance(settings))
        return made[-1].start()

    yield make
    for one in made:
        one.discard()


@pytest.fixture(scope="module")
def appliance(request, appliances):
    return appliances(getattr(request.module, "SETTINGS", None))


@pytest.fixture
def someone(town):
    return town.citizen()


@pytest.fixture(autouse=True)
def log_of_a_failure(request):
    """A failing test shows the end of the appliance's log, which holds no secret by contract."""
    yield
    report = getattr(request.node, "report_call", None)
    if report is not None and report.failed and "appliance" in request.fixturenames:
        print("--- sigillod.log\n" + request.getfixturevalue("appliance").log_text()[-2000:])


@pytest.hookimpl(hookwrapper=True, tryfirst=True)
def pytest_runtest_makereport(item, call):
    outcome = yield
    if call.when == "call":
        item.report_call = outcome.get_result()
