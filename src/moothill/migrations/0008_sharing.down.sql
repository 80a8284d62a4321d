drop view moothill.tenant_statistics;
drop view moothill.cross_tenant_access_summary;
drop function moothill.gate_tenant_known(uuid);
drop function moothill.gate_grants_received(uuid, integer);
drop function moothill.gate_grant_find(text, text);
drop function moothill.gate_tenant_level(text);
drop table moothill.access_log;
drop table moothill.sharing_grants;
alter table moothill.tenants drop column isolation_level;
