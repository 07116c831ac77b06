CREATE TABLE customers (
  id INT AUTO_INCREMENT PRIMARY KEY, name VARCHAR(200) CHARACTER SET utf8mb4 NOT NULL, body LONGTEXT CHARACTER SET utf8mb4,
  raw LONGBLOB, bits BIT(9), made DATETIME(6), price DECIMAL(20,8)) ENGINE=InnoDB;
CREATE TABLE `odd ``name` (id INT AUTO_INCREMENT PRIMARY KEY, customer INT NOT NULL, doc JSON,
  CONSTRAINT whose FOREIGN KEY (customer) REFERENCES customers (id)) ENGINE=InnoDB;
CREATE TABLE log (id INT AUTO_INCREMENT PRIMARY KEY, what VARCHAR(100)) ENGINE=InnoDB;
INSERT INTO customers (name, body, raw, bits, made, price) VALUES
  ('quote '' " ` \\ percent % semicolon ;', 'line\nline\rtab\t', 0x00FF1A0A0D275C22, b'101010101', '2024-02-29 23:59:59.123456', 1234567890.12345678),
  ('ünïcödé 漢字 🎈', '-- Dump completed', '', NULL, NULL, NULL),
  ('null', NULL, NULL, NULL, NULL, -0.00000001);
INSERT INTO customers (name, raw) SELECT CONCAT('blob ', seq), REPEAT(UNHEX('00FF10'), 500000) FROM seq_1_to_3;
INSERT INTO customers (name, body) SELECT CONCAT('row ', seq), REPEAT(MD5(seq), 5) FROM seq_1_to_20000;
INSERT INTO `odd ``name` (customer, doc) SELECT id, JSON_OBJECT('id', id, 'name', name) FROM customers WHERE id <= 300;
CREATE VIEW happy AS SELECT id, name FROM customers WHERE price IS NOT NULL;
DELIMITER //
CREATE FUNCTION twice(n INT) RETURNS INT DETERMINISTIC BEGIN DECLARE x INT; SET x = n * 2; RETURN x; END//
CREATE PROCEDURE note(IN what VARCHAR(100)) BEGIN INSERT INTO log (what) VALUES (what); END//
CREATE TRIGGER noted AFTER INSERT ON customers FOR EACH ROW BEGIN INSERT INTO log (what) VALUES (CONCAT('new; ', NEW.name)); END//
CREATE EVENT nightly ON SCHEDULE EVERY 1 DAY DO BEGIN CALL note('night'); END//
DELIMITER ;
