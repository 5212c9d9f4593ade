-- What a business tells its callers, and where each article lies in the space of each embedding model.

CREATE EXTENSION IF NOT EXISTS vector;

CREATE TABLE knowledge_articles (
    playbook     text NOT NULL,
    id           text NOT NULL,
    title        text NOT NULL DEFAULT '',
    body         text NOT NULL CHECK (body <> ''),
    asks         text NOT NULL DEFAULT '',           -- words callers use for it, one wording a line
    source       text NOT NULL DEFAULT 'edited' CHECK (source IN ('edited', 'playbook')),
    changed_at   timestamptz NOT NULL DEFAULT now(),
    withdrawn_at timestamptz,                        -- from then on it is not searched, and loses its vectors
    -- Whoever changes an article, its vectors are known to be stale.
    content_hash text NOT NULL GENERATED ALWAYS AS (md5(title || E'\n' || body || E'\n' || asks)) STORED,
    words        tsvector NOT NULL GENERATED ALWAYS AS (
                     to_tsvector('simple'::regconfig, title || ' ' || body || ' ' || asks)) STORED,
    PRIMARY KEY (playbook, id)
);

CREATE INDEX knowledge_articles_words ON knowledge_articles USING gin (words);

CREATE TABLE knowledge_embeddings (
    playbook     text NOT NULL,
    article_id   text NOT NULL,
    model        text NOT NULL,                      -- name and version; vectors of two models are never compared
    kind         text NOT NULL CHECK (kind IN ('fact', 'question', 'ask')),
    part         smallint NOT NULL,                  -- 0, and counting for each of the asks
    content_hash text NOT NULL,                      -- of the article as it was embedded
    embedding    vector(384) NOT NULL,
    PRIMARY KEY (playbook, article_id, model, kind, part),
    FOREIGN KEY (playbook, article_id) REFERENCES knowledge_articles ON DELETE CASCADE
);

CREATE INDEX knowledge_embeddings_near ON knowledge_embeddings USING hnsw (embedding vector_ip_ops);
