SELECT * FROM customers ORDER BY id;
SELECT * FROM "odd schema"."Odd ""Table""" ORDER BY id;
SELECT * FROM happy ORDER BY id;
SELECT last_value, is_called FROM customers_id_seq;
SELECT greet('you');
SELECT conname, pg_get_constraintdef(oid) FROM pg_constraint WHERE connamespace::regnamespace::text !~ '^(pg_|information)' ORDER BY 1;
SELECT indexdef FROM pg_indexes WHERE schemaname !~ '^(pg_|information)' ORDER BY 1;
