-- migrate:up
-- Who waits beside free blood is looked at again by a timer of its own.
ALTER TABLE timers DROP CONSTRAINT timers_kind_ck;
ALTER TABLE timers ADD CONSTRAINT timers_kind_ck CHECK (kind IN (
    'hold_lapse', 'request_expiry', 'unit_expiry', 'shortage_assessment', 'rematch', 'call_wave',
    'no_show', 'feed_retention', 'audit_seal', 'stock_day', 'waiting_sweep'
));

-- migrate:down
DELETE FROM timers WHERE kind = 'waiting_sweep';
ALTER TABLE timers DROP CONSTRAINT timers_kind_ck;
ALTER TABLE timers ADD CONSTRAINT timers_kind_ck CHECK (kind IN (
    'hold_lapse', 'request_expiry', 'unit_expiry', 'shortage_assessment', 'rematch', 'call_wave',
    'no_show', 'feed_retention', 'audit_seal', 'stock_day'
));
