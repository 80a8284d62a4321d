drop table moothill.idempotency_keys;
drop table moothill.events;
drop function mt.horizon();
drop function mt.incarnation();
drop table moothill.incarnations;
