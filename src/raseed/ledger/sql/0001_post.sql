-- Writes one entry: itself, its transfers, the balances and the customer's totals. One call, one round trip.
--
-- It runs as the owner of the books because the application may not write them. For a database distributed by
-- account it takes the account first, writes rows with VALUES and touches tables of that account only.
-- Balances are updated in the order of kind and currency, so two entries cannot wait for each other in a ring.
--
-- Returns the id of the entry that stands: `_entry_id`, or the id of the first entry with this operation key.
-- Errors: LG001 key used for another body, LG002 floor, LG003 the customer's balance has another currency,
-- LG004 nothing to reverse, LG005 not the mirror of the entry reversed, LG006 reversed before, LG007 no such account.
CREATE FUNCTION ledger_post(
    _account_id uuid,
    _entry_id uuid,
    _kind text,
    _operation_key text,
    _fingerprint bytea,
    _at timestamptz,
    _recorded_at timestamptz,
    _memo jsonb,
    _reverses_id uuid,
    _guarded boolean,
    _ids uuid[],
    _debits text[],
    _credits text[],
    _amounts bigint[],
    _currencies text[]
) RETURNS uuid
LANGUAGE plpgsql
SECURITY DEFINER
SET search_path = public, pg_temp
AS $$
DECLARE
    _first record;
    _reversed record;
    _mirror record;
    _side record;
    _after record;
    _total record;
    _total_kind text := _kind;
    _currency text;
    _proof_kind text;
    _proof_available bigint;
    _proof_floor bigint;
BEGIN
    IF _reverses_id IS NOT NULL THEN
        SELECT kind, reverses_id INTO _reversed
          FROM ledger_entry WHERE account_id = _account_id AND id = _reverses_id;
        IF NOT FOUND THEN
            RAISE EXCEPTION 'the account has no entry % to reverse', _reverses_id USING ERRCODE = 'LG004';
        END IF;
        SELECT array_agg(debit ORDER BY line) AS debits, array_agg(credit ORDER BY line) AS credits,
               array_agg(amount_micros ORDER BY line) AS amounts, array_agg(currency ORDER BY line) AS currencies
          INTO _mirror
          FROM ledger_transfer WHERE account_id = _account_id AND entry_id = _reverses_id;
        IF _reversed.reverses_id IS NOT NULL
           OR _mirror.debits::text[] IS DISTINCT FROM _credits OR _mirror.credits::text[] IS DISTINCT FROM _debits
           OR _mirror.amounts IS DISTINCT FROM _amounts OR _mirror.currencies::text[] IS DISTINCT FROM _currencies
        THEN
            RAISE EXCEPTION 'not the mirror of entry %, or that is a reversal itself', _reverses_id
                USING ERRCODE = 'LG005';
        END IF;
        PERFORM FROM ledger_entry
          WHERE account_id = _account_id AND reverses_id = _reverses_id AND operation_key <> _operation_key;
        IF FOUND THEN
            RAISE EXCEPTION 'entry % is reversed already', _reverses_id USING ERRCODE = 'LG006';
        END IF;
        _total_kind := _reversed.kind;
    END IF;

    INSERT INTO ledger_entry
        (account_id, id, kind, operation_key, fingerprint, at, recorded_at, memo, reverses_id)
    VALUES
        (_account_id, _entry_id, _kind, _operation_key, _fingerprint, _at, _recorded_at, _memo, _reverses_id)
    -- Whichever unique index conflicts: naming one would let a race on the other end in a bare violation.
    ON CONFLICT DO NOTHING;
    IF NOT FOUND THEN
        SELECT id, fingerprint INTO _first
          FROM ledger_entry WHERE account_id = _account_id AND operation_key = _operation_key;
        IF NOT FOUND THEN
            IF _reverses_id IS NOT NULL THEN
                RAISE EXCEPTION 'entry % is reversed already', _reverses_id USING ERRCODE = 'LG006';
            END IF;
            -- Somebody's entry that this transaction's snapshot cannot see.
            RAISE EXCEPTION 'operation key % was used by a newer transaction', _operation_key USING ERRCODE = '40001';
        END IF;
        IF _first.fingerprint <> _fingerprint THEN
            RAISE EXCEPTION 'operation key % belongs to entry %, which moves something else', _operation_key, _first.id
                USING ERRCODE = 'LG001';
        END IF;
        RETURN _first.id;
    END IF;

    FOR _side IN
        SELECT moved.kind, moved.currency, sum(moved.micros)::bigint AS micros
          FROM (SELECT unnest(_debits) AS kind, unnest(_currencies) AS currency, -unnest(_amounts) AS micros
                UNION ALL
                SELECT unnest(_credits), unnest(_currencies), unnest(_amounts)) AS moved
         GROUP BY moved.kind, moved.currency
         ORDER BY moved.kind, moved.currency
    LOOP
        FOR _attempt IN 1 .. 2 LOOP
            UPDATE ledger_account
               SET balance_micros = balance_micros + _side.micros, version = version + 1
             WHERE account_id = _account_id AND kind = _side.kind AND currency = _side.currency
               AND (NOT _guarded OR _side.micros >= 0 OR floor_micros IS NULL
                    OR balance_micros - held_micros + _side.micros >= floor_micros)
            RETURNING balance_micros - held_micros AS available_micros, floor_micros INTO _after;
            EXIT WHEN FOUND;
            IF _attempt = 2 AND NOT _guarded THEN
                RAISE EXCEPTION 'the customer''s balance is not in %', _side.currency USING ERRCODE = 'LG003';
            END IF;
            IF _attempt = 2 THEN
                RAISE EXCEPTION '% micros of % on % would go below the floor',
                    _side.micros, _side.currency, _side.kind USING ERRCODE = 'LG002';
            END IF;
            -- The row's first use, or the floor: make the row if there is none and look again.
            IF _side.kind = 'customer' THEN
                SELECT currency INTO _currency FROM accounts_account WHERE id = _account_id;
                IF NOT FOUND THEN
                    RAISE EXCEPTION 'there is no account %', _account_id USING ERRCODE = 'LG007';
                END IF;
                IF _currency <> _side.currency THEN
                    RAISE EXCEPTION 'the customer''s balance is in %, not in %', _currency, _side.currency
                        USING ERRCODE = 'LG003';
                END IF;
            END IF;
            INSERT INTO ledger_account
                (account_id, id, kind, currency, balance_micros, held_micros, floor_micros, version)
            VALUES
                (_account_id, gen_random_uuid(), _side.kind, _side.currency, 0, 0,
                 CASE WHEN _side.kind = 'customer' THEN 0 END, 0)
            ON CONFLICT DO NOTHING;
        END LOOP;
        IF _guarded AND _side.micros < 0 AND _after.floor_micros IS NOT NULL THEN
            _proof_kind := _side.kind;
            _proof_available := _after.available_micros;
            _proof_floor := _after.floor_micros;
        END IF;
    END LOOP;

    FOR _line IN 1 .. cardinality(_ids) LOOP
        INSERT INTO ledger_transfer
            (account_id, id, entry_id, line, debit, credit, currency, amount_micros,
             available_after_micros, floor_micros)
        VALUES
            (_account_id, _ids[_line], _entry_id, _line, _debits[_line], _credits[_line], _currencies[_line],
             _amounts[_line],
             CASE WHEN _debits[_line] = _proof_kind THEN _proof_available END,
             CASE WHEN _debits[_line] = _proof_kind THEN _proof_floor END);
    END LOOP;

    -- The customer's balance row, locked above, stands guard over these: no two entries get here at once.
    SELECT max(moved.currency) AS currency, sum(moved.debit)::bigint AS debit, sum(moved.credit)::bigint AS credit
      INTO _total
      FROM (SELECT currency,
                   CASE WHEN debit = 'customer' THEN amount ELSE 0 END AS debit,
                   CASE WHEN credit = 'customer' THEN amount ELSE 0 END AS credit
              FROM unnest(_debits, _credits, _amounts, _currencies) AS line (debit, credit, amount, currency)
             WHERE 'customer' IN (debit, credit)) AS moved;
    IF _total.currency IS NOT NULL THEN
        UPDATE ledger_customer_total
           SET debit_micros = debit_micros + _total.debit, credit_micros = credit_micros + _total.credit,
               entries = entries + 1
         WHERE account_id = _account_id AND kind = _total_kind AND currency = _total.currency;
        IF NOT FOUND THEN
            INSERT INTO ledger_customer_total
                (account_id, id, kind, currency, debit_micros, credit_micros, entries)
            VALUES
                (_account_id, gen_random_uuid(), _total_kind, _total.currency, _total.debit, _total.credit, 1);
        END IF;
    END IF;
    RETURN _entry_id;
END
$$;
