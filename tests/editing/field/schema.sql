-- Accounts and their bookings.
CREATE TABLE account (
    id      integer PRIMARY KEY,
    name    text NOT NULL UNIQUE,
    opened  date NOT NULL DEFAULT current_date
);

CREATE TABLE booking (
    id      integer PRIMARY KEY,
    source  integer NOT NULL REFERENCES account (id),
    target  integer NOT NULL REFERENCES account (id),
    amount  numeric(12, 2) NOT NULL CHECK (amount > 0),
    text    text NOT NULL DEFAULT ''
);

CREATE INDEX booking_source ON booking (source);
CREATE INDEX booking_target ON booking (target);

-- What an account has.
CREATE VIEW balance AS
SELECT account.id,
       account.name,
       coalesce((SELECT sum(amount) FROM booking WHERE target = account.id), 0)
       - coalesce((SELECT sum(amount) FROM booking WHERE source = account.id), 0) AS amount
FROM account;

INSERT INTO account (id, name) VALUES (1, 'cash'), (2, 'bank'), (3, 'rent');
INSERT INTO booking (source, target, amount, text)
VALUES (2, 3, 950.00, 'rent for "March"'), (2, 1, 100.00, 'cash < 200');
