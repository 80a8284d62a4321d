-- name: by_reference
-- One agent by id or its own key, whatever its status.
-- returns: maybe
-- seals: agents.config, agents.metadata
select {agent}
from agents
where tenant_id = %(tenant)s and (agent_id = %(key)s or id = %(id)s::uuid)
order by agent_id = %(key)s
limit 1;

-- name: by_key
-- One agent by its own key, whatever its status.
-- returns: maybe
-- seals: agents.config, agents.metadata
select {agent}
from agents
where tenant_id = %(tenant)s and agent_id = %(key)s;

-- name: near
-- Agents beside a key that is not there, in the order of keys and of names.
-- returns: many
select agent_id, name
from (
  (select agent_id, name from agents
   where tenant_id = %(tenant)s and agent_id >= %(key)s order by agent_id limit 25)
  union
  (select agent_id, name from agents
   where tenant_id = %(tenant)s and agent_id < %(key)s order by agent_id desc limit 25)
  union
  (select agent_id, name from agents
   where tenant_id = %(tenant)s and name_key >= lower(%(key)s) order by name_key limit 25)
  union
  (select agent_id, name from agents
   where tenant_id = %(tenant)s and name_key < lower(%(key)s) order by name_key desc limit 25)
) beside
order by agent_id;
