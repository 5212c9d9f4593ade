"""What pg_amcheck says is damage or is not, by words that it really says (of 15 to 18, with --verbose)."""

from __future__ import annotations

import pytest

from ops.backup.amcheck import damage, faults, session

TIMED_OUT = """\
heap table "records.public.calls":
    ERROR:  57014: canceling statement due to statement timeout
    LOCATION:  ProcessInterrupts, postgres.c:3449
query was: SELECT v.blkno, v.offnum, v.attnum, v.msg FROM "public".verify_heapam(relation := c.oid)
"""
LACKS = """\
btree index "records.public.kept_id":
    ERROR:  XX002: heap tuple (0,1) from table "kept" lacks matching index tuple within index "kept_id"
    HINT:  Retrying verification using the function bt_index_parent_check() might provide a more specific error.
    LOCATION:  bt_tuple_present_callback, verify_nbtree.c:2817
query was: SELECT "public".bt_index_check(index := c.oid, heapallindexed := true) FROM pg_catalog.pg_class c
"""
HEAP = """\
heap table "records.public.calls", block 0, offset 1, attribute 2:
    toast value 16459 not found in toast table
"""
FULL = """\
btree index "records.public.calls_pkey":
    ERROR:  53100: could not extend file "base/5/t3_16431": No space left on device
"""
MEMORY = """\
btree index "records.public.calls_pkey":
    ERROR:  53200: out of memory
    DETAIL:  Failed on request of size 33554432 in memory context "ExprContext".
"""
GONE = """\
heap table "records.public.calls":
    ERROR:  58P01: could not open file "base/5/16389": No such file or directory
"""


@pytest.mark.parametrize("said", [TIMED_OUT, FULL, MEMORY, TIMED_OUT + FULL])
def test_what_kept_it_from_looking_is_no_damage(said: str) -> None:
    assert damage(said) == ""
    assert faults(said).startswith(said.splitlines()[0])
    assert "query was" not in faults(said)


@pytest.mark.parametrize("said", [LACKS, HEAP, GONE])
def test_damage_is_damage_whatever_else_failed(said: str) -> None:
    first, second = (line.strip() for line in said.splitlines()[:2])
    for whole in (said, TIMED_OUT + said + FULL):
        assert damage(whole).startswith(f"{first} {second}")
        assert "57014" not in damage(whole)
        assert "LOCATION" not in damage(whole)


def test_much_damage_is_told_shortly() -> None:
    assert damage(HEAP * 9).endswith("; and 6 more")


def test_what_is_no_report_is_what_its_exit_code_says() -> None:
    assert damage("") == "it does not say where"


def test_no_role_limits_it() -> None:
    assert session(16) == {"PGOPTIONS": "-c statement_timeout=0 -c lock_timeout=0"}
    assert session(17)["PGOPTIONS"].endswith("-c transaction_timeout=0")
