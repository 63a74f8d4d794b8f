"""Tasks of the dm_control suite as families: batched for five domains, one simulation at a time for the rest."""
