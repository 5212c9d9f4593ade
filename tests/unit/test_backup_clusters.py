"""Backups of several clusters in one place: none stands in for another's."""

from __future__ import annotations

import dataclasses

import pytest

from ops.backup.catalogue import Catalogue
from ops.backup.clusters import cluster_tag, of_cluster
from ops.backup.errors import BackupError
from ops.backup.fetching import choose
from tests.unit.test_backup_retention import backup

OURS = backup(1, day=1)
THEIRS = dataclasses.replace(backup(2, day=2), system_id="8")
BOTH = Catalogue({OURS.id: OURS, THEIRS.id: THEIRS})


def test_without_a_choice_the_clusters_are_listed() -> None:
    with pytest.raises(BackupError, match=r"2 clusters .* --cluster ID .*7 \(database records.*8 \(database records"):
        choose(BOTH, identity="", before=None, before_lsn=None)


def test_a_choice_is_taken() -> None:
    assert choose(BOTH, identity="", before=None, before_lsn=None, cluster="7") == OURS
    assert choose(BOTH, identity=THEIRS.id, before=None, before_lsn=None) == THEIRS
    assert of_cluster(Catalogue({OURS.id: OURS})).newest == OURS


def test_an_unknown_cluster_is_refused() -> None:
    with pytest.raises(BackupError, match="no backup of cluster 9 here; there are: 7"):
        of_cluster(BOTH, "9")
    with pytest.raises(BackupError, match="is of cluster 8, not of 7"):
        choose(BOTH, identity=THEIRS.id, before=None, before_lsn=None, cluster="7")
    with pytest.raises(BackupError, match="none at all"):
        of_cluster(Catalogue({}), "7")


def test_two_clusters_name_their_backups_apart() -> None:
    assert cluster_tag("7561234567890123456") != cluster_tag("7561234567890123457")
