"""Jobs that keep a site in order: partitions, backups, statistics, retention. Each runs as a Ray job or by hand."""
