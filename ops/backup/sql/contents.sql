-- name: tables
-- Those that hold rows of their own, and the parents of partitions, which hold none.
SELECT format('%I.%I', n.nspname, c.relname) AS quoted, n.nspname || '.' || c.relname AS name,
       pg_relation_size(c.oid) AS bytes, c.relkind = 'r' AS has_rows
FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE c.relkind IN ('r', 'p') AND c.relpersistence = 'p'
  AND n.nspname !~ '^pg_' AND n.nspname <> 'information_schema'
ORDER BY n.nspname, c.relname;

-- name: schema
-- Everything that somebody defined, one line each, in an order that no object id decides.
WITH ours AS (
    SELECT c.oid, c.relkind, c.relname, n.nspname, c.relpartbound, c.relispartition
    FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
    WHERE n.nspname !~ '^pg_' AND n.nspname <> 'information_schema'
)
SELECT line FROM (
    SELECT format('relation %I.%I %s %s', nspname, relname, relkind, pg_get_expr(relpartbound, oid)) AS line FROM ours
    UNION ALL
    SELECT format('column %I.%I.%s %I %s %s %s', o.nspname, o.relname, a.attnum, a.attname,
                  format_type(a.atttypid, a.atttypmod), a.attnotnull, pg_get_expr(d.adbin, d.adrelid))
    FROM ours o JOIN pg_attribute a ON a.attrelid = o.oid AND a.attnum > 0 AND NOT a.attisdropped
    LEFT JOIN pg_attrdef d ON d.adrelid = a.attrelid AND d.adnum = a.attnum
    WHERE o.relkind IN ('r', 'p', 'v', 'm', 'f')
    UNION ALL
    SELECT format('index %s', pg_get_indexdef(i.indexrelid)) FROM pg_index i JOIN ours o ON o.oid = i.indexrelid
    UNION ALL
    SELECT format('constraint %I.%I %I %s', o.nspname, o.relname, k.conname, pg_get_constraintdef(k.oid))
    FROM pg_constraint k JOIN ours o ON o.oid = k.conrelid
    UNION ALL
    SELECT format('trigger %s', pg_get_triggerdef(t.oid))
    FROM pg_trigger t JOIN ours o ON o.oid = t.tgrelid WHERE NOT t.tgisinternal
    UNION ALL
    SELECT format('view %I.%I %s', o.nspname, o.relname, md5(pg_get_viewdef(o.oid)))
    FROM ours o WHERE o.relkind IN ('v', 'm')
    UNION ALL
    SELECT format('function %s %s', p.oid::regprocedure, md5(coalesce(p.prosrc, '') || coalesce(p.probin, '')))
    FROM pg_proc p JOIN pg_namespace n ON n.oid = p.pronamespace
    WHERE n.nspname !~ '^pg_' AND n.nspname <> 'information_schema'
    UNION ALL
    SELECT format('extension %I %s', extname, extversion) FROM pg_extension
) lines
ORDER BY line COLLATE "C";

-- name: has_amcheck
SELECT count(*) FROM pg_available_extensions WHERE name = 'amcheck';

-- name: schema_more
-- Of the second edition, beside all of the first: owners, privileges, policies, labels of enumerations.
WITH ours AS (
    SELECT c.oid, c.relkind, c.relname, n.nspname, c.relowner, c.relacl, c.relrowsecurity, c.relforcerowsecurity
    FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
    WHERE n.nspname !~ '^pg_' AND n.nspname <> 'information_schema' AND c.relkind NOT IN ('i', 'I', 't')
)
SELECT line FROM (
    SELECT format('owner %I.%I %I %s', nspname, relname, pg_get_userbyid(relowner), relacl::text) AS line FROM ours
    UNION ALL
    SELECT format('privileges %I.%I.%I %s', o.nspname, o.relname, a.attname, a.attacl::text)
    FROM ours o JOIN pg_attribute a ON a.attrelid = o.oid AND a.attacl IS NOT NULL AND NOT a.attisdropped
    UNION ALL
    SELECT format('namespace %I %I %s', nspname, pg_get_userbyid(nspowner), nspacl::text)
    FROM pg_namespace WHERE nspname !~ '^pg_' AND nspname <> 'information_schema'
    UNION ALL
    SELECT format('function %s %I %s', p.oid::regprocedure, pg_get_userbyid(p.proowner), p.proacl::text)
    FROM pg_proc p JOIN pg_namespace n ON n.oid = p.pronamespace
    WHERE n.nspname !~ '^pg_' AND n.nspname <> 'information_schema'
    UNION ALL
    SELECT format('database %I %s', pg_get_userbyid(datdba), datacl::text)
    FROM pg_database WHERE datname = current_database()
    UNION ALL
    SELECT format('default privileges %I %s %s %s', pg_get_userbyid(defaclrole), defaclnamespace::regnamespace,
                  defaclobjtype, defaclacl::text)
    FROM pg_default_acl
    UNION ALL
    SELECT format('row security %I.%I %s %s', nspname, relname, relrowsecurity, relforcerowsecurity)
    FROM ours WHERE relrowsecurity OR relforcerowsecurity
    UNION ALL
    SELECT format('policy %I.%I %I %s %s %s %s %s', o.nspname, o.relname, p.polname, p.polcmd, p.polpermissive,
                  (SELECT string_agg(pg_get_userbyid(role)::text, ',' ORDER BY pg_get_userbyid(role) COLLATE "C")
                   FROM unnest(p.polroles) role),
                  pg_get_expr(p.polqual, p.polrelid), pg_get_expr(p.polwithcheck, p.polrelid))
    FROM pg_policy p JOIN ours o ON o.oid = p.polrelid
    UNION ALL
    SELECT format('label %I.%I %s %L', n.nspname, t.typname, e.enumsortorder, e.enumlabel)
    FROM pg_enum e JOIN pg_type t ON t.oid = e.enumtypid JOIN pg_namespace n ON n.oid = t.typnamespace
) lines
ORDER BY line COLLATE "C";

-- name: sequences
-- A server that recovers goes on up to 32 values after the last one that was given out, never before it.
SELECT n.nspname || '.' || c.relname AS name, pg_sequence_last_value(s.seqrelid) AS value
FROM pg_sequence s JOIN pg_class c ON c.oid = s.seqrelid JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE c.relpersistence = 'p' AND s.seqincrement > 0 AND NOT s.seqcycle
  AND n.nspname !~ '^pg_' AND n.nspname <> 'information_schema'
  AND has_sequence_privilege(s.seqrelid, 'SELECT, USAGE') AND pg_sequence_last_value(s.seqrelid) IS NOT NULL
ORDER BY name;
