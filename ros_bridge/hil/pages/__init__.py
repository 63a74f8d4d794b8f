"""What people and machines read of a campaign: one page, JUnit XML, a table."""
