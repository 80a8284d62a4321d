-- Whoever goes back while tenants encrypt would lose what is sealed: the keys go with the table.
alter table moothill.tenant_keys no force row level security;
do $$ begin
  if exists (select from moothill.tenant_keys k where k.state <> 'shredded') then
    raise exception 'tenants have data keys still: disable their encryption, and delete the retired keys, first';
  end if;
end $$;

drop function moothill.gate_key_rewrap(uuid, integer, bytea, bytea, text);
drop function moothill.gate_keys_stale(text, uuid, integer, integer);
drop function moothill.gate_event_reseal(uuid, text, jsonb, jsonb, bytea, text);
revoke select (tenant_id, id, payload, changes), update (payload, changes) on moothill.events from moothill_gate;
drop policy gate_rows on moothill.events;

create or replace function mt.refuse_change() returns trigger
  language plpgsql set search_path = pg_catalog, pg_temp as $$
begin
  if current_user = 'moothill_jobs' then
    if tg_op = 'DELETE' then
      if not mt.is_held(old.tenant_id) then
        return old;
      end if;
      raise exception '% of this tenant are under a legal hold', tg_argv[0]
        using errcode = 'restrict_violation', hint = 'Release the hold first; `retention.holds` shows it.';
    elsif tg_op = 'UPDATE' then
      -- What is generated from other columns is not known yet; they are compared.
      if mt.is_redaction(tg_argv[0], to_jsonb(old) - 'place', to_jsonb(new) - 'place') then
        return new;
      end if;
    end if;
  end if;
  raise exception '% is append-only: what happened is neither changed nor taken back', tg_argv[0]
    using errcode = 'restrict_violation', hint = 'Retention deletes what is old enough; nothing else may.';
end $$;
comment on function mt.refuse_change() is
  'Refuses to change or remove rows of a log, for every role; as moothill_jobs, retention deletes what is not held, and erasure blanks.';

revoke update (sentence) on moothill.capability_evidence from moothill_app;
alter table moothill.capability_evidence drop constraint capability_evidence_sentence_check;
alter table moothill.capability_evidence add constraint capability_evidence_sentence_check check (length(sentence) <= 10000);
alter table moothill.agent_cards drop constraint agent_cards_content_check;
alter table moothill.agent_cards add constraint agent_cards_content_check check (length(content) <= 1048576);

drop trigger sealed_rows on moothill.events;
drop trigger sealed_rows on moothill.idempotency_keys;
drop trigger sealed_added on moothill.idempotency_keys;
drop trigger sealed_rows on moothill.jobs;
drop trigger sealed_added on moothill.jobs;
drop trigger sealed_rows on moothill.capability_evidence;
drop trigger sealed_added on moothill.capability_evidence;
drop trigger sealed_rows on moothill.capabilities;
drop trigger sealed_added on moothill.capabilities;
drop trigger sealed_rows on moothill.agent_cards;
drop trigger sealed_added on moothill.agent_cards;
drop trigger sealed_rows on moothill.agents;
drop trigger sealed_added on moothill.agents;
drop function mt.sealed_events();
drop function mt.sealed_idempotency_keys();
drop function mt.sealed_jobs();
drop function mt.sealed_capability_evidence();
drop function mt.sealed_capabilities();
drop function mt.sealed_agent_cards();
drop function mt.sealed_agents();
drop function mt.seals(regclass, name[], name, text);
drop function mt.is_open_event(text);
drop function mt.is_unfit(bytea, integer);
drop function mt.is_unfit(text, integer);
drop function mt.is_unfit(jsonb, integer);
drop function mt.seal_key(bytea);
drop function mt.seal_key(text);
drop function mt.seal_key(jsonb);
drop table moothill.tenant_keys;
