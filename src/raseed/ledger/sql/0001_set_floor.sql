-- Sets the floor of the customer's balance (0 for prepaid, minus the credit limit for postpaid), making the row at need.
-- The floor may be set above the balance: nothing is taken, guarded entries are refused until the balance has grown.
CREATE FUNCTION ledger_set_floor(_account_id uuid, _currency text, _floor_micros bigint) RETURNS void
LANGUAGE plpgsql
SECURITY DEFINER
SET search_path = public, pg_temp
AS $$
BEGIN
    PERFORM FROM accounts_account WHERE id = _account_id AND currency = _currency;
    IF NOT FOUND THEN
        RAISE EXCEPTION 'account % does not exist or its balance is not in %', _account_id, _currency
            USING ERRCODE = 'LG003';
    END IF;
    FOR _attempt IN 1 .. 2 LOOP
        UPDATE ledger_account SET floor_micros = _floor_micros
         WHERE account_id = _account_id AND kind = 'customer' AND currency = _currency;
        EXIT WHEN FOUND;
        INSERT INTO ledger_account
            (account_id, id, kind, currency, balance_micros, held_micros, floor_micros, version)
        VALUES
            (_account_id, gen_random_uuid(), 'customer', _currency, 0, 0, _floor_micros, 0)
        ON CONFLICT DO NOTHING;
    END LOOP;
END
$$;
