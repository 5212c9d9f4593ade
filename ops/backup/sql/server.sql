-- name: facts
SELECT current_setting('server_version') AS version,
       (SELECT system_identifier FROM pg_control_system()) AS system_id,
       pg_size_bytes(current_setting('wal_segment_size')) AS segment_bytes,
       coalesce(current_setting('summarize_wal', true), 'off') = 'on' AS summarizes_wal,
       current_database() AS database,
       (SELECT rolname FROM pg_roles WHERE rolsuper AND rolcanlogin ORDER BY rolname <> current_user, oid LIMIT 1) AS superuser,
       current_setting('max_slot_wal_keep_size') = '-1' AS holds_without_limit,
       pg_is_in_recovery() AS standby,
       (SELECT count(*) FROM pg_tablespace WHERE spcname NOT IN ('pg_default', 'pg_global')) AS tablespaces,
       (SELECT rolreplication OR rolsuper FROM pg_roles WHERE rolname = current_user) AS may_replicate;

-- name: system_id
SELECT system_identifier::text FROM pg_control_system();

-- name: position
SELECT extract(epoch FROM clock_timestamp())::float8 AS at, pg_current_wal_flush_lsn()::text AS flushed,
       (SELECT max(write_lsn)::text FROM pg_stat_replication WHERE application_name = $1) AS received,
       (SELECT greatest(pg_wal_lsn_diff(pg_current_wal_flush_lsn(), restart_lsn), 0)::bigint
        FROM pg_replication_slots WHERE slot_name = $2) AS held,
       (SELECT CASE WHEN setting::bigint < 0 THEN -1 ELSE setting::bigint * 1048576 END
        FROM pg_settings WHERE name = 'max_slot_wal_keep_size') AS held_at_most;

-- name: take_lock
-- Of the session: it ends with the connection, which is the carrier's own and no pool's.
SELECT pg_try_advisory_lock($1);

-- name: leave_lock
SELECT pg_advisory_unlock($1);

-- name: slot
SELECT restart_lsn::text AS restart, wal_status, active FROM pg_replication_slots WHERE slot_name = $1;

-- name: make_slot
SELECT lsn::text FROM pg_create_physical_replication_slot($1, true);

-- name: make_temporary_slot
SELECT lsn::text FROM pg_create_physical_replication_slot($1, true, true);

-- name: drop_slot
SELECT pg_drop_replication_slot($1);

-- name: advance_slot
SELECT end_lsn::text FROM pg_replication_slot_advance($1, $2::text::pg_lsn);

-- name: walfile
SELECT pg_walfile_name($1::text::pg_lsn);

-- name: mark
SELECT pg_current_wal_insert_lsn()::text AS lsn, extract(epoch FROM clock_timestamp())::float8 AS at;

-- name: beat
-- A record after the mark, which its transaction's end brings to the disk.
SELECT pg_logical_emit_message(true, 'trunkline', 'mark')::text;
