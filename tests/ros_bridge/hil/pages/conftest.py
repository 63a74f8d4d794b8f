"""One made-up campaign for all tests of its report."""

from pathlib import Path

import pytest

from ros_bridge.hil.pages.write import write_report
from tests.ros_bridge.hil.pages.campaign_folder import make_campaign


@pytest.fixture(scope="session")
def campaign_report(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The page, in its campaign's folder."""
    return write_report(make_campaign(tmp_path_factory.mktemp("campaign")))
