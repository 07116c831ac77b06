-- What dumps get wrong: binary data, unicode, escapes, large rows, foreign keys,
-- sequences, quoted names, generated columns, a function with a dollar quote.
CREATE SCHEMA "odd schema";
CREATE TYPE mood AS ENUM ('sad', 'it''s', 'ünï');
CREATE TABLE customers (
  id serial PRIMARY KEY, name text NOT NULL, mood mood, raw bytea, made timestamptz, price numeric(20,8),
  lower_name text GENERATED ALWAYS AS (lower(name)) STORED);
CREATE TABLE "odd schema"."Odd ""Table""" (
  id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  customer int NOT NULL REFERENCES customers ON DELETE CASCADE DEFERRABLE, doc jsonb, tags text[]);
INSERT INTO customers (name, mood, raw, made, price) VALUES
  (E'tab\there\nnew line \\. backslash \\ end', 'it''s', '\x00ff5c2e0a0d', '2024-02-29 23:59:59.123456+05:30', 1234567890.12345678),
  ('ünïcödé 漢字 🎈', 'ünï', '', NULL, NULL),
  (E'\\.', 'sad', NULL, 'infinity', 'NaN'),
  (E'--\n-- PostgreSQL database dump complete\n--\n', NULL, decode(repeat('00ff', 300000), 'hex'), NULL, 0);
INSERT INTO customers (name) SELECT repeat(md5(n::text), 60000) FROM generate_series(1, 4) n;
INSERT INTO customers (name) SELECT 'row ' || n FROM generate_series(1, 20000) n;
INSERT INTO "odd schema"."Odd ""Table""" (customer, doc, tags)
  SELECT id, jsonb_build_object('id', id, 'name', left(name, 20)), ARRAY['a"b', NULL, '\', left(name, 9)] FROM customers WHERE id <= 500;
CREATE INDEX ON customers (lower_name text_pattern_ops) WHERE length(name) < 100;
CREATE VIEW happy AS SELECT id, name FROM customers WHERE mood = 'it''s';
CREATE FUNCTION greet(who text) RETURNS text LANGUAGE plpgsql AS $body$ BEGIN RETURN 'hello ' || who || E'\n$$'; END $body$;
SELECT setval('customers_id_seq', 77777);
