-- What clients may do, as functions. Each runs as the owner of the tables: a worker's role
-- can call the ones that `install.py` grants, and touch nothing else. They are replaced
-- whole by each `store init`.
--
-- Locks are always taken in one order, so that no two statements wait for each other:
-- members, places by name, ledgers by id, calls by key, replies by key. Every function may
-- be called again after its answer was lost: admit knows its tickets, settle its fences.

SET LOCAL search_path = "ladder", pg_temp;     -- for the types of arguments

-- The name of the period that `at` is in, for a cap per 'month' or 'day' (UTC); empty for
-- one per 'ever', and for one per 'run', which the next function knows.
CREATE OR REPLACE FUNCTION "ladder".period_of(per text, at timestamptz) RETURNS text
LANGUAGE sql STABLE SET search_path = "ladder", pg_temp AS $$
    SELECT CASE per
        WHEN 'month' THEN to_char(at AT TIME ZONE 'UTC', 'YYYY-MM')
        WHEN 'day' THEN to_char(at AT TIME ZONE 'UTC', 'YYYY-MM-DD')
        ELSE '' END
$$;
CREATE OR REPLACE FUNCTION "ladder".period_of(per text, at timestamptz, p_run text) RETURNS text
LANGUAGE sql STABLE SET search_path = "ladder", pg_temp AS $$
    SELECT CASE WHEN per = 'run' AND p_run <> '' THEN 'run:' || p_run ELSE period_of(per, at) END
$$;

-- When a call of `amount` may go, by GCRA: a bucket that drains `rate` a second and holds
-- `burst`. A call above the burst waits until the bucket has drained for it beforehand.
CREATE OR REPLACE FUNCTION "ladder".turn(
    tat timestamptz, now_at timestamptz, amount double precision,
    rate double precision, burst double precision
) RETURNS timestamptz
LANGUAGE sql STABLE SET search_path = "ladder", pg_temp AS $$
    SELECT greatest(now_at, tat + make_interval(secs => (amount - burst) / rate))
$$;

-- The ids of the ledgers that a run draws on now: its own, those it names, and those of
-- everyone. The row of a new period is made by the first call in it.
CREATE OR REPLACE FUNCTION "ladder".ledgers_of(p_run text, p_names text[]) RETURNS bigint[]
LANGUAGE plpgsql SET search_path = "ladder", pg_temp AS $$
DECLARE
    now_at timestamptz := clock_timestamp();
    missing text;
    ids bigint[];
BEGIN
    SELECT n INTO missing FROM unnest(p_names) AS n
    WHERE NOT EXISTS (SELECT FROM caps WHERE caps.name = n) LIMIT 1;
    IF FOUND THEN
        RAISE EXCEPTION 'no ledger is called %', missing USING ERRCODE = 'LA002';
    END IF;
    IF EXISTS (
        SELECT FROM caps c WHERE (c.name = ANY (p_names) OR c.everyone) AND NOT EXISTS (
            SELECT FROM ledgers l WHERE (l.name, l.period) = (c.name, period_of(c.per, now_at, p_run)))
    ) THEN
        INSERT INTO ledgers (name, period, cap)
        SELECT c.name, period_of(c.per, now_at, p_run), c.nano FROM caps c
        WHERE c.name = ANY (p_names) OR c.everyone
        ORDER BY c.name
        ON CONFLICT DO NOTHING;
    END IF;
    SELECT array_agg(l.id ORDER BY l.id) INTO ids FROM ledgers l
    WHERE (l.name, l.period) = ('run:' || p_run, '') OR EXISTS (
        SELECT FROM caps c WHERE (c.name = ANY (p_names) OR c.everyone)
        AND (l.name, l.period) = (c.name, period_of(c.per, now_at, p_run)));
    RETURN ids;
END $$;

-- Book closed calls; the caller holds the locks of their places and ledgers.
CREATE OR REPLACE FUNCTION "ladder".book(p_closed booking[]) RETURNS void
LANGUAGE plpgsql SET search_path = "ladder", pg_temp AS $$
BEGIN
    UPDATE places p SET
        inflight = p.inflight - d.slots,
        dearest = greatest(p.dearest, d.dearest),
        ratio = greatest(p.ratio, d.ratio)
    FROM (
        SELECT place, sum(slots)::integer AS slots, max(b.dearest) AS dearest, max(b.ratio) AS ratio
        FROM unnest(p_closed) b GROUP BY place
    ) d WHERE p.name = d.place;
    UPDATE ledgers l SET
        settled = l.settled + d.spent, reserved = l.reserved - d.held, excess = l.excess + d.excess
    FROM (
        SELECT id, sum(spent)::bigint AS spent, sum(held)::bigint AS held, sum(b.excess)::bigint AS excess
        FROM unnest(p_closed) b, unnest(b.ledgers) AS id GROUP BY id
    ) d WHERE l.id = d.id;
    INSERT INTO spend AS s
    SELECT l.name, (clock_timestamp() AT TIME ZONE 'UTC')::date, b.run, b.model, b.kind,
        sum(b.calls), sum(b.spent), sum(b.unknown_calls), sum(b.unknown_nano)
    FROM unnest(p_closed) b JOIN ledgers l ON l.id = ANY (b.ledgers)
    GROUP BY 1, 2, 3, 4, 5 ORDER BY 1, 2, 3, 4, 5
    ON CONFLICT (ledger, day, run, model, kind) DO UPDATE SET
        calls = s.calls + excluded.calls, nano = s.nano + excluded.nano,
        unknown_calls = s.unknown_calls + excluded.unknown_calls,
        unknown_nano = s.unknown_nano + excluded.unknown_nano;
END $$;

-- Enter a process. The first process of a run decides its cap.
CREATE OR REPLACE FUNCTION "ladder".join_run(
    p_member uuid, p_run text, p_host text, p_pid integer, p_client integer, p_cap bigint,
    OUT version integer, OUT oldest_client integer, OUT beat_s double precision,
    OUT dead_after_s double precision, OUT now_at timestamptz, OUT cap bigint
) LANGUAGE plpgsql SECURITY DEFINER SET search_path = "ladder", pg_temp AS $$
BEGIN
    SELECT m.version, m.oldest_client, m.beat_s, m.dead_after_s
    INTO version, oldest_client, beat_s, dead_after_s FROM meta m;
    now_at := clock_timestamp();
    IF p_client < oldest_client THEN
        RETURN;
    END IF;
    INSERT INTO members VALUES (p_member, p_run, p_host, p_pid, p_client, now_at, now_at)
    ON CONFLICT (id) DO UPDATE SET seen = excluded.seen;
    INSERT INTO ledgers (name, period, cap) VALUES ('run:' || p_run, '', p_cap)
    ON CONFLICT (name, period) DO NOTHING;
    SELECT l.cap INTO cap FROM ledgers l WHERE (l.name, l.period) = ('run:' || p_run, '');
END $$;

-- Say what a place takes: requests and tokens a minute (null: any), calls at once.
CREATE OR REPLACE FUNCTION "ladder".open_place(
    p_name text, p_rpm double precision, p_tpm double precision, p_ceiling integer,
    p_window_s double precision DEFAULT 60
) RETURNS void LANGUAGE plpgsql SECURITY DEFINER SET search_path = "ladder", pg_temp AS $$
BEGIN
    IF p_rpm <= 0 OR p_tpm <= 0 OR p_ceiling < 1 OR p_window_s <= 0 THEN
        RAISE EXCEPTION 'a limit must be above 0';
    END IF;
    INSERT INTO places AS p (name, rpm, tpm, window_s, ceiling)
    VALUES (p_name, p_rpm, p_tpm, p_window_s, p_ceiling)
    ON CONFLICT (name) DO UPDATE SET rpm = excluded.rpm, tpm = excluded.tpm,
        window_s = excluded.window_s, ceiling = excluded.ceiling
    WHERE (p.rpm, p.tpm, p.window_s, p.ceiling) IS DISTINCT FROM
        (excluded.rpm, excluded.tpm, excluded.window_s, excluded.ceiling);
END $$;

-- Give a call of `place` its time to go. Requests and tokens each have a GCRA whose rate
-- leaves room for its burst: whole windows never hold more than the quota. A burst is
-- two seconds' worth of a minute, of tokens at least the biggest call of late. What a busy
-- machine sends a little late falls into a later window: 6 in 1,000 are left for that.
CREATE OR REPLACE FUNCTION "ladder".go_time(
    INOUT place places, p_tokens bigint, p_now timestamptz, OUT go timestamptz
) LANGUAGE plpgsql SET search_path = "ladder", pg_temp AS $$
DECLARE
    spare double precision := place.rpm / 30;
    rpm double precision := 0.994 * place.rpm;
    tpm double precision := 0.994 * place.tpm;
    amount double precision := least(p_tokens, place.tpm);
    burst double precision;
BEGIN
    go := greatest(p_now, place.paused_until);
    IF place.rpm IS NOT NULL THEN
        go := turn(place.tat_requests, go, 1, (rpm - spare) / place.window_s, greatest(1, spare));
    END IF;
    IF place.tpm IS NOT NULL THEN
        IF place.biggest_at < p_now - make_interval(secs => 10 * place.window_s) THEN
            place.biggest := 0;
        END IF;
        burst := greatest(place.tpm / 30, place.biggest);
        -- By the burst so far: a call that is bigger pays once for making it bigger.
        go := turn(place.tat_tokens, go, amount, (tpm - burst) / place.window_s, burst);
        IF amount >= place.biggest THEN
            place.biggest := least(amount, place.tpm / 2);
            place.biggest_at := p_now;
        END IF;
        burst := greatest(place.tpm / 30, place.biggest);
        place.tat_tokens := greatest(go, place.tat_tokens)
            + make_interval(secs => amount * place.window_s / (tpm - burst));
    END IF;
    IF place.rpm IS NOT NULL THEN
        place.tat_requests := greatest(go, place.tat_requests)
            + make_interval(secs => place.window_s / (rpm - spare));
    END IF;
END $$;

-- Let calls in, many at once. For each, in the order asked:
--   stored   its reply is there, and comes along
--   held     another attempt for the key is under way
--   over     a cap would not allow it even if all that is under way were free
--   wait     money or a slot may come free
--   go       it is claimed under `fence`, `reserved` is set aside, and it may be sent in
--            `go_s` seconds
CREATE OR REPLACE FUNCTION "ladder".admit(
    p_member uuid, p_ledgers text[], p_keys bytea[], p_tickets bigint[], p_worst bigint[],
    p_tokens bigint[], p_places text[], p_models text[], p_kinds text[], p_since timestamptz[]
) RETURNS TABLE (
    nth bigint, verdict text, fence bigint, reserved bigint, go_s double precision,
    paused_s double precision, ledger text, identity text, request bytea, reply bytea
) LANGUAGE plpgsql SECURITY DEFINER SET search_path = "ladder", pg_temp AS $$
DECLARE
    my_run text;
    ids bigint[];
    books ledgers[];
    settled_now bigint[];
    reserved_now bigint[];
    place places;
    ask record;
    timed record;
    now_at timestamptz;
    go_at timestamptz;
    refused bytea[] := '{}';
    went bytea[] := '{}';
    went_at timestamptz[] := '{}';
BEGIN
    UPDATE members m SET seen = clock_timestamp() WHERE m.id = p_member RETURNING m.run INTO my_run;
    IF NOT FOUND THEN
        RAISE EXCEPTION 'this process was taken for dead' USING ERRCODE = 'LA001';
    END IF;
    IF EXISTS (SELECT FROM unnest(p_worst, p_tokens) AS a(w, t) WHERE w IS NULL OR w < 0 OR t IS NULL OR t < 0) THEN
        RAISE EXCEPTION 'a worst case must be known, and not below 0';
    END IF;
    IF EXISTS (SELECT FROM unnest(p_places) AS n WHERE NOT EXISTS (SELECT FROM places q WHERE q.name = n)) THEN
        RAISE EXCEPTION 'a place must be opened first';
    END IF;
    ids := ledgers_of(my_run, p_ledgers);
    PERFORM FROM places q WHERE q.name = ANY (p_places) ORDER BY q.name FOR UPDATE;
    PERFORM FROM ledgers l WHERE l.id = ANY (ids) ORDER BY l.id FOR UPDATE;
    SELECT array_agg(l ORDER BY l.id), array_agg(l.settled ORDER BY l.id), array_agg(l.reserved ORDER BY l.id)
    INTO books, settled_now, reserved_now FROM ledgers l WHERE l.id = ANY (ids);
    now_at := clock_timestamp();

    -- Claim first, and look for the reply after that: its payer stores it and drops its
    -- claim in one step, so whoever gets the claim then sees the reply.
    INSERT INTO calls AS c
    SELECT DISTINCT ON (a.key) a.key, nextval('fences'), a.ticket, p_member, my_run, a.place, ids,
        a.model, a.kind, a.worst,
        CASE WHEN q.dearest = 0 THEN a.worst
            ELSE greatest(a.worst, q.dearest, ceil(a.worst * q.ratio)::bigint) END,
        now_at, NULL
    FROM unnest(p_keys, p_tickets, p_worst, p_places, p_models, p_kinds, p_since)
        WITH ORDINALITY AS a(key, ticket, worst, place, model, kind, since, n)
    JOIN places q ON q.name = a.place
    WHERE NOT EXISTS (
        SELECT FROM replies r WHERE r.key = a.key AND (a.since IS NULL OR r.created >= a.since)
    ) AND NOT EXISTS (SELECT FROM calls o WHERE o.key = a.key)
    ORDER BY a.key, a.n
    ON CONFLICT (key) DO NOTHING;

    FOR ask IN
        SELECT a.n, a.key, a.tokens, a.place AS at_place, c.fence AS my_fence, c.worst, c.go,
            r.key IS NOT NULL AS is_stored, r.identity AS r_identity, r.request AS r_request, r.reply AS r_reply
        FROM unnest(p_keys, p_tickets, p_tokens, p_places, p_since)
            WITH ORDINALITY AS a(key, ticket, tokens, place, since, n)
        LEFT JOIN calls c ON c.key = a.key AND c.ticket = a.ticket AND c.member = p_member
        LEFT JOIN replies r ON r.key = a.key AND (a.since IS NULL OR r.created >= a.since)
        ORDER BY a.place, a.n
    LOOP
        IF place.name IS DISTINCT FROM ask.at_place THEN
            PERFORM keep_place(place);
            SELECT q.* INTO place FROM places q WHERE q.name = ask.at_place;
        END IF;
        nth := ask.n; fence := NULL; reserved := NULL; go_s := NULL; ledger := NULL;
        identity := NULL; request := NULL; reply := NULL; go_at := NULL;
        verdict := 'go';
        IF ask.go IS NOT NULL THEN
            go_at := ask.go;      -- admitted before, and the answer was lost
        ELSIF ask.is_stored THEN
            verdict := 'stored';
            identity := ask.r_identity; request := ask.r_request; reply := ask.r_reply;
        ELSIF ask.my_fence IS NULL THEN
            verdict := 'held';
        ELSE
            FOR i IN 1 .. cardinality(ids) LOOP
                IF settled_now[i] + ask.worst > books[i].cap THEN
                    verdict := 'over'; ledger := books[i].name; reserved := ask.worst;
                    EXIT;
                ELSIF settled_now[i] + reserved_now[i] + ask.worst > books[i].cap THEN
                    verdict := 'wait'; ledger := books[i].name;
                END IF;
            END LOOP;
            IF verdict = 'go' AND place.inflight >= place.ceiling THEN
                verdict := 'wait';
            END IF;
            IF verdict = 'go' THEN
                SELECT * INTO timed FROM go_time(place, ask.tokens, now_at);
                place := timed.place;
                place.inflight := place.inflight + 1;
                go_at := timed.go;
                FOR i IN 1 .. cardinality(ids) LOOP
                    reserved_now[i] := reserved_now[i] + ask.worst;
                END LOOP;
                went := went || ask.key; went_at := went_at || go_at;
            END IF;
        END IF;
        IF verdict = 'go' THEN
            fence := ask.my_fence; reserved := ask.worst;
            go_s := extract(epoch FROM go_at - clock_timestamp());
        ELSIF ask.my_fence IS NOT NULL THEN
            refused := refused || ask.key;
        END IF;
        paused_s := extract(epoch FROM greatest(place.paused_until, now_at) - now_at);
        RETURN NEXT;
    END LOOP;
    PERFORM keep_place(place);
    UPDATE calls c SET go = w.at FROM unnest(went, went_at) AS w(key, at) WHERE c.key = w.key;
    DELETE FROM calls c WHERE c.key = ANY (refused) AND c.member = p_member AND c.go IS NULL;
    UPDATE ledgers l SET reserved = d.total FROM unnest(ids, reserved_now) AS d(id, total)
    WHERE l.id = d.id AND l.reserved <> d.total;
END $$;

-- Write back what admit has counted in a place.
CREATE OR REPLACE FUNCTION "ladder".keep_place(p places) RETURNS void
LANGUAGE sql SET search_path = "ladder", pg_temp AS $$
    UPDATE places q SET inflight = p.inflight, tat_requests = p.tat_requests,
        tat_tokens = p.tat_tokens, biggest = p.biggest, biggest_at = p.biggest_at
    WHERE q.name = p.name
$$;

-- Close attempts, many at once. A bill of null is unknown, and counts at the worst case; a
-- reply of null: none came. For each, in the order asked:
--   settled  the attempt is closed, and its reply, if any, kept
--   twice    the money is booked, but another reply was there first: it is in `waste`
--   late     its member was taken for dead: the worst case that was booked is corrected
--   known    it was settled before: the answer to that was lost
CREATE OR REPLACE FUNCTION "ladder".settle(
    p_member uuid, p_keys bytea[], p_fences bigint[], p_bills bigint[],
    p_identities text[], p_requests bytea[], p_replies bytea[], p_since timestamptz[]
) RETURNS TABLE (nth bigint, outcome text)
LANGUAGE plpgsql SECURITY DEFINER SET search_path = "ladder", pg_temp AS $$
DECLARE
    closed booking[];
    gone bigint[];
    late bigint[];
    kept bytea[];
    my_run text;
BEGIN
    IF EXISTS (SELECT FROM unnest(p_bills) AS b WHERE b < 0) THEN
        RAISE EXCEPTION 'a bill is not below 0';
    END IF;
    PERFORM FROM places q WHERE q.name IN (
        SELECT c.place FROM unnest(p_keys, p_fences) AS a(key, fence)
        JOIN calls c ON c.key = a.key AND c.fence = a.fence
        UNION ALL
        SELECT r.place FROM reaped r WHERE r.fence = ANY (p_fences)
    ) ORDER BY q.name FOR UPDATE;
    PERFORM FROM ledgers l WHERE l.id IN (
        SELECT unnest(c.ledgers) FROM unnest(p_keys, p_fences) AS a(key, fence)
        JOIN calls c ON c.key = a.key AND c.fence = a.fence
        UNION ALL
        SELECT unnest(r.ledgers) FROM reaped r WHERE r.fence = ANY (p_fences)
    ) ORDER BY l.id FOR UPDATE;

    WITH asked AS (
        SELECT * FROM unnest(p_keys, p_fences, p_bills) WITH ORDINALITY AS a(key, fence, bill, n)
    ), open AS (
        DELETE FROM calls c USING asked a
        WHERE c.key = a.key AND c.fence = a.fence AND c.member = p_member
        RETURNING a.n, a.bill, c.*
    ), lost AS (
        DELETE FROM reaped r USING asked a WHERE r.fence = a.fence AND r.member = p_member
        RETURNING a.n, a.bill, r.*
    ), bookings AS (
        SELECT n, false AS is_late, ROW(
            place, ledgers, run, model, kind, worst, coalesce(bill, worst),
            greatest(0, bill - worst), 1, 1,
            (bill IS NULL)::integer, CASE WHEN bill IS NULL THEN worst ELSE 0 END,
            CASE WHEN bill > worst THEN bill::double precision / greatest(asked, 1) END,
            CASE WHEN bill > worst THEN bill END
        )::booking AS b FROM open
        UNION ALL
        SELECT n, true, ROW(
            place, ledgers, run, model, kind, 0, coalesce(bill, worst) - worst,
            greatest(0, bill - worst), 0, 0,
            -(bill IS NOT NULL)::integer, CASE WHEN bill IS NULL THEN 0 ELSE -worst END,
            CASE WHEN bill > worst THEN bill::double precision / greatest(asked, 1) END,
            CASE WHEN bill > worst THEN bill END
        )::booking FROM lost
    )
    SELECT array_agg(b), array_agg(n), array_agg(n) FILTER (WHERE is_late)
    INTO closed, gone, late FROM bookings;
    IF closed IS NOT NULL THEN
        PERFORM book(closed);
    END IF;

    IF EXISTS (SELECT FROM unnest(p_since) AS s WHERE s IS NOT NULL) THEN
        PERFORM set_aside(p_keys, p_replies, p_since);
    END IF;
    WITH new AS (
        INSERT INTO replies AS r
        SELECT DISTINCT ON (a.key) a.key, a.identity, a.request, a.reply, clock_timestamp(), p_member
        FROM unnest(p_keys, p_identities, p_requests, p_replies) WITH ORDINALITY
            AS a(key, identity, request, reply, n)
        WHERE a.reply IS NOT NULL ORDER BY a.key, a.n
        ON CONFLICT (key) DO NOTHING RETURNING r.key
    ) SELECT coalesce(array_agg(new.key), '{}') INTO kept FROM new;
    SELECT m.run INTO my_run FROM members m WHERE m.id = p_member;
    RETURN QUERY
    WITH answered AS (
        SELECT a.n, a.key, a.bill, CASE
            WHEN NOT a.n = ANY (coalesce(gone, '{}')) THEN 'known'
            WHEN a.reply IS NOT NULL AND NOT a.key = ANY (kept) THEN 'twice'
            WHEN a.n = ANY (coalesce(late, '{}')) THEN 'late'
            ELSE 'settled' END AS said
        FROM unnest(p_keys, p_bills, p_replies) WITH ORDINALITY AS a(key, bill, reply, n)
    ), wasted AS (
        INSERT INTO waste (key, member, run, nano, at)
        SELECT key, p_member, coalesce(my_run, ''), bill, clock_timestamp() FROM answered WHERE said = 'twice'
    ) SELECT n, said FROM answered;
END $$;

-- Move replies that are older than a refresh asks for to where the replaced ones are.
CREATE OR REPLACE FUNCTION "ladder".set_aside(p_keys bytea[], p_replies bytea[], p_since timestamptz[])
RETURNS void LANGUAGE plpgsql SET search_path = "ladder", pg_temp AS $$
BEGIN
    PERFORM FROM replies r WHERE r.key = ANY (p_keys) ORDER BY r.key FOR UPDATE;
    WITH old AS (
        DELETE FROM replies r USING unnest(p_keys, p_replies, p_since) AS a(key, reply, since)
        WHERE r.key = a.key AND a.reply IS NOT NULL
        AND r.created < least(a.since, clock_timestamp()) RETURNING r.*
    ) INSERT INTO replaced SELECT old.*, clock_timestamp() FROM old;
END $$;

-- Let no call of a place go for so many seconds, 180 at most.
CREATE OR REPLACE FUNCTION "ladder".pause(p_place text, p_seconds double precision) RETURNS void
LANGUAGE sql SECURITY DEFINER SET search_path = "ladder", pg_temp AS $$
    UPDATE places p SET paused_until = greatest(
        p.paused_until, clock_timestamp() + make_interval(secs => least(greatest(p_seconds, 0), 180)))
    WHERE p.name = p_place
$$;

-- Show that a process lives. False: it was taken for dead, and must join again.
CREATE OR REPLACE FUNCTION "ladder".beat(p_member uuid) RETURNS boolean
LANGUAGE plpgsql SECURITY DEFINER SET search_path = "ladder", pg_temp AS $$
BEGIN
    UPDATE members m SET seen = clock_timestamp() WHERE m.id = p_member;
    RETURN FOUND;
END $$;

-- Book the calls of members that show no life at their worst case, and free their keys.
-- Returns how many calls; one process at a time does it.
CREATE OR REPLACE FUNCTION "ladder".reap() RETURNS bigint
LANGUAGE plpgsql SECURITY DEFINER SET search_path = "ladder", pg_temp AS $$
DECLARE
    dead uuid[];
    closed booking[];
BEGIN
    IF NOT pg_try_advisory_xact_lock(hashtextextended('pytest-ladder reap ' || current_schema(), 0)) THEN
        RETURN 0;
    END IF;
    dead := ARRAY(
        SELECT m.id FROM members m, meta
        WHERE m.seen < clock_timestamp() - make_interval(secs => meta.dead_after_s)
        FOR UPDATE OF m SKIP LOCKED);
    IF cardinality(dead) = 0 THEN
        RETURN 0;
    END IF;
    PERFORM FROM places q WHERE q.name IN (SELECT c.place FROM calls c WHERE c.member = ANY (dead))
    ORDER BY q.name FOR UPDATE;
    PERFORM FROM ledgers l WHERE l.id IN (SELECT unnest(c.ledgers) FROM calls c WHERE c.member = ANY (dead))
    ORDER BY l.id FOR UPDATE;
    WITH gone AS (
        DELETE FROM calls c WHERE c.member = ANY (dead) RETURNING c.*
    ), noted AS (
        INSERT INTO reaped SELECT fence, key, member, run, place, ledgers, model, kind, asked, worst, at,
            clock_timestamp() FROM gone
    ) SELECT array_agg(ROW(
        place, ledgers, run, model, kind, worst, worst, 0, 1, 1, 1, worst, NULL, NULL)::booking)
    INTO closed FROM gone;
    IF closed IS NOT NULL THEN
        PERFORM book(closed);
    END IF;
    DELETE FROM members m WHERE m.id = ANY (dead);
    RETURN coalesce(cardinality(closed), 0);
END $$;

-- Leave: what is still open is for the next reap, which need not wait.
CREATE OR REPLACE FUNCTION "ladder".leave(p_member uuid) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = "ladder", pg_temp AS $$
BEGIN
    UPDATE members m SET seen = '-infinity' WHERE m.id = p_member;
    DELETE FROM members m WHERE m.id = p_member
    AND NOT EXISTS (SELECT FROM calls c WHERE c.member = p_member);
END $$;

-- How it stands with keys that others hold: 'stored', 'held', 'dead' (held, and its holder
-- shows no life) or 'free'.
CREATE OR REPLACE FUNCTION "ladder".look(p_keys bytea[], p_since timestamptz[]) RETURNS TABLE (nth bigint, state text)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = "ladder", pg_temp AS $$
    SELECT a.n, CASE
        WHEN EXISTS (
            SELECT FROM replies r WHERE r.key = a.key AND (a.since IS NULL OR r.created >= a.since)
        ) THEN 'stored'
        WHEN c.key IS NULL THEN 'free'
        WHEN m.id IS NULL OR m.seen < clock_timestamp() - make_interval(secs => meta.dead_after_s)
        THEN 'dead' ELSE 'held' END
    FROM meta, unnest(p_keys, p_since) WITH ORDINALITY AS a(key, since, n)
    LEFT JOIN calls c ON c.key = a.key LEFT JOIN members m ON m.id = c.member
$$;

-- Keep replies that were paid for elsewhere, such as those of an outbox. Returns how many
-- were new.
CREATE OR REPLACE FUNCTION "ladder".keep(
    p_keys bytea[], p_identities text[], p_requests bytea[], p_replies bytea[]
) RETURNS bigint LANGUAGE sql SECURITY DEFINER SET search_path = "ladder", pg_temp AS $$
    WITH new AS (
        INSERT INTO replies AS r
        SELECT DISTINCT ON (a.key) a.key, a.identity, a.request, a.reply, clock_timestamp(), NULL::uuid
        FROM unnest(p_keys, p_identities, p_requests, p_replies) AS a(key, identity, request, reply)
        ORDER BY a.key
        ON CONFLICT (key) DO NOTHING RETURNING r.key
    ) SELECT count(*) FROM new
$$;

-- Sums of ledgers, for headers: of this period, of those named, of everyone, and of a run.
CREATE OR REPLACE FUNCTION "ladder".standing(p_names text[], p_run text)
RETURNS TABLE (name text, period text, cap bigint, settled bigint, reserved bigint, excess bigint)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = "ladder", pg_temp AS $$
    SELECT c.name, period_of(c.per, now(), p_run), c.nano,
        coalesce(l.settled, 0), coalesce(l.reserved, 0), coalesce(l.excess, 0)
    FROM caps c LEFT JOIN ledgers l ON (l.name, l.period) = (c.name, period_of(c.per, now(), p_run))
    WHERE c.name = ANY (p_names) OR c.everyone
    UNION ALL
    SELECT l.name, l.period, l.cap, l.settled, l.reserved, l.excess
    FROM ledgers l WHERE l.name = 'run:' || p_run ORDER BY 1
$$;

-- For owners only: set what a ledger may spend in each period (null: no cap).
CREATE OR REPLACE FUNCTION "ladder".set_cap(p_name text, p_per text, p_nano bigint, p_everyone boolean)
RETURNS void LANGUAGE plpgsql SET search_path = "ladder", pg_temp AS $$
BEGIN
    INSERT INTO caps VALUES (p_name, p_per, p_nano, p_everyone)
    ON CONFLICT (name) DO UPDATE SET per = p_per, nano = p_nano, everyone = p_everyone;
    UPDATE ledgers l SET cap = p_nano, lowered_at = l.settled + l.reserved - l.excess
    WHERE l.name = p_name AND CASE WHEN p_per = 'run' THEN l.period LIKE 'run:%'
        ELSE l.period = period_of(p_per, clock_timestamp()) END;
END $$;

-- Note one more use of a seed on a suite, and return all seeds that were tried on it, by
-- their last use: so the one to use now comes last. `p_wanted` is a seed, or null for the
-- last one, unless `p_new` wants one that nobody has tried. `p_known` are those that the
-- client's machine has used, perhaps while it was alone.
CREATE OR REPLACE FUNCTION "ladder".climb(
    p_question text, p_known bigint[], p_wanted bigint, p_new boolean, p_run text
) RETURNS TABLE (seed bigint)
LANGUAGE plpgsql SECURITY DEFINER SET search_path = "ladder", pg_temp AS $$
#variable_conflict use_column
DECLARE
    last_used bigint;
    chosen bigint;
BEGIN
    PERFORM pg_advisory_xact_lock(hashtextextended('pytest-ladder climb ' || p_question, 0));
    INSERT INTO climbs (question, seed, run, at)
    SELECT p_question, k.seed, p_run, clock_timestamp()
    FROM unnest(p_known) WITH ORDINALITY AS k(seed, n)
    WHERE NOT EXISTS (SELECT FROM climbs c WHERE (c.question, c.seed) = (p_question, k.seed))
    ORDER BY k.n;
    SELECT c.seed INTO last_used FROM climbs c WHERE c.question = p_question ORDER BY c.attempt DESC LIMIT 1;
    chosen := coalesce(p_wanted, last_used, 0);
    IF p_new THEN
        SELECT coalesce(max(c.seed), 0) + 1 INTO chosen FROM climbs c WHERE c.question = p_question;
    END IF;
    INSERT INTO climbs (question, seed, run, at) VALUES (p_question, chosen, p_run, clock_timestamp())
    ON CONFLICT (question, seed) DO UPDATE SET
        attempt = excluded.attempt, run = excluded.run, at = excluded.at;
    RETURN QUERY SELECT c.seed FROM climbs c WHERE c.question = p_question ORDER BY c.attempt;
END $$;

-- For owners only: correct the worst case of a dead call to what was really billed.
CREATE OR REPLACE FUNCTION "ladder".release(p_fence bigint, p_bill bigint) RETURNS boolean
LANGUAGE sql SET search_path = "ladder", pg_temp AS $$
    SELECT EXISTS (
        SELECT FROM reaped r, settle(
            r.member, ARRAY[r.key], ARRAY[r.fence], ARRAY[p_bill],
            ARRAY[NULL]::text[], ARRAY[NULL]::bytea[], ARRAY[NULL]::bytea[], ARRAY[NULL]::timestamptz[])
        WHERE r.fence = p_fence)
$$;
