-- The tables that machines share, as numbered migrations. A migration that was released is
-- never edited: a new one is added below it, and only adds (columns with defaults, tables,
-- indexes), so that older clients work on. `install.py` runs those that a database lacks,
-- in order, and puts the configured schema's quoted name in place of "ladder".
--
-- Money is in nano-dollars (bigint), so that sums are exact. All times are the database's.

-- migration 1: replies, claims, ledgers, limits
CREATE TABLE "ladder".meta (
    one boolean PRIMARY KEY DEFAULT true CHECK (one),
    version integer NOT NULL DEFAULT 0,
    oldest_client integer NOT NULL DEFAULT 1,
    beat_s double precision NOT NULL DEFAULT 10,
    dead_after_s double precision NOT NULL DEFAULT 45
);
INSERT INTO "ladder".meta DEFAULT VALUES;

-- Bytes as the local store writes them. The first reply wins.
CREATE TABLE "ladder".replies (
    key bytea PRIMARY KEY,
    identity text NOT NULL,
    request bytea NOT NULL,
    reply bytea NOT NULL,
    created timestamptz NOT NULL,
    paid_by uuid
);
-- What a refresh replaced: it was paid for, and is not thrown away.
CREATE TABLE "ladder".replaced (
    key bytea NOT NULL,
    identity text NOT NULL,
    request bytea NOT NULL,
    reply bytea NOT NULL,
    created timestamptz NOT NULL,
    paid_by uuid,
    replaced_at timestamptz NOT NULL
);

-- One row a process at work; its id is known to that process alone.
CREATE TABLE "ladder".members (
    id uuid PRIMARY KEY,
    run text NOT NULL,
    host text NOT NULL,
    pid integer NOT NULL,
    client integer NOT NULL,
    joined timestamptz NOT NULL,
    seen timestamptz NOT NULL
) WITH (fillfactor = 20);

-- Claim, reservation and slot of one attempt: one row, while it is under way.
CREATE SEQUENCE "ladder".fences;
CREATE TABLE "ladder".calls (
    key bytea PRIMARY KEY,
    fence bigint NOT NULL,
    ticket bigint NOT NULL,     -- the asker's: an admit whose answer was lost is known by it
    member uuid NOT NULL,
    run text NOT NULL,
    place text NOT NULL,
    ledgers bigint[] NOT NULL,
    model text NOT NULL,
    kind text NOT NULL,
    asked bigint NOT NULL,      -- the worst case, as it was asked for
    worst bigint NOT NULL,      -- what is reserved: more, where the model billed too much before
    at timestamptz NOT NULL,
    go timestamptz              -- when it may be sent; null only inside of admit
);
CREATE INDEX calls_member ON "ladder".calls (member);

-- Calls of dead members, booked at their worst case. The holder may live after all and
-- settle late: then its row here is what turns the worst case into the true bill, once.
CREATE TABLE "ladder".reaped (
    fence bigint PRIMARY KEY,
    key bytea NOT NULL,
    member uuid NOT NULL,
    run text NOT NULL,
    place text NOT NULL,
    ledgers bigint[] NOT NULL,
    model text NOT NULL,
    kind text NOT NULL,
    asked bigint NOT NULL,
    worst bigint NOT NULL,
    at timestamptz NOT NULL,
    reaped_at timestamptz NOT NULL
);

-- What owners allow. `everyone`: every call draws on it, whatever its client names.
CREATE TABLE "ladder".caps (
    name text PRIMARY KEY CHECK (name NOT LIKE 'run:%'),
    per text NOT NULL CHECK (per IN ('ever', 'month', 'day')),
    nano bigint CHECK (nano >= 0),          -- null: counted, without a cap
    everyone boolean NOT NULL DEFAULT false
);
-- One row for each period of a cap, and one for each run ('run:…').
--
-- What the check says: no admitted call takes a ledger above its cap. A bill that is above
-- its reservation is booked all the same, since it is owed, and stands in `excess`, too:
-- only that, which no admission foresaw, can exceed the cap, and it is told apart. An
-- owner may lower a cap below what is spent: `lowered_at` is what was committed then, and
-- admissions go by `cap` alone.
CREATE TABLE "ladder".ledgers (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    name text NOT NULL,
    period text NOT NULL,
    cap bigint CHECK (cap >= 0),
    settled bigint NOT NULL DEFAULT 0 CHECK (settled >= 0),
    reserved bigint NOT NULL DEFAULT 0 CHECK (reserved >= 0),
    excess bigint NOT NULL DEFAULT 0 CHECK (excess >= 0),
    lowered_at bigint NOT NULL DEFAULT 0,
    UNIQUE (name, period),
    CONSTRAINT within_cap CHECK (
        cap IS NULL OR settled + reserved - excess <= greatest(cap, lowered_at))
) WITH (fillfactor = 20);

-- GCRA and slots of one model at one address. `tat`: the theoretical arrival time.
CREATE TABLE "ladder".places (
    name text PRIMARY KEY,
    rpm double precision,
    tpm double precision,
    window_s double precision NOT NULL,
    ceiling integer NOT NULL,
    inflight integer NOT NULL DEFAULT 0 CHECK (inflight >= 0),
    tat_requests timestamptz NOT NULL DEFAULT '-infinity',
    tat_tokens timestamptz NOT NULL DEFAULT '-infinity',
    biggest double precision NOT NULL DEFAULT 0,    -- tokens of the biggest call of late
    biggest_at timestamptz NOT NULL DEFAULT '-infinity',
    paused_until timestamptz NOT NULL DEFAULT '-infinity',
    dearest bigint NOT NULL DEFAULT 0,              -- the highest bill above its reservation
    ratio double precision NOT NULL DEFAULT 1       -- and the worst ratio of the two
) WITH (fillfactor = 20);

-- What was spent, for people: sums by ledger, day (UTC), run, model and kind.
CREATE TABLE "ladder".spend (
    ledger text NOT NULL,
    day date NOT NULL,
    run text NOT NULL,
    model text NOT NULL,
    kind text NOT NULL,
    calls bigint NOT NULL,
    nano bigint NOT NULL,
    unknown_calls bigint NOT NULL,      -- of them: booked at their worst case
    unknown_nano bigint NOT NULL,
    PRIMARY KEY (ledger, day, run, model, kind)
);
-- Replies that lost the race: paid twice.
CREATE TABLE "ladder".waste (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    key bytea NOT NULL,
    member uuid NOT NULL,
    run text NOT NULL,
    nano bigint,                        -- null: nobody said what it cost
    at timestamptz NOT NULL
);

-- One closed call, as `book` takes it.
CREATE TYPE "ladder".booking AS (
    place text, ledgers bigint[], run text, model text, kind text,
    held bigint,        -- what it had reserved, and no more
    spent bigint,       -- what that adds to `settled`; below 0 where a worst case is corrected
    excess bigint,
    slots integer,      -- places that it frees: 1 or 0
    calls integer, unknown_calls integer, unknown_nano bigint,
    ratio double precision, dearest bigint      -- of a bill above its reservation
);

-- migration 2: attempts of climbs, and caps for each run
--
-- The seeds that the climbs over a suite were tried with, on all machines; `attempt` says
-- in which order, by their last use.
CREATE TABLE "ladder".climbs (
    question text NOT NULL,     -- the suite: a hash of its cases and configuration
    seed bigint NOT NULL,
    attempt bigint NOT NULL GENERATED BY DEFAULT AS IDENTITY,
    run text NOT NULL,          -- which used it last
    at timestamptz NOT NULL,
    PRIMARY KEY (question, seed)
);
-- A ledger whose cap is for each run has the period 'run:…'.
ALTER TABLE "ladder".caps DROP CONSTRAINT caps_per_check,
    ADD CONSTRAINT caps_per_check CHECK (per IN ('ever', 'month', 'day', 'run'));
