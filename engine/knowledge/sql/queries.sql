-- name: near
-- The articles that are near to a question in any of their vectors. $1 playbook, $2 model, $3 the question, $4 how many.
SELECT article_id, embedding <#> $3::text::vector AS distance
FROM knowledge_embeddings
WHERE playbook = $1 AND model = $2
ORDER BY embedding <#> $3::text::vector
LIMIT $4;

-- name: worded
-- The articles with the most words of a question. $1 playbook, $2 the words as a tsquery, $3 how many.
SELECT id
FROM knowledge_articles, to_tsquery('simple', $2) AS wanted
WHERE playbook = $1 AND withdrawn_at IS NULL AND words @@ wanted
ORDER BY ts_rank_cd(words, wanted, 1) DESC, id
LIMIT $3;

-- name: articles
-- $1 playbook, $2 their ids.
SELECT id, title, body, asks
FROM knowledge_articles
WHERE playbook = $1 AND id = ANY($2::text[]) AND withdrawn_at IS NULL
ORDER BY id;

-- name: vectors
-- Vectors that belong to the articles as they are now. $1 playbook, $2 model, $3 ids of articles.
SELECT e.article_id, e.kind, vector_send(e.embedding) AS vector
FROM knowledge_embeddings e
JOIN knowledge_articles a ON (a.playbook, a.id) = (e.playbook, e.article_id)
WHERE e.playbook = $1 AND e.model = $2 AND e.article_id = ANY($3::text[]) AND e.content_hash = a.content_hash
ORDER BY e.article_id, e.kind, e.part;

-- name: load
-- An article of a playbook's folder. $1 playbook, $2 id, $3 title, $4 body, $5 asks. Returns a row where it changed.
INSERT INTO knowledge_articles AS old (playbook, id, title, body, asks, source)
VALUES ($1, $2, $3, $4, $5, 'playbook')
ON CONFLICT (playbook, id) DO UPDATE
SET title = $3, body = $4, asks = $5, changed_at = now(), withdrawn_at = NULL
WHERE old.source = 'playbook' AND (old.title, old.body, old.asks, old.withdrawn_at IS NULL) <> ($3, $4, $5, true)
RETURNING old.id;

-- name: unload
-- Articles that have left the playbook's folder. $1 playbook, $2 the ids that are there.
DELETE FROM knowledge_articles
WHERE playbook = $1 AND source = 'playbook' AND id <> ALL($2::text[])
RETURNING id;

-- name: unembedded
-- Articles that are new or have changed since they were embedded. $1 playbook, $2 model, $3 how many at most.
SELECT a.id, a.title, a.body, a.asks, a.content_hash
FROM knowledge_articles a
WHERE a.playbook = $1 AND a.withdrawn_at IS NULL
  AND NOT EXISTS (
      SELECT FROM knowledge_embeddings e
      WHERE (e.playbook, e.article_id, e.model, e.content_hash) = (a.playbook, a.id, $2, a.content_hash))
ORDER BY a.id
LIMIT $3;

-- name: forget
-- The vectors of one article. $1 playbook, $2 article, $3 model.
DELETE FROM knowledge_embeddings WHERE playbook = $1 AND article_id = $2 AND model = $3;

-- name: embed
-- $1 playbook, $2 article, $3 model, $4 kind, $5 part, $6 content hash, $7 the vector.
INSERT INTO knowledge_embeddings (playbook, article_id, model, kind, part, content_hash, embedding)
VALUES ($1, $2, $3, $4, $5, $6, $7::text::vector);

-- name: forget_withdrawn
-- $1 playbook. Returns the articles that lost their vectors, of whatever model.
WITH gone AS (
    DELETE FROM knowledge_embeddings e USING knowledge_articles a
    WHERE (a.playbook, a.id) = (e.playbook, e.article_id) AND e.playbook = $1 AND a.withdrawn_at IS NOT NULL
    RETURNING e.article_id)
SELECT DISTINCT article_id FROM gone;

-- name: forget_other_models
-- $1 playbook, $2 the model that stays. Returns how many vectors went.
WITH gone AS (DELETE FROM knowledge_embeddings WHERE playbook = $1 AND model <> $2 RETURNING 1) SELECT count(*) FROM gone;

-- name: count
-- $1 playbook, $2 model.
SELECT (SELECT count(*) FROM knowledge_articles WHERE playbook = $1 AND withdrawn_at IS NULL) AS articles,
       (SELECT count(*) FROM knowledge_embeddings WHERE playbook = $1 AND model = $2) AS vectors,
       (SELECT count(*) FROM knowledge_embeddings WHERE playbook = $1 AND model <> $2) AS other_models;
