"""`write_report`: the files that people and machines read, beside a campaign's own."""

from __future__ import annotations

from pathlib import Path

from ros_bridge.hil.pages.campaign import read_campaign
from ros_bridge.hil.pages.junit import junit
from ros_bridge.hil.pages.page import page


def write_report(folder: Path) -> Path:
    """Writes junit.xml and report.html into a campaign's folder, finished or not, and returns the page's path.

    What cannot be read of a run is said on the page, at that run.

    Raises:
        RecordingError: the folder holds no campaign.
    """
    campaign = read_campaign(Path(folder))
    (campaign.folder / "junit.xml").write_text(junit(campaign), encoding="utf-8")
    path = campaign.folder / "report.html"
    path.write_text(page(campaign), encoding="utf-8")
    return path
