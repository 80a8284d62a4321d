-- phase: pre
-- Encryption of a tenant's content: its data keys, wrapped, and the guard that lets nothing in unsealed.

set local citus.enable_unsafe_triggers = on;

create table moothill.tenant_keys (
  tenant_id uuid not null constraint tenant_keys_tenant_fkey references moothill.tenants (id),
  number integer not null constraint tenant_keys_number_check check (number >= 1),
  wrapped bytea constraint tenant_keys_wrapped_check check (length(wrapped) between 1 and 4096),
  kek text not null constraint tenant_keys_kek_check check (length(kek) between 1 and 200),
  state text not null default 'active'
    constraint tenant_keys_state_check check (state in ('active', 'retired', 'shredded')),
  created_at timestamptz not null default now(),
  wrapped_at timestamptz not null default now(),
  retired_at timestamptz,
  shredded_at timestamptz,
  constraint tenant_keys_pkey primary key (tenant_id, number),
  constraint tenant_keys_shredded_check check ((wrapped is null) = (state = 'shredded'))
);
select mt.distribute('moothill.tenant_keys');
create unique index tenant_keys_active_key on moothill.tenant_keys (tenant_id) include (number) where state = 'active';
select mt.protect('moothill.tenant_keys');
create policy gate_rows on moothill.tenant_keys to moothill_gate using (true) with check (true);
grant select, insert, update (wrapped, kek, state, wrapped_at, retired_at, shredded_at) on moothill.tenant_keys to moothill_app;
grant select, update (wrapped, kek, wrapped_at) on moothill.tenant_keys to moothill_gate;

comment on table moothill.tenant_keys is 'Data keys of tenants that encrypt, wrapped by a key-encryption key that is never in this database.';
comment on column moothill.tenant_keys.tenant_id is 'Whose it is.';
comment on column moothill.tenant_keys.number is 'Named in each value that it sealed; rises.';
comment on column moothill.tenant_keys.wrapped is 'The data key, wrapped; null once it was shredded.';
comment on column moothill.tenant_keys.kek is 'Id of the key-encryption key that wraps it.';
comment on column moothill.tenant_keys.state is 'active: it seals what is written; retired: it still opens; shredded: what it sealed is lost for good.';
comment on column moothill.tenant_keys.created_at is 'When it was made.';
comment on column moothill.tenant_keys.wrapped_at is 'When it was wrapped by this key-encryption key.';
comment on column moothill.tenant_keys.retired_at is 'When another took its place, or the tenant stopped encrypting.';
comment on column moothill.tenant_keys.shredded_at is 'When it was destroyed.';

-- Numbers of keys begin at 1; 0 marks a caller's own value that only looks sealed.
create function mt.seal_key(stored jsonb) returns integer
  language sql immutable parallel safe
as $$
  select case when stored ? '$sealed' and jsonb_typeof(stored -> '$sealed' -> 'k') = 'number'
                   and stored -> '$sealed' ->> 'k' ~ '^[1-9][0-9]{0,8}$'
              then (stored -> '$sealed' ->> 'k')::integer end
$$;
comment on function mt.seal_key(jsonb) is 'Number of the key that sealed a value; null for a plain one.';

create function mt.seal_key(stored text) returns integer
  language sql immutable parallel safe
as $$
  select case when stored ~ '^\$sealed:[1-9][0-9]{0,8}:' then split_part(stored, ':', 2)::integer end
$$;
comment on function mt.seal_key(text) is 'Number of the key that sealed a value; null for a plain one.';

create function mt.seal_key(stored bytea) returns integer
  language sql immutable parallel safe
as $$
  select case when substr(stored, 1, 9) = '\x247365616c65640001'::bytea and length(stored) >= 13
              then nullif(get_byte(stored, 9) * 16777216 + get_byte(stored, 10) * 65536
                          + get_byte(stored, 11) * 256 + get_byte(stored, 12), 0) end
$$;
comment on function mt.seal_key(bytea) is 'Number of the key that sealed a value; null for a plain one.';

create function mt.is_unfit(stored jsonb, wanted integer) returns boolean
  language sql immutable parallel safe
as $$
  select case when wanted is null then stored ? '$sealed' and mt.seal_key(stored) is not null
              else stored not in ('{}', '[]', 'null') and mt.seal_key(stored) is distinct from wanted end
$$;
comment on function mt.is_unfit(jsonb, integer) is
  'Whether a value is not as it has to be where this key seals (null: where none does); an empty one tells nothing.';

create function mt.is_unfit(stored text, wanted integer) returns boolean
  language sql immutable parallel safe
as $$
  select case when wanted is null then mt.seal_key(stored) is not null
              else stored <> '' and mt.seal_key(stored) is distinct from wanted end
$$;
comment on function mt.is_unfit(text, integer) is 'Likewise of a text.';

create function mt.is_unfit(stored bytea, wanted integer) returns boolean
  language sql immutable parallel safe
as $$
  select case when wanted is null then mt.seal_key(stored) is not null
              else stored <> ''::bytea and mt.seal_key(stored) is distinct from wanted end
$$;
comment on function mt.is_unfit(bytea, integer) is 'Likewise of bytes.';

create function mt.is_open_event(kind text) returns boolean
  language sql immutable parallel safe
as $$
  select kind in ('agents.heartbeats', 'agents.status_changed')
$$;
comment on function mt.is_open_event(text) is
  'Events whose payload (counts, statuses) statements write or read by themselves, so that it is not sealed.';

grant execute on function mt.seal_key(jsonb), mt.seal_key(text), mt.seal_key(bytea), mt.is_unfit(jsonb, integer),
  mt.is_unfit(text, integer), mt.is_unfit(bytea, integer), mt.is_open_event(text) to moothill_app, moothill_gate;

-- One function for each table: going through a row as JSON would cost more than all the rest. Rows that are added are
-- looked at together, once for each statement; a partition has no such trigger of its own, so a log is by rows.
create function mt.seals(relation regclass, columns name[], open_column name default null, open_when text default null)
  returns void
  language plpgsql as $body$
declare
  base text := (select relname from pg_class where oid = relation);
  by_rows boolean := (select relkind = 'p' from pg_class where oid = relation);
  caller name := current_user;
  listed text := (select string_agg(format('%I', c), ', ') from unnest(columns) as c);
  tests text := '';
  added text := '';
  part name;
begin
  perform set_config('citus.enable_unsafe_triggers', 'on', true);
  foreach part in array columns loop
    tests := tests || format(
      E'  if mt.is_unfit(new.%1$I, active) and (tg_op = ''INSERT'' or new.%1$I is distinct from old.%1$I)%2$s then\n'
      '    raise exception ''%3$s is not sealed as the keys of its tenant want it'' using errcode = ''MT001'';\n'
      '  end if;\n',
      part, case when part = open_column then format(' and not (%s)', open_when) else '' end, base || '.' || part);
    added := added || format(
      E'    if exists (select from added a left join moothill.tenant_keys k on k.tenant_id = a.tenant_id and k.state = ''active''\n'
      '               where mt.is_unfit(a.%1$I, k.number)) then\n'
      '      raise exception ''%2$s is not sealed as the keys of its tenant want it'' using errcode = ''MT001'';\n'
      '    end if;\n', part, base || '.' || part);
  end loop;
  execute format($text$
create function mt.sealed_%1$s() returns trigger
  language plpgsql security definer set search_path = pg_catalog, moothill, pg_temp
as $code$
declare
  active integer;
  -- Numbered before it looks: who changes the keys waits for every transaction that may have seen the old ones.
  numbered xid8 := pg_current_xact_id();
begin
%3$s  select k.number into active from moothill.tenant_keys k where k.tenant_id = new.tenant_id and k.state = 'active';
%2$s  return new;
end $code$
$text$, base, tests,
    case when by_rows then '' else format(E'  if tg_level = ''STATEMENT'' then\n%s    return null;\n  end if;\n', added) end);
  execute format('comment on function mt.sealed_%1$s() is %2$L', base,
                 'Refuses what is not sealed as the keys of its tenant want it.');
  execute format('create trigger sealed_rows before %s update of %s on %s for each row execute function mt.sealed_%s()',
                 case when by_rows then 'insert or' else '' end, listed, relation, base);
  if not by_rows then
    execute format('create trigger sealed_added after insert on %s referencing new table as added for each statement '
                   'execute function mt.sealed_%s()', relation, base);
  end if;
  -- The gate sees every tenant's keys. The owner hands the trigger on to new partitions, so it may call the function.
  execute format('revoke all on function mt.sealed_%1$s() from public', base);
  grant create on schema mt to moothill_gate;
  execute format('alter function mt.sealed_%1$s() owner to moothill_gate', base);
  revoke create on schema mt from moothill_gate;
  perform set_config('role', 'moothill_gate', true);
  execute format('grant execute on function mt.sealed_%1$s() to %2$I', base, caller);
  perform set_config('role', caller, true);
end $body$;
comment on function mt.seals(regclass, name[], name, text) is
  'Has the columns of a table hold sealed values only, in tenants that encrypt; of one column, not where a condition holds.';

select mt.seals('moothill.agents', '{config, metadata}');
select mt.seals('moothill.agent_cards', '{content}');
select mt.seals('moothill.capabilities', '{metadata}');
select mt.seals('moothill.capability_evidence', '{sentence}');
select mt.seals('moothill.jobs', '{arguments, cursor}');
select mt.seals('moothill.idempotency_keys', '{result}');
select mt.seals('moothill.events', '{payload, changes}', 'payload', 'mt.is_open_event(new.kind)');

-- A sealed value is longer than what it holds. Each check only becomes wider, in the transaction in which the old one goes.
-- squawk-ignore ban-drop-constraint
alter table moothill.agent_cards drop constraint agent_cards_content_check;
-- squawk-ignore constraint-missing-not-valid
alter table moothill.agent_cards add constraint agent_cards_content_check check (length(content) <= 1048640);
-- squawk-ignore ban-drop-constraint
alter table moothill.capability_evidence drop constraint capability_evidence_sentence_check;
-- squawk-ignore constraint-missing-not-valid
alter table moothill.capability_evidence add constraint capability_evidence_sentence_check
  check (length(sentence) <= case when starts_with(sentence, '$sealed:') then 60000 else 10000 end);
grant update (sentence) on moothill.capability_evidence to moothill_app;

-- One more exception to the rule that nobody changes the log: its content may be sealed, sealed anew, or opened, in place.
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
  -- `place` is made of two others, after this runs.
  if tg_op = 'UPDATE' and tg_argv[0] = 'events' and current_user = 'moothill_gate'
     and to_jsonb(new) - '{payload,changes,place}'::text[] = to_jsonb(old) - '{payload,changes,place}'::text[] then
    return new;
  end if;
  raise exception '% is append-only: what happened is neither changed nor taken back', tg_argv[0]
    using errcode = 'restrict_violation', hint = 'Retention deletes what is old enough; nothing else may.';
end $$;
comment on function mt.refuse_change() is
  'Refuses to change or remove rows of a log, for every role; as moothill_jobs, retention deletes what is not held, and erasure blanks; as moothill_gate, gate_event_reseal seals content in place.';

create policy gate_rows on moothill.events to moothill_gate using (tenant_id = mt.tenant()) with check (tenant_id = mt.tenant());
grant select (tenant_id, id, payload, changes), update (payload, changes) on moothill.events to moothill_gate;

create function moothill.gate_event_reseal(wanted uuid, part text, was jsonb, becomes jsonb, salt bytea, plain text)
  returns boolean
  language plpgsql volatile security definer set search_path = pg_catalog, moothill, mt, pg_temp
as $$
declare
  old_proof text := case when mt.seal_key(was) is not null then was -> '$sealed' ->> 'p' end;
  new_proof text := case when mt.seal_key(becomes) is not null then becomes -> '$sealed' ->> 'p' end;
begin
  -- The proof is SHA-256 of salt and text, with the salt inside of the seal: whoever has the key sees whether it is
  -- what was logged, and who has not learns nothing. What is logged sealed brings its own.
  if mt.seal_key(becomes) is null then
    if old_proof is null or decode(old_proof, 'base64') is distinct from sha256(salt || convert_to(plain, 'UTF8')) then
      raise exception 'this is not what was logged' using errcode = 'restrict_violation';
    end if;
    becomes := plain::jsonb;
  elsif new_proof is distinct from
        coalesce(old_proof, encode(sha256(salt || convert_to(was::text, 'UTF8')), 'base64')) then
    raise exception 'this is not what was logged' using errcode = 'restrict_violation';
  end if;
  if part = 'payload' then
    update events e set payload = becomes where e.tenant_id = mt.tenant() and e.id = wanted and e.payload = was;
  elsif part = 'changes' then
    update events e set changes = becomes where e.tenant_id = mt.tenant() and e.id = wanted and e.changes = was;
  else
    raise exception 'events have no content %', part using errcode = 'invalid_parameter_value';
  end if;
  return found;
end $$;
comment on function moothill.gate_event_reseal(uuid, text, jsonb, jsonb, bytea, text) is
  'Seals, seals anew or opens the content of one event of this tenant in place: the same content, by its proof.';

create function moothill.gate_keys_stale(newest text, after_tenant uuid, after_number integer, size integer)
  returns table (tenant_id uuid, number integer, wrapped bytea, kek text)
  language sql stable security definer set search_path = pg_catalog, moothill, pg_temp
as $$
  select k.tenant_id, k.number, k.wrapped, k.kek
  from moothill.tenant_keys k
  where k.kek <> newest and k.wrapped is not null and (k.tenant_id, k.number) > (after_tenant, after_number)
  order by k.tenant_id, k.number
  limit size;
$$;
comment on function moothill.gate_keys_stale(text, uuid, integer, integer) is
  'Data keys, of all tenants, that another key-encryption key than the newest wraps.';

create function moothill.gate_key_rewrap(wanted uuid, which integer, was bytea, becomes bytea, newest text) returns boolean
  language sql volatile security definer set search_path = pg_catalog, moothill, pg_temp
as $$
  with rewrapped as (
    update moothill.tenant_keys k
    set wrapped = becomes, kek = newest, wrapped_at = now()
    where k.tenant_id = wanted and k.number = which and k.wrapped = was
    returning k.number
  )
  select exists (select from rewrapped);
$$;
comment on function moothill.gate_key_rewrap(uuid, integer, bytea, bytea, text) is
  'Puts a data key under another key-encryption key, if it is still wrapped as it was read.';

select mt.lend(oid::regprocedure, 'moothill_gate')
from pg_proc
where pronamespace = 'moothill'::regnamespace
  and proname in ('gate_event_reseal', 'gate_keys_stale', 'gate_key_rewrap');
