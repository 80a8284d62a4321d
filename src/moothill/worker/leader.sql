-- name: acquire
-- Take a lease that is free or expired; its new epoch, or null.
-- returns: one
select jobs_lease_acquire(%(name)s, %(holder)s, %(seconds)s) as epoch;

-- name: renew
-- Extend a lease that is still held.
-- returns: one
select jobs_lease_renew(%(name)s, %(epoch)s, %(seconds)s) as held;

-- name: release
-- Give a lease back.
-- returns: one
select jobs_lease_release(%(name)s, %(epoch)s) as held;

-- name: check
-- Whether an epoch still leads; nobody takes over before this transaction ends.
-- returns: one
select jobs_lease_check(%(name)s, %(epoch)s) as held;
